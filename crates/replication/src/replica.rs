//! The state machine of one node. The driver calls `handle_*` when the world did something and `submit` and other
//! verbs when a client wants something; after each call it drains `poll_transmit`, `poll_event` and `poll_sync`,
//! and calls `handle_timer` at `poll_timeout`. Time is a duration since the node started.

mod leaving;
mod lending;
mod membership;
mod messages;
mod pushing;
mod queues;
mod repairing;
mod retiring;
mod status;
mod timers;
mod voiding;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use shoal_merge::Frontier;
use shoal_model::{Batch, Incarnation, NodeId, Origin, Stream, View};
use shoal_store::{
    Appended, KnownPoints, Opened, Record, SnapshotDone, SnapshotRefused, SnapshotSize, Store, StoreError,
    SyncJob,
};
use thiserror::Error;

use crate::complete::Completeness;
use crate::fault::{Fault, Faults};
use crate::job::{Done, Job};
use crate::limits::{ACKS_WAIT, AUTO_WAIT, COMPARE, PENDING_MAX};
use crate::member::{Member, Members, Notice};
use crate::own_bytes::OwnBytes;
use crate::peer::Peer;
use crate::wire::{Class, Message};
use crate::write::{Acks, Electorate, Receipt, Ticket, TooFewCopies, Writes};

pub use membership::ForgetError;
pub use queues::Queues;
pub use repairing::RepairStatus;
pub use retiring::HISTORY;
pub use status::{MemberStatus, Totals};

/// Who this node is, and how it begins.
#[derive(Clone, Debug)]
pub struct Config {
    /// The node.
    pub node: NodeId,
    /// Which of its lives.
    pub incarnation: Incarnation,
    /// The origin of this life's frames; never used before.
    pub origin: Origin,
    /// A label for people.
    pub name: String,
    /// Failure domain, empty if none.
    pub zone: String,
    /// Whom it is to join, as the operator wrote it; empty: it begins a cluster of its own.
    pub join: Vec<String>,
    /// The wall clock when the life began, in ms: times since then are counted from it.
    pub began_ms: i64,
    /// Seed of the random choices.
    pub seed: u64,
}

/// Whether the node takes writes and answers queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// A newcomer that no member has admitted yet.
    Joining,
    /// A member that came back and is not caught up yet.
    CatchingUp,
    /// In service.
    Ready,
    /// Shutting down on purpose: nothing new is taken.
    Leaving,
}

/// A message to be carried to another node; it may be lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// The receiver.
    pub to: NodeId,
    /// Where it listens.
    pub address: SocketAddr,
    /// How urgent it is.
    pub class: Class,
    /// The encoded message.
    pub message: Bytes,
}

/// Something that the driver or an operator should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A write ended.
    Written {
        /// Which.
        ticket: Ticket,
        /// How.
        result: Result<Receipt, TooFewCopies>,
    },
    /// The node is in service. `alone` if no other member could be reached though there are some.
    Ready {
        /// Whether it could not compare itself with any other member.
        alone: bool,
    },
    /// A membership changed.
    Changed(Member),
    /// We took over the name of an unreachable member, which is forgotten: what only it held may be lost.
    Replaced(Member),
    /// A link works both ways.
    LinkUp(NodeId),
    /// A link stopped working.
    LinkDown(NodeId),
    /// What is missing here is being fetched from another node.
    RepairBegan {
        /// From which.
        lender: NodeId,
    },
    /// It is all here, and durable.
    Repaired {
        /// From which node.
        lender: NodeId,
        /// Points fetched.
        points: u64,
        /// How long it took.
        took: Duration,
    },
    /// A frame is lost: no member has it, and its points are given up.
    Voided(shoal_store::FrameId),
    /// It could not go on; it is begun anew with another node, or later.
    RepairGivenUp {
        /// From which node.
        lender: NodeId,
        /// Why.
        reason: &'static str,
    },
    /// A later life of this node is about: this one must stop.
    Superseded,
    /// The journal takes no more writes until a restart.
    JournalFailed(String),
    /// A snapshot of the store ended.
    Snapshot {
        /// Where it lies, or what there is of it.
        directory: String,
        /// How much it is, or why it is not complete.
        result: Result<SnapshotSize, String>,
    },
}

/// Why a write was not taken; nothing was stored.
#[derive(Debug, Error)]
pub enum SubmitError {
    /// Not in service yet; another node may be.
    #[error("this node is not ready: it waits for {0}; another node may take the write")]
    NotReady(String),
    /// There are fewer members than copies asked for.
    #[error(transparent)]
    TooFewMembers(TooFewCopies),
    /// Too many writes wait for copies; try again later.
    #[error("too many writes wait for their copies already: try again later or at another node")]
    Busy,
    /// The store's own reason.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What became of the frames of others, since the start; what was refused is in [`Faults`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames of others applied.
    pub frames_applied: u64,
    /// Frames that were known already.
    pub frames_known: u64,
    /// Pulls sent.
    pub pulls: u64,
    /// Frames given up because no member had them.
    pub frames_voided: u64,
    /// Debts ended though something of what was owed may be nowhere: no member was whole.
    pub debts_written_off: u64,
    /// Frames written because points of one that was given up are here.
    pub remnants: u64,
}

/// The replication state machine of one node.
pub struct Replica {
    config: Config,
    store: Store,
    members: Members,
    peers: BTreeMap<NodeId, Peer>,
    writes: Writes,
    readiness: Readiness,
    next_ticket: u64,
    next_beat: Duration,
    next_compare: Duration,
    next_probe: Duration,
    complete: Completeness,
    loans: BTreeMap<Origin, lending::Loan>,
    repairs: repairing::Repairs,
    jobs: VecDeque<Job>,
    /// The time of the last timer.
    timed_at: Duration,
    /// The wall clock as the driver told it last: it may have been set since the life began.
    clock_ms: i64,
    history: retiring::History,
    hand_over: Option<leaving::HandOver>,
    /// Origins that are over, as of the last look.
    retired: BTreeSet<Origin>,
    /// What was here when the others were last told to borrow it.
    told: Frontier,
    rng: SmallRng,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
    counters: Counters,
    faults: Faults,
    own_bytes: OwnBytes,
    has_failed: bool,
}

impl Replica {
    /// Begins a life on an opened store, and writes the frame by which the node joins.
    pub fn new(config: Config, opened: Opened) -> Result<Self, StoreError> {
        let mut members = Members::default();
        for notice in opened.members.iter().filter_map(|body| Notice::decode(body).ok()) {
            match notice {
                Notice::Member(member) => drop(members.join(member)),
                Notice::Void(id) => drop(members.note_void(id)),
            }
        }
        let clock_ms = config.began_ms;
        let mut replica = Self {
            rng: SmallRng::seed_from_u64(config.seed),
            config,
            store: opened.store,
            members,
            peers: BTreeMap::new(),
            writes: Writes::default(),
            readiness: Readiness::Joining,
            next_ticket: 1,
            next_beat: Duration::ZERO,
            next_compare: COMPARE,
            next_probe: Duration::ZERO,
            complete: Completeness::default(),
            loans: BTreeMap::new(),
            repairs: Default::default(),
            jobs: VecDeque::new(),
            clock_ms,
            history: Default::default(),
            hand_over: None,
            retired: BTreeSet::new(),
            told: Frontier::default(),
            timed_at: Duration::ZERO,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            counters: Counters::default(),
            faults: Faults::default(),
            own_bytes: OwnBytes::default(),
            has_failed: false,
        };
        replica.history.settle(replica.store.applied().get(HISTORY));
        replica.store.move_horizon(clock_ms);
        replica.retire_again();
        replica.keep_members();
        replica.write_join(0)?;
        replica.retire_origins(Duration::ZERO);
        replica.readiness = replica.first_readiness();
        if replica.readiness == Readiness::Ready {
            replica.events.push_back(Event::Ready { alone: false });
        }
        Ok(replica)
    }

    /// Takes a write: it is stored and pushed at once, and ends with [`Event::Written`].
    pub fn submit(&mut self, now: Duration, batch: &Batch, acks: Acks) -> Result<Ticket, SubmitError> {
        self.submit_noted(now, batch, &[], acks)
    }

    /// The same with records beside the points.
    pub fn submit_noted(
        &mut self,
        now: Duration,
        batch: &Batch,
        records: &[Record<'_>],
        acks: Acks,
    ) -> Result<Ticket, SubmitError> {
        self.check_submit(now, acks)?;
        let appended = self.append(batch, records)?;
        Ok(self.push_own(now, &appended, acks))
    }

    /// The same for streams by their places, from [`Replica::place`].
    pub fn submit_known(
        &mut self,
        now: Duration,
        known: &KnownPoints,
        records: &[Record<'_>],
        acks: Acks,
    ) -> Result<Ticket, SubmitError> {
        self.check_submit(now, acks)?;
        let appended = self.store.append_known(known, records)?;
        self.note_own(&appended);
        Ok(self.push_own(now, &appended, acks))
    }

    /// The place of a stream that is about to be written to.
    pub fn place(&mut self, stream: &Stream) -> u32 {
        self.store.place(stream)
    }

    /// Why no write is taken, if the node is not in service.
    pub fn check_in_service(&self, now: Duration) -> Result<(), SubmitError> {
        match self.readiness {
            Readiness::Ready => Ok(()),
            _ => Err(SubmitError::NotReady(self.waits_for(now))),
        }
    }

    fn check_submit(&mut self, now: Duration, acks: Acks) -> Result<(), SubmitError> {
        self.check_in_service(now)?;
        if self.writes.len() >= PENDING_MAX {
            return Err(SubmitError::Busy);
        }
        let Electorate { members, .. } = self.electorate(now);
        if let Acks::Count(wanted) = acks
            && wanted > members
        {
            return Err(SubmitError::TooFewMembers(TooFewCopies { copies: 0, wanted }));
        }
        Ok(())
    }

    /// Pushes what was just appended, and has it wait for its copies.
    fn push_own(&mut self, now: Duration, appended: &Appended, acks: Acks) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let wait = if acks == Acks::Auto { AUTO_WAIT } else { ACKS_WAIT };
        self.writes.wait(appended.frame.id().seq, ticket, acks, now + wait);
        self.push_all(now);
        ticket
    }

    /// Gossip has a new picture of the nodes.
    pub fn handle_view(&mut self, now: Duration, view: &View) {
        self.note_view(now, view);
    }

    /// A message of another node has arrived.
    pub fn handle_message(&mut self, now: Duration, from: NodeId, message: &Bytes) {
        match Message::decode(message) {
            Ok(message) => self.dispatch(now, from, message),
            Err(error) => {
                self.faults.count(from, Fault::from(&error));
                tracing::debug!(peer = %from, %error, "a message was dropped");
            }
        }
    }

    /// The time of [`Replica::poll_timeout`] has come.
    pub fn handle_timer(&mut self, now: Duration) {
        self.run_timers(now);
    }

    /// A sync that [`Replica::poll_sync`] asked for has ended.
    pub fn handle_synced(&mut self, now: Duration, job: &SyncJob, result: io::Result<()>) {
        self.store.handle_synced(job, result);
        self.tell_failure();
        self.tell_held();
        self.tell_synced_terms();
        self.settle(now);
    }

    /// The next message to carry.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next thing to know.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next sync to carry out, on any thread; there is one at a time.
    pub fn poll_sync(&mut self) -> Option<SyncJob> {
        self.store.poll_sync()
    }

    /// When [`Replica::handle_timer`] is due.
    pub fn poll_timeout(&self, now: Duration) -> Duration {
        let write = self.writes.next_end(now).unwrap_or(Duration::MAX);
        self.next_beat.min(self.next_compare).min(self.next_probe).min(write).min(self.repair_timeout())
    }

    /// The next job for another thread, a flush or a merge; hand it back by [`Replica::handle_done`]. `now_ms` is
    /// the wall clock.
    pub fn poll_job(&mut self, now_ms: i64) -> Option<Job> {
        let leads = self.clock_leads(now_ms);
        self.store.keep_windows(leads);
        self.clock_ms = now_ms;
        self.jobs.pop_front().or_else(|| self.store.poll_job(now_ms).map(Job::Store))
    }

    /// A job that [`Replica::poll_job`] handed out has been run.
    pub fn handle_done(&mut self, now: Duration, done: Done) {
        match done {
            Done::Store(done) => {
                self.store.handle_done(done);
                self.tell_failure();
            }
            Done::Lent(lent) => return self.take_lent(*lent),
            Done::Compared(compared) => return self.take_compared(now, *compared),
        }
        if let Some(SnapshotDone { directory, result }) = self.store.poll_snapshot() {
            let result = result.map_err(|error| error.to_string());
            self.events.push_back(Event::Snapshot { directory, result });
        }
        self.run_repair(now);
    }

    /// Asks for a snapshot of the store; it ends with [`Event::Snapshot`].
    pub fn begin_snapshot(&mut self, directory: &str) -> Result<(), SnapshotRefused> {
        self.store.begin_snapshot(directory)
    }

    /// The store, for reading.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Who belongs to the cluster.
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// Whether the node is in service.
    pub fn readiness(&self) -> Readiness {
        self.readiness
    }

    /// What became of the frames of others.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// What was refused of other nodes.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    fn send(&mut self, to: NodeId, message: &Message) {
        if let Some(peer) = self.peers.get(&to) {
            let address = peer.profile.peer;
            self.transmits.push_back(Transmit {
                to,
                address,
                class: message.class(),
                message: message.encode(),
            });
        }
    }

    fn append_member(&mut self, member: &Member) -> Result<(), StoreError> {
        let body = member.encode();
        self.append(&Batch::default(), &[Record { tag: shoal_store::Tag::MEMBER, body: &body }])?;
        self.take_member(member.clone());
        Ok(())
    }

    /// Writes the next frame of our own.
    fn append(&mut self, batch: &Batch, records: &[Record<'_>]) -> Result<Appended, StoreError> {
        let appended = self.store.append(batch, records)?;
        self.note_own(&appended);
        Ok(appended)
    }

    /// A sync or a flush may have found that nobody knows what is on the disk; that is told once.
    fn tell_failure(&mut self) {
        if let Some(reason) = self.store.failure().filter(|_| !self.has_failed) {
            self.events.push_back(Event::JournalFailed(reason.to_owned()));
            self.has_failed = true;
        }
    }

    fn note_own(&mut self, appended: &Appended) {
        self.own_bytes.note(appended.frame.id().seq, appended.frame.bytes().len());
    }

    /// The nodes that count, but for this one.
    fn other_members(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.members.joined().map(|member| member.node).filter(|node| *node != self.config.node)
    }

    fn electorate(&self, now: Duration) -> Electorate {
        let members = self.members.joined().count() as u32;
        let counts = |(node, peer): (&NodeId, &Peer)| self.members.counts(*node) && peer.is_reachable(now);
        Electorate {
            members,
            has_company: self.peers.iter().any(counts),
            syncs: self.store.failure().is_none(),
        }
    }

    fn settle(&mut self, now: Duration) {
        if self.writes.len() == 0 {
            return;
        }
        let (electorate, origin) = (self.electorate(now), self.config.origin);
        let answers_early = shoal_merge::Mutant::AnswersBeforeSync.is_on();
        let own = if answers_early { u64::MAX } else { self.store.held_of(origin) };
        let peers: Vec<&Peer> =
            self.peers.iter().filter(|(node, _)| self.members.counts(**node)).map(|(_, peer)| peer).collect();
        let copies = |seq| {
            u32::from(own >= seq)
                + peers
                    .iter()
                    .filter(|peer| peer.holds(seq) || shoal_merge::Mutant::PushedCountsAsHeld.is_on())
                    .count() as u32
        };
        let ended = self.writes.settle(now, electorate, |seq| shoal_store::FrameId { origin, seq }, copies);
        self.events.extend(ended.into_iter().map(|(ticket, result)| Event::Written { ticket, result }));
    }
}

#[cfg(test)]
mod tests;
