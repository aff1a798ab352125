//! What a node's driver does: after each call of the replica its messages, syncs and events are carried out.

use std::time::Duration;

use rand::Rng;
use shoal_model::NodeId;
use shoal_replication::{Event as Told, Replica, Transmit};

use super::{Event, World};
use crate::invariants::{Invariant, copies};
use crate::link::Direction;
use crate::run::Sabotage;
use crate::workload::{Request, Sent};

/// How long a sync takes.
const SYNC: std::ops::Range<Duration> = Duration::from_micros(200)..Duration::from_millis(8);
/// How long a sync takes on a slow disk.
const SLOW_SYNC: std::ops::Range<Duration> = Duration::from_millis(50)..Duration::from_millis(1_500);
/// The least time between two rings of a timer.
const TIMER_MIN: Duration = Duration::from_millis(1);

impl World {
    /// Calls the replica of the process at a place, if there is one, and carries out what it wants.
    pub(super) fn act(&mut self, node: usize, act: impl FnOnce(&mut Replica, Duration)) {
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
        let Some(life) = self.nodes[node].life.as_ref().filter(|life| life.number == number) else { return };
        if let Some(job) = life.sync.as_ref().filter(|_| !skips) {
            job.run().expect("a disk in memory syncs");
        }
    }

    pub(super) fn end_sync(&mut self, node: usize, number: u64) {
        let Some(life) = self.nodes[node].life.as_mut().filter(|life| life.number == number) else { return };
        if let Some(job) = life.sync.take() {
            self.act(node, |replica, now| replica.handle_synced(now, &job, Ok(())));
        }
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

    /// Carries out all that a replica wants.
    pub(super) fn carry_out(&mut self, node: usize) {
        self.run_due_timer(node);
        self.send_messages(node);
        self.begin_sync(node);
        self.run_jobs(node);
        self.hear_events(node);
        self.arm_timer(node);
    }

    /// Flushes and merges are run on the spot.
    fn run_jobs(&mut self, node: usize) {
        let now_ms = self.now.as_millis() as i64;
        let Some(life) = &mut self.nodes[node].life else { return };
        let now = self.now - life.began;
        while let Some(job) = life.replica.poll_job(now_ms) {
            life.replica.handle_done(now, job.run());
        }
    }

    fn run_due_timer(&mut self, node: usize) {
        let Some(life) = &mut self.nodes[node].life else { return };
        let now = self.now - life.began;
        if life.replica.poll_timeout(now) <= now {
            life.replica.handle_timer(now);
            if life.replica.poll_timeout(now) <= now {
                self.judge(
                    Invariant::Backlog,
                    Err(format!("n{node}: a timer is due again as soon as it has rung")),
                );
            }
        }
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
        life.sync = Some(job);
        let life = life.number;
        let time = self.rng.random_range(if is_slow { SLOW_SYNC } else { SYNC });
        if self.rng.random_bool(0.5) {
            self.run_sync(node, life);
        } else {
            self.schedule.push(self.now + time.mul_f64(self.rng.random()), Event::SyncRun { node, life });
        }
        self.schedule.push(self.now + time, Event::SyncEnd { node, life });
    }

    fn hear_events(&mut self, node: usize) {
        let Some(life) = &mut self.nodes[node].life else { return };
        let number = life.number;
        let told: Vec<_> = std::iter::from_fn(|| life.replica.poll_event()).collect();
        told.into_iter().for_each(|event| self.hear(node, number, event));
    }

    fn hear(&mut self, node: usize, life: u64, event: Told) {
        match event {
            Told::Written { ticket, result: Ok(receipt) } => {
                if self.disk_losses.is_quiet() {
                    self.judge(Invariant::Copies, copies::check(&self.nodes, &receipt));
                }
                let Some(batch) = self.workload.acknowledged(Sent { node, life, ticket }) else { return };
                self.figures.acknowledged += 1;
                self.oracle.acknowledge(&batch, receipt.frame, receipt.copies, node);
            }
            Told::Written { ticket, result: Err(_) } => self.workload.refused(Sent { node, life, ticket }),
            Told::Superseded | Told::JournalFailed(_) => {
                self.judge(Invariant::Replay, Err(format!("n{node} gives up without reason: {event:?}")));
            }
            Told::Ready { alone } => self.trace.tell(self.now, &format!("n{node} is ready, alone: {alone}")),
            Told::Replaced(member) => {
                self.trace.tell(self.now, &format!("n{node} takes the place of {}", member.node));
            }
            Told::RepairBegan { lender } => {
                self.trace.tell(self.now, &format!("n{node} fetches what it lacks from {lender}"));
            }
            Told::Repaired { points, .. } => {
                self.trace.tell(self.now, &format!("n{node} has fetched {points} points"));
            }
            Told::Voided(id) => {
                self.trace.tell(self.now, &format!("n{node} gives up frame {} of {}", id.seq, id.origin));
            }
            Told::RepairGivenUp { reason, .. } => {
                self.trace.tell(self.now, &format!("n{node} fetches from another: {reason}"));
            }
            Told::Changed(_) | Told::LinkUp(_) | Told::LinkDown(_) | Told::Snapshot { .. } => {}
        }
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
