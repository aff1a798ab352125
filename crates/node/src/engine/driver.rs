//! The loop that owns the replica: waits for the next thing that happened, hands it over, and carries out what
//! the replica wants done. It decides nothing itself.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use shoal_model::{Batch, Family, Phase, Stream};
use shoal_replication::{Acks, Class, Done, Event, Readiness, Replica, Ticket};
use shoal_store::{FrameId, KnownPoints, Record, SnapshotProgress, SnapshotSize, SyncJob};
use shoal_transport::{Arrival, Mesh};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use super::pacing::Pacing;
use super::{
    Command, Meter, Placed, ReadError, Records, Snapshot, Status, TOKEN_WAIT, TakeSnapshotError, Unfit,
    UnfitStream, Wiring, WriteError, WriteReply, Written, phase,
};
use crate::clock::wall_ms;

/// How long a node that leaves waits until another holds all that it wrote.
const HAND_OVER: Duration = Duration::from_secs(3);
/// Jobs that may be under way: one of each kind of the store's, and a few for loans.
const JOBS_MAX: usize = 16;
/// Messages or requests taken in before their effects are carried out: groups syncs under load.
const TAKE_MAX: usize = 64;
/// Bytes of messages after which the loop turns to something else: a parcel of repair must not hold requests up.
const TAKE_BYTES: usize = 1024 * 1024;

/// A question that waits for the writes that it names.
struct Waiting {
    tokens: Vec<FrameId>,
    until: Instant,
    reply: oneshot::Sender<Result<Snapshot, ReadError>>,
}

struct Driver {
    replica: Replica,
    mesh: Mesh,
    meter: Arc<Meter>,
    series_max: usize,
    pacing: Pacing,
    began: Instant,
    writes: HashMap<Ticket, (Vec<UnfitStream>, WriteReply)>,
    synced: mpsc::Sender<(SyncJob, io::Result<()>)>,
    done: mpsc::Sender<Done>,
    readiness: watch::Sender<Readiness>,
    waiting: Vec<Waiting>,
    snapshot_reply: Option<oneshot::Sender<Result<SnapshotSize, TakeSnapshotError>>>,
    is_draining: bool,
    leaving: Option<(Instant, Vec<oneshot::Sender<()>>)>,
}

/// Runs until the mailbox closes or the node must stop.
pub(super) async fn run(
    wiring: Wiring,
    mut mailbox: mpsc::Receiver<Command>,
    readiness: watch::Sender<Readiness>,
    meter: Arc<Meter>,
) -> anyhow::Result<()> {
    let Wiring { replica, mesh, mut arrivals, membership, series_max } = wiring;
    let (synced, mut syncs) = mpsc::channel(1);
    let (done, mut jobs) = mpsc::channel(JOBS_MAX);
    let mut views = membership.views();
    views.mark_changed();
    // A node that begins a cluster is ready before anyone listens; gossip must hear of it all the same.
    let mut announced = readiness.subscribe();
    announced.mark_changed();
    let mut gossip_failed = Box::pin(membership.failed());
    let mut driver = Driver {
        replica,
        mesh,
        meter,
        series_max,
        pacing: Pacing::default(),
        began: Instant::now(),
        writes: HashMap::new(),
        synced,
        done,
        readiness,
        waiting: Vec::new(),
        snapshot_reply: None,
        is_draining: false,
        leaving: None,
    };
    let (mut commands, mut messages) = (Vec::new(), Vec::new());
    driver.carry_out()?;
    loop {
        let timeout = driver.replica.poll_timeout(driver.now());
        let timer = driver.began + driver.pacing.held_until().map_or(timeout, |held| held.min(timeout));
        // Whichever is ready may go first: neither peers nor clients can keep the others waiting.
        tokio::select! {
            Some((job, result)) = syncs.recv() => {
                let now = driver.now();
                driver.pacing.note_ended(now);
                driver.replica.handle_synced(now, &job, result);
            }
            Some(done) = jobs.recv() => {
                let now = driver.now();
                driver.replica.handle_done(now, done);
            }
            () = arrivals.recv_many(&mut messages, TAKE_MAX, TAKE_BYTES) => driver.take_messages(&mut messages)?,
            _ = mailbox.recv_many(&mut commands, TAKE_MAX) => {
                if commands.is_empty() || commands.iter().any(|command| matches!(command, Command::Stop)) {
                    membership.shutdown().await;
                    return Ok(());
                }
                commands.drain(..).for_each(|command| driver.obey(command));
            }
            Ok(()) = views.changed() => {
                let (now, view) = (driver.now(), views.borrow_and_update().clone());
                driver.replica.handle_view(now, &view);
            }
            Ok(()) = announced.changed() => membership.set_phase(phase(driver.readiness())).await,
            failed = &mut gossip_failed => return Err(failed).context("membership"),
            () = sleep_until(timer) => {}
        }
        driver.carry_out()?;
    }
}

impl Driver {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// What the node says of itself: while it drains it serves, and calls itself leaving all the same.
    fn readiness(&self) -> Readiness {
        if self.is_draining { Readiness::Leaving } else { self.replica.readiness() }
    }

    fn take_messages(&mut self, messages: &mut Vec<Arrival>) -> anyhow::Result<()> {
        if messages.is_empty() {
            bail!("the peers' endpoint has closed");
        }
        let now = self.now();
        messages
            .drain(..)
            .for_each(|arrival| self.replica.handle_message(now, arrival.from, &arrival.message));
        Ok(())
    }

    /// Carries out all that the replica wants done.
    fn carry_out(&mut self) -> anyhow::Result<()> {
        let now = self.now();
        if self.replica.poll_timeout(now) <= now {
            self.replica.handle_timer(now);
        }
        while let Some(transmit) = self.replica.poll_transmit() {
            let class = match transmit.class {
                Class::Control => shoal_transport::Class::Control,
                Class::Frames => shoal_transport::Class::Frames,
                Class::Repair => shoal_transport::Class::Repair,
            };
            self.mesh.send(transmit.address, class, transmit.message);
        }
        if self.pacing.may_begin(now)
            && let Some(job) = self.replica.poll_sync()
        {
            self.pacing.note_begun(now);
            let (synced, meter) = (self.synced.clone(), self.meter.clone());
            tokio::task::spawn_blocking(move || {
                let began = std::time::Instant::now();
                let result = job.run();
                meter.synced(began.elapsed(), result.is_ok());
                // The loop has ended if nobody takes it; then nobody waits for it either.
                let _ = synced.blocking_send((job, result));
            });
        }
        while let Some(job) = self.replica.poll_job(wall_ms()) {
            let (done, meter) = (self.done.clone(), self.meter.clone());
            tokio::task::spawn_blocking(move || {
                // The loop has ended if nobody takes it; what it was about is still in the journal.
                let _ = done.blocking_send(meter.run(job));
            });
        }
        while let Some(event) = self.replica.poll_event() {
            self.note(event)?;
        }
        let readiness = self.readiness();
        self.readiness.send_if_modified(|known| std::mem::replace(known, readiness) != readiness);
        self.answer_waiting();
        self.end_leaving();
        Ok(())
    }

    fn note(&mut self, event: Event) -> anyhow::Result<()> {
        match event {
            Event::Written { ticket, result } => {
                if let Some((unfit, reply)) = self.writes.remove(&ticket) {
                    let written = result.map(|receipt| Written { receipt: Some(receipt), unfit });
                    let _ = reply.send(written.map_err(WriteError::from));
                }
            }
            Event::Ready { alone: false } => tracing::info!("in service"),
            Event::Ready { alone: true } => tracing::warn!("in service, but no other member can be reached"),
            Event::Changed(member) => {
                tracing::info!(name = member.name, node = %member.node, "member {}", member.status.word());
            }
            Event::Replaced(member) => tracing::warn!(
                name = member.name, node = %member.node,
                "took the place of an unreachable member: what only it held may be lost"
            ),
            Event::RepairBegan { lender } => tracing::info!(%lender, "fetching what is missing here"),
            Event::Repaired { lender, points, took } => {
                tracing::info!(%lender, points, ?took, "what was missing is here");
            }
            Event::Voided(id) => tracing::error!(
                origin = %id.origin, seq = id.seq,
                "a frame is lost: no member has it, and its points are given up"
            ),
            Event::RepairGivenUp { lender, reason } => {
                tracing::info!(%lender, reason, "fetching what is missing is begun anew");
            }
            Event::LinkUp(node) => tracing::debug!(%node, "link up"),
            Event::LinkDown(node) => tracing::warn!(%node, "link down"),
            Event::Superseded => {
                bail!("a later life of this node is about: its data directory was copied or started twice")
            }
            Event::JournalFailed(reason) => {
                tracing::error!(reason, "the journal failed: no more writes until a restart");
            }
            Event::Snapshot { directory: _, result } => {
                if result.is_ok() {
                    self.meter.snapshot_taken(wall_ms());
                }
                if let Some(reply) = self.snapshot_reply.take() {
                    let _ = reply.send(result.map_err(TakeSnapshotError::Failed));
                }
            }
        }
        Ok(())
    }

    fn obey(&mut self, command: Command) {
        // Whoever asked may have gone away meanwhile: then the answer is dropped.
        match command {
            Command::Write { batch, notes, acks, reply } => self.write(batch, &notes, acks, reply),
            Command::Place { streams, reply } => drop(reply.send(self.place(&streams))),
            Command::WriteKnown { revision, known, notes, acks, reply } => {
                self.write_known(revision, &known, &notes, acks, reply);
            }
            Command::Snapshot { tokens, reply } => {
                self.waiting.push(Waiting { tokens, until: Instant::now() + TOKEN_WAIT, reply });
            }
            Command::Status { reply } => drop(reply.send(self.status())),
            Command::Forget { target, reply } => {
                let now = self.now();
                drop(reply.send(self.replica.forget(now, &target)));
            }
            Command::TakeSnapshot { directory, reply } => match self.replica.begin_snapshot(&directory) {
                Ok(()) => self.snapshot_reply = Some(reply),
                Err(refused) => drop(reply.send(Err(refused.into()))),
            },
            Command::Drain { reply } => drop(reply.send(self.drain())),
            Command::Leave { reply } => self.leave(reply),
            Command::Stop => {}
        }
    }

    fn write(&mut self, mut batch: Batch, notes: &Records, acks: Acks, reply: WriteReply) {
        let unfit = self.take_out_unfit(&mut batch);
        if batch.streams.is_empty() && notes.is_empty() {
            drop(reply.send(Ok(Written { receipt: None, unfit })));
            return;
        }
        let now = self.now();
        match self.replica.submit_noted(now, &batch, &records(notes), acks) {
            Ok(ticket) => self.await_copies(ticket, unfit, reply),
            Err(error) => drop(reply.send(Err(error.into()))),
        }
    }

    fn write_known(
        &mut self,
        revision: u64,
        known: &KnownPoints,
        notes: &Records,
        acks: Acks,
        reply: WriteReply,
    ) {
        let current = self.replica.store().catalogue().read().revision();
        if revision != current {
            drop(reply.send(Err(WriteError::Outdated(current))));
            return;
        }
        let now = self.now();
        match self.replica.submit_known(now, known, &records(notes), acks) {
            Ok(ticket) => self.await_copies(ticket, Vec::new(), reply),
            Err(error) => drop(reply.send(Err(error.into()))),
        }
    }

    fn await_copies(&mut self, ticket: Ticket, unfit: Vec<UnfitStream>, reply: WriteReply) {
        self.pacing.note_write();
        self.writes.insert(ticket, (unfit, reply));
    }

    fn place(&mut self, streams: &[Stream]) -> Result<Placed, WriteError> {
        let now = self.now();
        self.replica.check_in_service(now)?;
        let mut places = Vec::with_capacity(streams.len());
        for stream in streams {
            let family = self.replica.store().other_family(stream).map(|family| clash(stream, family));
            places.push(match family.or_else(|| self.beyond_room(stream, 0)) {
                None => Ok(self.replica.place(stream)),
                Some(unfit) => Err(unfit),
            });
        }
        let store = self.replica.store();
        let (revision, streams) = (store.catalogue().read().revision(), store.stream_count());
        Ok(Placed { revision, places, streams })
    }

    /// Refuses streams whose series is of another family here (two nodes that choose differently before they meet
    /// show both), and new ones where there are too many.
    fn take_out_unfit(&self, batch: &mut Batch) -> Vec<UnfitStream> {
        let mut unfit = Vec::new();
        let (mut place, mut kept) = (0, 0);
        let mut in_batch = HashMap::new();
        batch.streams.retain(|part| {
            let kind = part.stream.kind;
            let first = *in_batch.entry(part.stream.labels.series_id()).or_insert(kind.family());
            let other = (first != kind.family()).then_some(first);
            let family = other.or_else(|| self.replica.store().other_family(&part.stream));
            let family = family.map(|family| clash(&part.stream, family));
            let why = family.or_else(|| self.beyond_room(&part.stream, kept));
            let fits = why.is_none();
            unfit.extend(why.map(|why| UnfitStream { stream: place, why }));
            place += 1;
            kept += usize::from(fits);
            fits
        });
        unfit
    }

    /// Why a stream cannot be begun beside `others` that may be new too, if there are too many. What other nodes took
    /// is taken here all the same.
    fn beyond_room(&self, stream: &Stream, others: usize) -> Option<Unfit> {
        let store = self.replica.store();
        let is_full = store.stream_count() + others >= self.series_max;
        if !is_full || store.catalogue().read().place(&stream.id()).is_some() {
            return None;
        }
        let reason =
            format!("series {} is new, and --series-max {} are there", stream.labels, self.series_max);
        Some(Unfit { word: "series_limit", reason })
    }

    /// Answers the questions whose writes have arrived, or whose time is over.
    fn answer_waiting(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let now = Instant::now();
        for Waiting { tokens, until, reply } in std::mem::take(&mut self.waiting) {
            let applied = self.replica.store().applied();
            let missing = tokens.iter().find(|token| applied.get(token.origin) < token.seq).copied();
            // Whoever asked may have gone away meanwhile.
            match missing {
                None => drop(reply.send(self.snapshot())),
                Some(token) if until <= now => drop(reply.send(Err(ReadError::Behind(token)))),
                Some(_) => self.waiting.push(Waiting { tokens, until, reply }),
            }
        }
    }

    fn snapshot(&self) -> Result<Snapshot, ReadError> {
        let now = self.now();
        if let Some(reason) = self.replica.not_in_service(now) {
            return Err(ReadError::NotReady(reason));
        }
        let store = self.replica.store();
        Ok(Snapshot {
            view: store.view(),
            frontier: store.answer_hash(),
            complete_until: self.replica.complete_until(now),
            warnings: self.replica.warnings(now),
        })
    }

    fn status(&self) -> Status {
        let now = self.now();
        Status {
            readiness: self.readiness(),
            members: self.replica.member_statuses(now),
            totals: self.replica.totals(),
            counters: self.replica.counters(),
            faults: self.replica.faults().clone(),
            failure: self.replica.store().failure().map(str::to_owned),
            frontier: self.replica.store().answer_hash(),
            holes: self.replica.store().holes().collect(),
            damage: self.replica.store().damage().clone(),
            repair: self.replica.repair(now),
            snapshot: self.replica.store().snapshot_progress().map(SnapshotProgress::files),
            complete_until: self.replica.complete_until(now),
            warnings: self.replica.warnings(now),
        }
    }

    fn drain(&mut self) -> bool {
        self.is_draining = true;
        let members = self.replica.member_statuses(self.now());
        members.iter().any(|status| {
            // One that is ready may not have told yet: gossip takes a moment.
            let stays = status.profile.as_ref().is_some_and(|profile| profile.phase != Phase::Leaving);
            status.is_reachable && stays && status.member.status == shoal_replication::Status::Joined
        })
    }

    fn leave(&mut self, reply: oneshot::Sender<()>) {
        let now = self.now();
        if let Some((_, waiting)) = &mut self.leaving {
            waiting.push(reply);
            return;
        }
        if let Err(error) = self.replica.leave(now) {
            tracing::warn!(%error, "leaving could not be written down: the others will miss this node");
        }
        self.leaving = Some((Instant::now() + HAND_OVER, vec![reply]));
    }

    fn end_leaving(&mut self) {
        let now = self.now();
        let is_over = |until: &Instant| *until <= Instant::now() || self.replica.is_handed_over(now);
        if self.leaving.as_ref().is_some_and(|(until, replies)| !replies.is_empty() && is_over(until))
            && let Some((_, replies)) = &mut self.leaving
        {
            for reply in replies.drain(..) {
                let _ = reply.send(());
            }
        }
    }
}

fn records(notes: &Records) -> Vec<Record<'_>> {
    notes.iter().map(|(tag, body)| Record { tag: *tag, body }).collect()
}

fn clash(stream: &Stream, family: Family) -> Unfit {
    let reason = format!("series {} is a {family} here and cannot be a {} too", stream.labels, stream.kind);
    Unfit { word: "family", reason }
}
