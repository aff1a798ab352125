//! What becomes of disks: they fill up, stop syncing, are replaced by empty ones, by snapshots or by copies of
//! others. What harms a disk for good waits until the last harm is healed.

use std::collections::BTreeSet;
use std::time::Duration;

use shoal_merge::Frontier;
use shoal_replication::HISTORY;
use shoal_store::{Disk, FrameId, MemoryDisk};

use super::{Event, World};
use crate::disk_loss::DiskLosses;
use crate::invariants::token;
use crate::life::Node;
use crate::oracle::Oracle;

impl World {
    pub(super) fn fill_disk(&mut self, node: usize, room: u64, until: Duration) {
        let disk = &self.nodes[node].disk;
        let taken: usize = disk.files().iter().filter_map(|path| disk.file_len(path)).sum();
        disk.set_bytes_max(Some(taken as u64 + room));
        self.nodes[node].has_trouble = true;
        self.schedule.push(until, Event::MendDisk { node });
    }

    pub(super) fn fail_syncs(&mut self, node: usize, until: Duration) {
        self.nodes[node].disk.set_sync_fails(true);
        self.nodes[node].has_trouble = true;
        self.schedule.push(until, Event::MendDisk { node });
    }

    pub(super) fn wipe(&mut self, node: usize, absence: Duration) -> bool {
        self.may_lose_the_disk_of(node) && self.replace_disk(node, MemoryDisk::new(), absence)
    }

    /// A snapshot is taken by the node itself and laid aside.
    pub(super) fn take_snapshot(&mut self, node: usize) -> bool {
        if self.nodes[node].hidden_rot.is_some() {
            return false;
        }
        let Some(life) = &mut self.nodes[node].life else { return false };
        let began = life.replica.begin_snapshot(&format!("/snapshot-{}", self.now.as_nanos()));
        self.carry_out(node);
        began.is_ok()
    }

    /// The node has taken a snapshot: it is carried away, or what there is of it removed.
    pub(super) fn keep_snapshot(&mut self, node: usize, directory: &str, is_whole: bool) {
        let one = &mut self.nodes[node];
        if is_whole {
            one.snapshot = Some(one.disk.copy_below(directory));
        }
        let below = format!("{directory}/");
        for path in one.disk.files().iter().filter(|path| path.starts_with(&below)) {
            // A disk that has stopped keeps it, and with it some of its room.
            let _ = one.disk.remove(path);
        }
    }

    pub(super) fn restore(&mut self, node: usize, absence: Duration) -> bool {
        let Some(snapshot) = self.nodes[node].snapshot.clone() else { return false };
        self.may_lose_the_disk_of(node) && self.replace_disk(node, snapshot.fork(), absence)
    }

    /// A machine is set up with a copy of another's disk, while that one runs on: two processes with one identity.
    pub(super) fn clone_disk(&mut self, from: usize, to: usize, absence: Duration) -> bool {
        let source = &self.nodes[from];
        if source.life.is_none() || source.has_trouble || source.doom.is_some() || source.is_rotten {
            return false;
        }
        let Some((id, origin)) = source.life.as_ref().map(|life| (life.identity.node, life.origin)) else {
            return false;
        };
        let copy = source.disk.fork();
        if !self.may_lose_the_disk_of(to) || !self.replace_disk(to, copy, absence) {
            return false;
        }
        self.diary.silence(id, origin);
        true
    }

    /// The older of two processes with one identity has stopped: its machine is set up anew.
    pub(super) fn rebuild(&mut self, node: usize) {
        if self.nodes[node].is_superseded {
            self.replace_disk(node, MemoryDisk::new(), Duration::ZERO);
        }
    }

    pub(super) fn replace_disk(&mut self, node: usize, disk: MemoryDisk, absence: Duration) -> bool {
        if !self.stop(node, absence) {
            self.schedule.push(self.now + absence, Event::Start { node });
        }
        self.nodes[node].replace_disk(disk);
        self.nodes[node].is_superseded = false;
        self.note_harm(node);
        true
    }

    /// What only this disk held is gone, or may be.
    pub(super) fn note_harm(&mut self, node: usize) {
        self.oracle.lose_disk(node);
        self.disk_losses.lose(node, self.now);
        self.readers.iter_mut().for_each(|reader| reader.forget());
        if let Some(id) = self.nodes[node].last_id {
            self.diary.forget(id);
        }
    }

    /// Takes note once all that was promised before the last harm is on every disk again, and what origins left that
    /// some node has let go of.
    pub(super) fn heal(&mut self) {
        self.nodes.iter_mut().for_each(|node| drop(node.look_for_rot()));
        let stores = self.nodes.iter().filter_map(|node| node.store());
        let history = stores.map(|store| store.applied().get(HISTORY)).max();
        self.history = self.history.max(history.unwrap_or(0));
        let history = Frontier::from_entries([(HISTORY, self.history)]);
        let (oracle, nodes, kept_from) = (&self.oracle, &self.nodes, self.kept_from());
        let promised = || {
            let mut promised = oracle.promised_since(kept_from);
            promised.merge(&history);
            promised
        };
        let mut staying = nodes.iter().filter(|node| !node.is_gone);
        // Of two processes of one node the older is about to lose its disk.
        let twins = self.has_twins();
        let healed = self.disk_losses.advance(self.now, promised, |promised| {
            !twins
                && staying.all(|node| node.whole_store().is_some_and(|store| store.held().covers(promised)))
                && is_given_back(&self.given_up, oracle, nodes)
        });
        if let Some(healed) = healed {
            self.oracle.note_everywhere(&healed);
        }
    }

    /// Whether two processes run as one node.
    fn has_twins(&self) -> bool {
        let mut seen = BTreeSet::new();
        self.nodes.iter().filter_map(|node| node.life.as_ref()).any(|life| !seen.insert(life.identity.node))
    }

    /// Whether the last harm is healed and no rot is unknown, and there is a disk that is whole besides this one.
    pub(super) fn may_lose_the_disk_of(&mut self, node: usize) -> bool {
        self.heal();
        let is_whole = |other: usize| {
            let one = &self.nodes[other];
            other != node && !one.is_gone && !one.is_rotten && !one.lacks_something()
        };
        let is_known = self.nodes.iter().all(|one| one.hidden_rot.is_none());
        is_known && matches!(self.disk_losses, DiskLosses::Allowed) && (0..self.nodes.len()).any(is_whole)
    }
}

/// Whether all nodes show what was promised in frames that were given up: who has one gives its points to the others.
fn is_given_back(given_up: &BTreeSet<FrameId>, oracle: &Oracle, nodes: &[Node]) -> bool {
    let promises = oracle.promises().iter().filter(|promise| !promise.is_void);
    let staying = || nodes.iter().filter(|node| !node.is_gone).map(Node::store);
    promises
        .filter(|promise| given_up.contains(&promise.frame))
        .all(|promise| staying().all(|store| store.is_some_and(|store| token::check(store, promise).is_ok())))
}
