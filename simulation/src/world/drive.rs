//! What a node's driver does: after each call of the replica its messages, syncs and events are carried out.

use std::time::Duration;

use rand::Rng;
use shoal_model::NodeId;
use shoal_replication::{Event as Told, Receipt, Replica, Transmit};

use super::{Event, World};
use crate::fault::Kind;
use crate::invariants::{Invariant, copies};
use crate::life::Sync;
use crate::link::Direction;
use crate::oracle;
use crate::run::Sabotage;
use crate::workload::{Request, Sent};

/// How long a sync takes, in µs.
const SYNC_US: std::ops::Range<u64> = 200..8_000;
/// How long a sync takes on a slow disk, in µs.
const SLOW_SYNC_US: std::ops::Range<u64> = 50_000..1_500_000;
/// The least time between two rings of a timer.
const TIMER_MIN: Duration = Duration::from_millis(1);
/// How often a timer may ring at one time: what it does may bring the next one forward.
const RINGS_MAX: u32 = 4;
/// How long a process that was killed, or a machine that is set up anew, is away, in ms.
const ABSENCE_MS: u64 = 2_000;
/// How long a node whose journal has failed goes on before somebody starts it again, in ms.
const NOTICED_MS: u64 = 8_000;

impl World {
    /// Calls the replica of the process at a place, if there is one, and carries out what it wants.
    pub(crate) fn act(&mut self, node: usize, act: impl FnOnce(&mut Replica, Duration)) {
        if let Some(life) = &mut self.nodes[node].life {
            act(&mut life.replica, self.now - life.began);
            self.carry_out(node);
        }
    }

    pub(super) fn ring(&mut self, node: usize, number: u64) {
        let now = self.now;
        let Some(life) = &mut self.nodes[node].life else { return };
        if life.number == number && life.timer_at == Some(now) {
            life.timer_at = None;
            self.carry_out(node);
        }
    }

    pub(super) fn run_sync(&mut self, node: usize, number: u64) {
        let skips = self.sabotage == Some(Sabotage::SkippedSyncs);
        let Some(life) = self.nodes[node].life.as_mut().filter(|life| life.number == number) else { return };
        if let Some(sync) = &mut life.sync {
            sync.result = Some(if skips { Ok(()) } else { sync.job.run() });
        }
    }

    pub(super) fn end_sync(&mut self, node: usize, number: u64) {
        let now = self.now;
        let Some(life) = self.nodes[node].life.as_mut().filter(|life| life.number == number) else { return };
        let Some(Sync { job, result: Some(result) }) = life.sync.take() else { return };
        life.replica.handle_synced(now - life.began, &job, result);
        let (id, origin) = (life.identity.node, life.origin);
        let held = life.replica.store().held_of(origin);
        if self.nodes[node].is_killed() {
            return self.die(node);
        }
        self.diary.note(now, id, origin, held);
        self.carry_out(node);
    }

    pub(super) fn write(&mut self, session: usize, request: &Request) {
        let Request { node, batch, acks } = request;
        let Some(life) = &mut self.nodes[*node].life else { return };
        self.oracle.attempt(batch);
        self.figures.writes += 1;
        match life.replica.submit(self.now - life.began, batch, *acks) {
            Ok(ticket) => {
                self.trace.note(self.now, "write", *node, &ticket.0.to_le_bytes());
                let sent = Sent { node: *node, life: life.number, ticket };
                self.workload.taken(session, self.now, sent);
            }
            Err(_) => self.figures.refused += 1,
        }
        self.carry_out(*node);
    }

    /// Carries out all that a replica wants. A process that was killed meanwhile does nothing more of it.
    pub(super) fn carry_out(&mut self, node: usize) {
        self.run_due_timer(node);
        self.run_jobs(node);
        self.begin_sync(node);
        if self.nodes[node].is_killed() {
            return self.die(node);
        }
        self.send_messages(node);
        self.hear_events(node);
        self.arm_timer(node);
        self.go_if_handed_over(node);
    }

    fn die(&mut self, node: usize) {
        self.trace.tell(self.now, &format!("n{node} is killed"));
        let absence = self.soon(ABSENCE_MS) - self.now;
        self.stop(node, absence);
    }

    /// Flushes and merges are run on the spot.
    fn run_jobs(&mut self, node: usize) {
        let now_ms = self.nodes[node].wall_ms(self.now, self.mix.lapse);
        let Some(life) = &mut self.nodes[node].life else { return };
        let now = self.now - life.began;
        while let Some(job) = life.replica.poll_job(now_ms) {
            self.figures.jobs += 1;
            life.replica.handle_done(now, job.run());
        }
    }

    fn run_due_timer(&mut self, node: usize) {
        let Some(life) = &mut self.nodes[node].life else { return };
        let now = self.now - life.began;
        let mut rings = 0;
        while life.replica.poll_timeout(now) <= now && rings < RINGS_MAX {
            life.replica.handle_timer(now);
            rings += 1;
        }
        let what = || format!("n{node}: a timer is due again as soon as it has rung");
        self.judge(Invariant::Backlog, (rings < RINGS_MAX).then_some(()).ok_or_else(what));
    }

    fn send_messages(&mut self, node: usize) {
        let Some(life) = &mut self.nodes[node].life else { return };
        let from = life.identity.node;
        let messages: Vec<_> = std::iter::from_fn(|| life.replica.poll_transmit()).collect();
        if messages.is_empty() {
            return;
        }
        // Places that lost their disk are known under several ids.
        let others = self.nodes.iter().map(|other| 1 + other.disks_lost as usize).sum();
        let bounded = self.backlogs[node].note(self.now, messages.len(), others);
        self.judge(Invariant::Backlog, bounded.map_err(|what| format!("n{node}: {what}")));
        messages.into_iter().for_each(|message| self.send(node, from, message));
    }

    /// Carries a message to whoever listens at its address.
    fn send(&mut self, node: usize, from: NodeId, transmit: Transmit) {
        let Transmit { address, class, message, .. } = transmit;
        let Some(to) = self.nodes.iter().position(|other| other.address == address) else { return };
        self.figures.messages += 1;
        let arrivals = self.links.carry(self.now, Direction { from: node, to }, class);
        self.figures.lost += u64::from(arrivals[0].is_none());
        for at in arrivals.into_iter().flatten() {
            self.schedule.push(at, Event::Message { node: to, from, message: message.clone() });
        }
    }

    /// A sync reaches the disk at once, so that nothing written after it was asked for is safe, or late.
    fn begin_sync(&mut self, node: usize) {
        let is_slow = self.now < self.nodes[node].slow_until;
        let Some(life) = &mut self.nodes[node].life else { return };
        let Some(job) = life.replica.poll_sync() else { return };
        life.sync = Some(Sync { job, result: None });
        let life = life.number;
        let time_us = self.rng.random_range(if is_slow { SLOW_SYNC_US } else { SYNC_US });
        if self.rng.random_bool(0.5) {
            self.run_sync(node, life);
        } else {
            let at = self.now + Duration::from_micros(self.rng.random_range(0..time_us));
            self.schedule.push(at, Event::SyncRun { node, life });
        }
        self.schedule.push(self.now + Duration::from_micros(time_us), Event::SyncEnd { node, life });
    }

    fn hear_events(&mut self, node: usize) {
        while let Some(life) = &mut self.nodes[node].life {
            let number = life.number;
            let Some(event) = life.replica.poll_event() else { return };
            self.hear(node, number, event);
        }
    }

    fn hear(&mut self, node: usize, life: u64, event: Told) {
        match event {
            Told::Written { ticket, result: Ok(receipt) } => {
                self.hear_receipt(node, Sent { node, life, ticket }, receipt);
            }
            Told::Written { ticket, result: Err(_) } => self.workload.refused(Sent { node, life, ticket }),
            Told::Superseded => {
                self.figures.superseded += 1;
                self.trace.tell(self.now, &format!("n{node} stops: a later life of its node is about"));
                let has_reason =
                    [Kind::Clone, Kind::Restore].iter().any(|k| self.figures.faults.contains_key(k));
                let what = || format!("n{node} gives up without reason: no disk was copied or restored");
                self.judge(Invariant::Replay, has_reason.then_some(()).ok_or_else(what));
                self.stop_for_good(node);
            }
            Told::JournalFailed(reason) => {
                self.figures.journals_failed += 1;
                self.trace.tell(self.now, &format!("n{node} takes no more writes: {reason}"));
                let at = self.soon(NOTICED_MS);
                self.schedule.push(at, Event::Restart { node, life });
            }
            Told::Ready { alone } => self.trace.tell(self.now, &format!("n{node} is ready, alone: {alone}")),
            Told::Replaced(member) => {
                self.trace.tell(self.now, &format!("n{node} takes the place of {}", member.node));
            }
            Told::Snapshot { directory, result } => self.keep_snapshot(node, &directory, result.is_ok()),
            Told::RepairBegan { lender } => {
                self.figures.repairs += 1;
                self.trace.tell(self.now, &format!("n{node} fetches what it lacks from {lender}"));
            }
            Told::Repaired { points, .. } => {
                self.figures.repaired += 1;
                self.trace.tell(self.now, &format!("n{node} has fetched {points} points"));
            }
            Told::Voided(id) => {
                self.figures.voided += 1;
                self.given_up.insert(id);
                self.trace.tell(self.now, &format!("n{node} gives up frame {} of {}", id.seq, id.origin));
            }
            Told::RepairGivenUp { reason, .. } => {
                self.trace.tell(self.now, &format!("n{node} fetches from another: {reason}"));
            }
            Told::Changed(_) | Told::LinkUp(_) | Told::LinkDown(_) => {}
        }
    }

    fn hear_receipt(&mut self, node: usize, sent: Sent, receipt: Receipt) {
        let Receipt { frame, copies } = receipt;
        let echo = self.disk_losses.echo();
        if echo.is_none() {
            self.judge(Invariant::Copies, copies::check(&self.nodes, &receipt));
        }
        let Some(batch) = self.workload.acknowledged(self.now, sent) else { return };
        self.figures.acknowledged += 1;
        let holds = |place: &usize| self.nodes[*place].surely_holds(frame);
        let disks: Vec<usize> = (0..self.nodes.len()).filter(holds).collect();
        let is_void = echo.is_some() && disks.iter().all(|place| Some(*place) == echo);
        self.oracle.acknowledge(self.now, &batch, oracle::Told { frame, copies, node, is_void }, &disks);
    }

    /// The older of two processes of one node ends; its machine is set up anew, since its disk is the other's too.
    fn stop_for_good(&mut self, node: usize) {
        let Some(life) = &self.nodes[node].life else { return };
        self.views.end(self.now, life.identity.node, life.origin);
        self.diary.end_double(life.identity.node);
        self.nodes[node].stop();
        self.nodes[node].is_superseded = true;
        let at = self.soon(ABSENCE_MS);
        self.schedule.push(at, Event::Rebuild { node });
    }

    fn arm_timer(&mut self, node: usize) {
        let Some(life) = &mut self.nodes[node].life else { return };
        let timeout = life.replica.poll_timeout(self.now - life.began);
        let at = life.began.saturating_add(timeout).max(self.now + TIMER_MIN);
        if life.timer_at.is_none_or(|armed| at < armed) {
            life.timer_at = Some(at);
            let life = life.number;
            self.schedule.push(at, Event::Timer { node, life });
        }
    }
}
