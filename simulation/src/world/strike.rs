//! What each fault does to links and processes; disks and places have files of their own.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::{Event, World};
use crate::fault::{Fault, Tear};
use crate::link::Direction;

impl World {
    pub(super) fn strike_next(&mut self) {
        if self.is_calm {
            return;
        }
        self.heal();
        let staying: Vec<usize> = (0..self.nodes.len()).filter(|node| !self.nodes[*node].is_gone).collect();
        if let Some((fault, spell)) = self.faults.draw(&staying) {
            self.strike(fault, spell);
        }
        let pause = self.faults.pause();
        self.schedule.push(self.now + pause, Event::Fault);
    }

    /// Lets a fault strike, if it may and there is something for it to strike. Whether it did.
    pub(crate) fn strike(&mut self, fault: Fault, spell: Duration) -> bool {
        let story = format!("{fault:?} for {spell:?}");
        self.trace.tell(self.now, &story);
        let has_struck = self.carry_out_fault(fault, spell);
        if has_struck {
            *self.figures.faults.entry(fault.kind()).or_default() += 1;
        } else {
            self.trace.retell(self.now, &format!("{story}: not now"));
        }
        has_struck
    }

    fn carry_out_fault(&mut self, fault: Fault, spell: Duration) -> bool {
        let until = self.now + spell;
        match fault {
            Fault::CutOneWay { from, to } => self.links.cut(Direction { from, to }, until),
            Fault::CutBothWays { a, b } => self.cut_pairs(until, |x, y| (x, y) == (a, b) || (x, y) == (b, a)),
            Fault::Isolate { node } => self.cut_pairs(until, |x, y| x == node || y == node),
            Fault::Split { groups, salt } => {
                self.cut_pairs(until, |x, y| group(x, groups, salt) != group(y, groups, salt));
            }
            Fault::SlowLink { a, b, by } => {
                self.links.slow(Direction { from: a, to: b }, until, by);
                self.links.slow(Direction { from: b, to: a }, until, by);
            }
            Fault::Weather(weather) => {
                self.links.weather = weather;
                self.schedule.push(until, Event::Fair);
            }
            Fault::Blind { viewer, node } => return self.blind(viewer, node, until),
            Fault::Crash { node } => return self.stop(node, spell),
            Fault::Kill { node, after } => return self.doom(node, after),
            Fault::LosePower { node, tear } => return self.lose_power(node, tear, spell),
            Fault::Blackout { tear } => {
                for node in 0..self.nodes.len() {
                    let absence = self.faults.absence();
                    self.lose_power(node, tear, absence);
                }
            }
            Fault::Pause { node } => self.nodes[node].paused_until = until,
            Fault::SlowDisk { node } => self.nodes[node].slow_until = until,
            Fault::FullDisk { node, room } => self.fill_disk(node, room, until),
            Fault::FailedSyncs { node } => self.fail_syncs(node, until),
            Fault::Rot { node, salt } => return self.rot(node, salt, spell),
            Fault::RotAlone { node, salt } => return self.rot_alone(node, salt, spell),
            Fault::RotAtRest { node, salt } => return self.rot_at_rest(node, salt),
            Fault::SetClock { node, ms } => self.nodes[node].clock_ms = ms,
            Fault::Snapshot { node } => return self.take_snapshot(node),
            Fault::Restore { node } => return self.restore(node, spell),
            Fault::Wipe { node } => return self.wipe(node, spell),
            Fault::Clone { from, to } => return self.clone_disk(from, to, spell),
            Fault::Join => return self.join(),
            Fault::Leave { node } => return self.leave(node),
            Fault::Forget { node } => return self.forget(node, spell),
        }
        true
    }

    fn cut_pairs(&mut self, until: Duration, is_cut: impl Fn(usize, usize) -> bool) {
        for from in 0..self.nodes.len() {
            for to in (0..self.nodes.len()).filter(|to| is_cut(from, *to)) {
                self.links.cut(Direction { from, to }, until);
            }
        }
    }

    fn blind(&mut self, viewer: usize, node: usize, until: Duration) -> bool {
        let id = self.nodes[node].life.as_ref().map(|life| life.identity.node);
        id.inspect(|id| self.views.blind(viewer, *id, until)).is_some()
    }

    /// The process ends, and another begins after a while.
    pub(super) fn stop(&mut self, node: usize, absence: Duration) -> bool {
        let Some(life) = &self.nodes[node].life else { return false };
        self.views.end(self.now, life.identity.node, life.origin);
        self.nodes[node].stop();
        self.schedule.push(self.now + absence, Event::Start { node });
        true
    }

    /// The process that takes no more writes ends, and another begins at once.
    pub(super) fn restart(&mut self, node: usize, life: u64) {
        if self.life_number(node) == life {
            self.stop(node, Duration::from_millis(10));
        }
    }

    /// The process will be killed by one of the next operations on its disk.
    fn doom(&mut self, node: usize, after: u64) -> bool {
        let one = &mut self.nodes[node];
        if one.life.is_none() || one.doom.is_some() {
            return false;
        }
        let operations = one.disk.operations() + after;
        one.disk.trouble_after(operations, shoal_store::disk::memory::Trouble::Stop);
        one.doom = Some(operations);
        true
    }

    /// The machine loses power, whether a process runs or not.
    fn lose_power(&mut self, node: usize, tear: Tear, absence: Duration) -> bool {
        let ran = self.stop(node, absence);
        self.nodes[node].lose_power(tear);
        ran
    }
}

/// Into which of so many groups a split puts a place.
fn group(node: usize, groups: u64, salt: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (node, salt).hash(&mut hasher);
    hasher.finish() % groups
}
