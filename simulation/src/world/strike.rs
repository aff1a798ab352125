//! What each fault does.

use std::time::Duration;

use super::{Event, World};
use crate::disk_loss::DiskLosses;
use crate::fault::Fault;
use crate::link::Direction;

impl World {
    pub(super) fn strike(&mut self, fault: Fault, spell: Duration) {
        let until = self.now + spell;
        if matches!(fault, Fault::Wipe { .. }) && !self.may_lose_a_disk() {
            return;
        }
        self.figures.faults += 1;
        self.trace.tell(self.now, &format!("{fault:?} for {spell:?}"));
        match fault {
            Fault::CutOneWay { from, to } => self.links.cut(Direction { from, to }, until),
            Fault::CutBothWays { a, b } => self.cut_pairs(until, |x, y| (x, y) == (a, b) || (x, y) == (b, a)),
            Fault::Isolate { node } => self.cut_pairs(until, |x, y| x == node || y == node),
            Fault::Split { groups } => {
                self.cut_pairs(until, |x, y| groups[x] != groups[y]);
            }
            Fault::Crash { node } => self.stop(node, spell),
            Fault::LosePower { node, kept } => self.lose_power(node, kept, spell),
            Fault::Blackout { kept } => {
                for node in 0..self.nodes.len() {
                    let absence = self.faults.absence();
                    self.lose_power(node, kept, absence);
                }
            }
            Fault::Wipe { node } => self.wipe(node, spell),
            Fault::Pause { node } => self.nodes[node].paused_until = until,
            Fault::Weather(weather) => {
                self.links.weather = weather;
                self.schedule.push(until, Event::Fair);
            }
            Fault::SlowDisk { node } => self.nodes[node].slow_until = until,
        }
    }

    fn cut_pairs(&mut self, until: Duration, is_cut: impl Fn(usize, usize) -> bool) {
        for from in 0..self.nodes.len() {
            for to in (0..self.nodes.len()).filter(|to| is_cut(from, *to)) {
                self.links.cut(Direction { from, to }, until);
            }
        }
    }

    /// The process ends, and another begins after a while.
    fn stop(&mut self, node: usize, absence: Duration) {
        let Some(id) = self.nodes[node].life.as_ref().map(|life| life.identity.node) else { return };
        self.nodes[node].stop();
        self.views.end(id);
        self.schedule.push(self.now + absence, Event::Start { node });
    }

    fn lose_power(&mut self, node: usize, kept: usize, absence: Duration) {
        self.figures.power_losses += 1;
        self.stop(node, absence);
        self.nodes[node].lose_power(kept);
    }

    fn wipe(&mut self, node: usize, absence: Duration) {
        self.figures.wipes += 1;
        self.stop(node, absence);
        self.nodes[node].wipe();
        self.oracle.lose_disk(node);
        self.disk_losses.lose(self.now);
    }

    /// Whether all that was promised before the last loss of a disk is on every disk again.
    fn may_lose_a_disk(&mut self) -> bool {
        let (oracle, nodes) = (&self.oracle, &self.nodes);
        self.disk_losses.advance(
            self.now,
            || oracle.promised_frontier(),
            |promised| {
                nodes.iter().all(|node| node.store().is_some_and(|store| store.held().covers(promised)))
            },
        );
        matches!(self.disk_losses, DiskLosses::Allowed)
    }
}
