//! Leaving. A node goes once another member holds all that this node held when it was told to leave: its own frames, of
//! all its lives, and those of others, which may be on no other disk. A member says what it has applied when it is
//! probed; a frame of ours that is written after that, and that it then holds, tells that all of it is synced,
//! and a beat that it sends after that, that it owes nothing of it.

use std::collections::BTreeMap;
use std::time::Duration;

use shoal_merge::Frontier;
use shoal_model::{NodeId, Origin};
use shoal_store::StoreError;

use super::retiring::{HISTORY, closed_until};
use super::{Readiness, Replica};
use crate::member::{Member, Status};

/// What is handed over, and to whom.
pub(super) struct HandOver {
    /// All that was held here when the node was told to leave.
    all: Frontier,
    /// Nodes that have applied it.
    marks: BTreeMap<NodeId, Mark>,
}

/// A node has applied all that is handed over, though it may owe some of it.
struct Mark {
    /// In which of its lives.
    life: Origin,
    /// When that was known.
    at: Duration,
    /// The frame of ours that it is to hold then.
    seq: u64,
}

impl Replica {
    /// Leaves the cluster: takes nothing new, and writes the frame by which the node leaves. It leaves all the same
    /// where that fails, and tries again once somebody has all of it.
    pub fn leave(&mut self, now: Duration) -> Result<(), StoreError> {
        self.readiness = Readiness::Leaving;
        let written = self.write_left(now);
        self.hand_over = Some(HandOver { all: self.store.have(), marks: BTreeMap::new() });
        self.probe(now);
        written
    }

    /// Whether all that this node held is synced on another member, or there is none to hand it to.
    pub fn is_handed_over(&self, now: Duration) -> bool {
        // One that is not a member yet, or was forgotten, takes it too; one that leaves itself does not.
        let stays = |node: &NodeId| self.members.of(*node).is_none_or(|it| it.status != Status::Left);
        let staying = self.peers.iter().filter(|(node, _)| stays(node));
        let mut company = staying.filter(|(_, peer)| peer.is_reachable(now)).peekable();
        let Some(hand_over) = &self.hand_over else { return false };
        let has_all = |node: &NodeId| {
            let (peer, mark) = (self.peers.get(node), hand_over.marks.get(node));
            peer.zip(mark).is_some_and(|(peer, mark)| {
                peer.origin() == Some(mark.life) && peer.holds(mark.seq) && peer.was_whole_after(mark.at)
            })
        };
        company.peek().is_none() || company.any(|(node, _)| has_all(node))
    }

    /// A member has told what it had applied when it got a probe. What arrives at it from now on it holds only after
    /// that.
    pub(super) fn note_taker(&mut self, now: Duration, from: NodeId, probe_ms: i64, has: &Frontier) {
        let (Some(hand_over), Some(peer)) = (&self.hand_over, self.peers.get(&from)) else { return };
        let Some((origin, since)) = peer.origin().zip(peer.life_since()) else { return };
        let is_marked = hand_over.marks.get(&from).is_some_and(|mark| mark.life == origin);
        // An answer of an earlier life may still be under way.
        if is_marked || probe_ms < self.wall_ms(since) || !self.has_all_of(&hand_over.all, has) {
            return;
        }
        match self.write_left(now) {
            Ok(()) => {
                let seq = self.store.applied().get(self.config.origin);
                if let Some(hand_over) = &mut self.hand_over {
                    hand_over.marks.insert(from, Mark { life: origin, at: now, seq });
                }
            }
            Err(error) => tracing::warn!(%error, "what others hold cannot be made sure of"),
        }
    }

    /// Whether what a member has applied is all of this, but for origins that are over there or here.
    fn has_all_of(&self, all: &Frontier, has: &Frontier) -> bool {
        let over_there = closed_until(has);
        let is_over = |origin: Origin| {
            let closed = || self.members.closed().find(|(closed, _)| *closed == origin);
            self.store.applied().get(origin) == 0
                || has.get(origin) == 0 && closed().is_some_and(|(_, at_ms)| at_ms <= over_there)
        };
        let lacks = |(origin, seq): (Origin, u64)| has.get(origin) < seq && !is_over(origin);
        let lacks_history = self.history.is_lacked(|origin| has.get(origin));
        !lacks_history && !all.iter().filter(|(origin, _)| *origin != HISTORY).any(lacks)
    }

    fn write_left(&mut self, now: Duration) -> Result<(), StoreError> {
        if let Some(member) = self.members.of(self.config.node).cloned() {
            let at_ms = self.clock_ms;
            self.append_member(&Member { status: Status::Left, at_ms, ..member })?;
            self.push_all(now);
        }
        Ok(())
    }
}
