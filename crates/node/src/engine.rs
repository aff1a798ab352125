//! The engine: one task owns the replica. Doors talk to it by a bounded mailbox; peers' messages, views of
//! gossip, finished syncs and time reach it as events. A clone of the handle is cheap.

mod answer;
mod driver;
mod lensed;
mod meter;
mod notes;
mod pacing;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use shoal_membership::Membership;
use shoal_model::{Batch, NodeId, Phase, Stream, StreamPoints};
use shoal_replication::{
    Acks, Counters, Faults, ForgetError, Member, MemberStatus, Readiness, Receipt, RepairStatus, Replica,
    SubmitError, TooFewCopies, Totals,
};
use shoal_store::{FrameId, KnownPoints, SharedAnnotations, SnapshotSize, Tag};
use shoal_transport::{Arrivals, Mesh};
use thiserror::Error;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

pub use answer::{Answer, PartValue, Question, SeriesValue, Snapshot, TooManySeries};
pub use lensed::{Effort, Lensed, shown_labels};
pub use meter::Meter;
pub use notes::Notes;

/// Requests that wait for the loop; doors wait when it is full.
const MAILBOX: usize = 1024;

/// Bytes of points and labels that wait for a sync or for copies, roughly: some seconds at full rate.
const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Questions that are answered at once, the others wait: each holds a thread and what it has read.
const ANSWERS_MAX: usize = 20;

/// How long a question waits for the writes that it names.
const TOKEN_WAIT: Duration = Duration::from_secs(5);

/// The engine has ended; the node is about to as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the node is stopping; another node may take the request")]
pub struct Stopped;

/// Why a write was not acknowledged.
#[derive(Debug, Error)]
pub enum WriteError {
    /// It was not taken.
    #[error(transparent)]
    Refused(#[from] SubmitError),
    /// It was taken, but the copies asked for could not be had.
    #[error(transparent)]
    TooFewCopies(#[from] TooFewCopies),
    /// The places that it names were found at an earlier revision of the catalogue; nothing was taken.
    #[error("the catalogue has changed, to revision {0}: send it again")]
    Outdated(u64),
    /// Nobody knows: it may have been taken.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Why a query was not answered.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The question was too broad.
    #[error(transparent)]
    TooManySeries(#[from] TooManySeries),
    /// The node is not in service yet.
    #[error("this node is not ready: it waits for {0}; another node may answer")]
    NotReady(String),
    /// The writes that the question names did not arrive here in time.
    #[error("frame {} of origin {} has not arrived here within {TOKEN_WAIT:?}: try again, or at another node", .0.seq, .0.origin)]
    Behind(FrameId),
    /// Something is damaged on this node's disk, so a digest of all points cannot be had.
    #[error("points could not be read here, another node may have them: {0}")]
    Damaged(#[from] shoal_store::Damaged),
    /// The engine has ended.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Why a member was not forgotten.
#[derive(Debug, Error)]
pub enum ForgetMemberError {
    /// The replica's reason.
    #[error(transparent)]
    Refused(#[from] ForgetError),
    /// The engine has ended.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Why there is no snapshot.
#[derive(Debug, Error)]
pub enum TakeSnapshotError {
    /// It was not begun.
    #[error(transparent)]
    Refused(#[from] shoal_store::SnapshotRefused),
    /// It was begun; what there is of it says that it is not complete.
    #[error("the snapshot failed: {0}")]
    Failed(String),
    /// It has a name that could lead elsewhere. The caller's fault.
    #[error(
        "{0:?} is no name of a snapshot: 1 to 128 letters, digits, dots, dashes and underscores, no dot first"
    )]
    Name(String),
    /// The directory for snapshots cannot be made.
    #[error("{0}: {1}")]
    Directory(std::path::PathBuf, #[source] std::io::Error),
    /// The engine has ended.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Why a stream was refused whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// For counting: `family` where its series is of another family, `series_limit` where there are too many already.
    pub word: &'static str,
    /// In words.
    pub reason: String,
}

/// A stream of the batch that was refused whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfitStream {
    /// Place of the stream in the batch.
    pub stream: usize,
    /// Why.
    pub why: Unfit,
}

/// What a write came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The frame and its copies; `None` if nothing was left to write.
    pub receipt: Option<Receipt>,
    /// Streams that were refused.
    pub unfit: Vec<UnfitStream>,
}

/// Where streams are, at one revision of the catalogue.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The revision.
    pub revision: u64,
    /// For each stream its place, or why it cannot have one.
    pub places: Vec<Result<u32, Unfit>>,
    /// How many streams there are in all.
    pub streams: usize,
}

/// What the engine tells of itself.
#[derive(Clone, Debug)]
pub struct Status {
    /// Whether the node is in service.
    pub readiness: Readiness,
    /// Every node that belongs or belonged, in order of id.
    pub members: Vec<MemberStatus>,
    /// What is held.
    pub totals: Totals,
    /// What became of the frames of others.
    pub counters: Counters,
    /// What was refused of other nodes.
    pub faults: Faults,
    /// Why the journal takes nothing more until a restart, if that is so.
    pub failure: Option<String>,
    /// What answers hash.
    pub frontier: u128,
    /// Frames that were held and cannot be read any more.
    pub holes: Vec<(FrameId, shoal_store::Hole)>,
    /// What is damaged of the points on disk.
    pub damage: shoal_store::DamageMarks,
    /// What is being fetched from another node, if anything is missing.
    pub repair: Option<RepairStatus>,
    /// Files of the snapshot under way, and about how many there will be.
    pub snapshot: Option<(u64, u64)>,
    /// Up to which ms of this node's clock all that the members held is here, if known.
    pub complete_until: Option<i64>,
    /// Why an answer may lack something.
    pub warnings: Vec<String>,
}

type Records = Vec<(Tag, Vec<u8>)>;
type WriteReply = oneshot::Sender<Result<Written, WriteError>>;
impl Status {
    /// The members that answer and stay, this node among them.
    pub fn reachable(&self) -> BTreeSet<NodeId> {
        let stays = |member: &&MemberStatus| {
            let leaves = member.profile.as_ref().is_some_and(|profile| profile.phase == Phase::Leaving);
            member.is_reachable && member.member.status == shoal_replication::Status::Joined && !leaves
        };
        self.members.iter().filter(stays).map(|member| member.member.node).collect()
    }
}

enum Command {
    Write { batch: Batch, notes: Records, acks: Acks, reply: WriteReply },
    Place { streams: Vec<Stream>, reply: oneshot::Sender<Result<Placed, WriteError>> },
    WriteKnown { revision: u64, known: KnownPoints, notes: Records, acks: Acks, reply: WriteReply },
    Snapshot { tokens: Vec<FrameId>, reply: oneshot::Sender<Result<Snapshot, ReadError>> },
    Status { reply: oneshot::Sender<Status> },
    Forget { target: String, reply: oneshot::Sender<Result<Member, ForgetError>> },
    TakeSnapshot { directory: String, reply: oneshot::Sender<Result<SnapshotSize, TakeSnapshotError>> },
    Drain { reply: oneshot::Sender<bool> },
    Leave { reply: oneshot::Sender<()> },
    Stop,
}

/// What the engine is joined to.
pub struct Wiring {
    /// The replica.
    pub replica: Replica,
    /// Carries messages to peers.
    pub mesh: Mesh,
    /// Peers' messages, gossip left out.
    pub arrivals: Arrivals,
    /// Gossip.
    pub membership: Membership,
    /// How many streams there may be before clients can begin no more.
    pub series_max: usize,
}

/// A handle on the engine.
#[derive(Clone)]
pub struct Engine {
    commands: mpsc::Sender<Command>,
    readiness: watch::Receiver<Readiness>,
    meter: Arc<Meter>,
    annotations: SharedAnnotations,
    node: NodeId,
    room: Arc<Semaphore>,
    answers: Arc<Semaphore>,
}

impl Engine {
    /// Starts the loop. The task ends when the node must stop, and says why if that is a failure.
    pub fn start(wiring: Wiring, node: NodeId) -> (Self, tokio::task::JoinHandle<anyhow::Result<()>>) {
        let (commands, mailbox) = mpsc::channel(MAILBOX);
        let annotations = wiring.replica.store().annotations().clone();
        let (readiness, watched) = watch::channel(wiring.replica.readiness());
        let meter = Arc::new(Meter::default());
        let task = tokio::spawn(driver::run(wiring, mailbox, readiness, meter.clone()));
        let room = Arc::new(Semaphore::new(WAITING_BYTES_MAX));
        let answers = Arc::new(Semaphore::new(ANSWERS_MAX));
        (Self { commands, readiness: watched, meter, annotations, node, room, answers }, task)
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Whether the node is in service, now and whenever that changes.
    pub fn readiness(&self) -> watch::Receiver<Readiness> {
        self.readiness.clone()
    }

    /// What its work on the disk takes.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Writes a batch and waits for its copies. Refused where too much waits for that already.
    pub async fn write(&self, batch: Batch, acks: Acks) -> Result<Written, WriteError> {
        self.write_noted(batch, Notes::default(), acks).await
    }

    /// The same with what is told beside the points.
    pub async fn write_noted(&self, batch: Batch, notes: Notes, acks: Acks) -> Result<Written, WriteError> {
        let bytes = bytes_of(&batch).min(WAITING_BYTES_MAX) as u32;
        let _room = self.room.try_acquire_many(bytes).map_err(|_| SubmitError::Busy)?;
        let notes = notes.into_records(&self.annotations);
        self.ask(|reply| Command::Write { batch, notes, acks, reply }).await?
    }

    /// The places of streams that are about to be written to; new ones are taken into the catalogue.
    pub async fn place(&self, streams: Vec<Stream>) -> Result<Placed, WriteError> {
        self.ask(|reply| Command::Place { streams, reply }).await?
    }

    /// Writes points of streams by their places, and waits for their copies.
    pub async fn write_known(
        &self,
        revision: u64,
        known: KnownPoints,
        notes: Notes,
        acks: Acks,
    ) -> Result<Written, WriteError> {
        let bytes = known_bytes(&known).min(WAITING_BYTES_MAX) as u32;
        let _room = self.room.try_acquire_many(bytes).map_err(|_| SubmitError::Busy)?;
        let notes = notes.into_records(&self.annotations);
        self.ask(|reply| Command::WriteKnown { revision, known, notes, acks, reply }).await?
    }

    /// Answers a question; the loop goes on meanwhile.
    pub async fn read(&self, question: Question) -> Result<Answer, ReadError> {
        let tokens = question.tokens.clone();
        self.inspect_after(tokens, move |snapshot| snapshot.answer(&question)).await?
    }

    /// Works on the state of one moment on a thread of its own; the loop goes on meanwhile.
    pub async fn inspect<T: Send + 'static>(
        &self,
        work: impl FnOnce(Snapshot) -> T + Send + 'static,
    ) -> Result<T, ReadError> {
        self.inspect_after(Vec::new(), work).await
    }

    /// The same once the writes that the tokens name are here.
    pub async fn inspect_after<T: Send + 'static>(
        &self,
        tokens: Vec<FrameId>,
        work: impl FnOnce(Snapshot) -> T + Send + 'static,
    ) -> Result<T, ReadError> {
        let snapshot = self.ask(|reply| Command::Snapshot { tokens, reply }).await??;
        let _turn = self.answers.acquire().await.map_err(|_| Stopped)?;
        Ok(tokio::task::spawn_blocking(move || work(snapshot)).await.map_err(|_| Stopped)?)
    }

    /// A digest of every point that reads see; it reads everything that is not sealed.
    pub async fn digest(&self) -> Result<u128, ReadError> {
        let snapshot = self.ask(|reply| Command::Snapshot { tokens: Vec::new(), reply }).await??;
        let digested = tokio::task::spawn_blocking(move || snapshot.view.digest());
        Ok(digested.await.map_err(|_| Stopped)??.0)
    }

    /// Tells how things stand.
    pub async fn status(&self) -> Result<Status, Stopped> {
        self.ask(|reply| Command::Status { reply }).await
    }

    /// Gives a member up, by id or name.
    pub async fn forget(&self, target: String) -> Result<Member, ForgetMemberError> {
        Ok(self.ask(|reply| Command::Forget { target, reply }).await.map_err(ForgetMemberError::from)??)
    }

    /// Copies the store into a directory of this machine; returns when that is done.
    pub async fn take_snapshot(&self, directory: String) -> Result<SnapshotSize, TakeSnapshotError> {
        self.ask(|reply| Command::TakeSnapshot { directory, reply }).await?
    }

    /// Says from now on that this node is not ready, while it serves as before; tells whether there is another node
    /// that clients may turn to.
    pub async fn drain(&self) -> Result<bool, Stopped> {
        self.ask(|reply| Command::Drain { reply }).await
    }

    /// Leaves the cluster; returns when all that this node wrote is held by another, or after a while.
    pub async fn leave(&self) -> Result<(), Stopped> {
        self.ask(|reply| Command::Leave { reply }).await
    }

    /// Ends the loop, after gossip has told the others.
    pub async fn stop(&self) {
        // A loop that has ended already needs no telling.
        let _ = self.commands.send(Command::Stop).await;
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }
}

/// What a batch costs while it waits.
fn bytes_of(batch: &Batch) -> usize {
    let part = |part: &StreamPoints| {
        size_of::<StreamPoints>() + part.stream.labels.canonical().len() + size_of_val(part.points.as_slice())
    };
    batch.streams.iter().map(part).sum()
}

/// What points of known streams cost while they wait.
fn known_bytes(known: &KnownPoints) -> usize {
    size_of_val(known.streams.as_slice()) + size_of_val(known.points.as_slice())
}

/// The phase that a readiness is told as.
pub fn phase(readiness: Readiness) -> Phase {
    match readiness {
        Readiness::Joining | Readiness::CatchingUp => Phase::Joining,
        Readiness::Ready => Phase::Ready,
        Readiness::Leaving => Phase::Leaving,
    }
}
