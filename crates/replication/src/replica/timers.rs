//! What happens by itself: beats, the comparison with a random peer, links and members that have gone silent.

use std::time::Duration;

use rand::seq::IteratorRandom;
use shoal_model::NodeId;

use super::retiring::HISTORY;
use super::{Event, Replica};
use crate::limits::{BEAT, CLOCK_LEAD_MAX, COMPARE, FORGET_AFTER, PROBE};
use crate::peer::Peer;
use crate::wire::{Beat, Message};

impl Replica {
    pub(super) fn run_timers(&mut self, now: Duration) {
        self.timed_at = now;
        // A write or a peer's frame may have found it.
        self.tell_failure();
        if self.next_beat <= now {
            self.next_beat = now + BEAT;
            self.beat(now);
        }
        if self.next_probe <= now {
            self.next_probe = now + PROBE;
            self.probe(now);
        }
        if self.next_compare <= now {
            self.next_compare = now + COMPARE;
            self.compare(now);
            self.forget_the_long_unseen(now);
            self.end_idle_loans(now);
            self.retire_origins(now);
        }
        self.run_repair(now);
        self.settle(now);
    }

    fn beat(&mut self, now: Duration) {
        let nodes: Vec<_> = self.peers.keys().copied().collect();
        let fingerprint = self.store.held().fingerprint();
        nodes.into_iter().for_each(|node| self.send_beat_of(now, node, fingerprint));
        for (node, peer) in &mut self.peers {
            if peer.was_reachable && !peer.is_reachable(now) {
                peer.was_reachable = false;
                peer.forget_gap();
                peer.close_push();
                self.events.push_back(Event::LinkDown(*node));
            }
        }
        self.replace_namesake(now);
        self.consider_readiness(now);
    }

    pub(super) fn send_beat(&mut self, now: Duration, node: NodeId) {
        self.send_beat_of(now, node, self.store.held().fingerprint());
    }

    fn send_beat_of(&mut self, now: Duration, node: NodeId, fingerprint: u128) {
        let Some(peer) = self.peers.get(&node) else { return };
        let held_origin = peer.origin().unwrap_or_default();
        let beat = Beat {
            sent_ms: now.as_millis() as u64,
            echo_ms: peer.echo_ms(),
            origin: self.config.origin,
            held: self.store.held_of(held_origin),
            held_origin,
            owed: self.store.debt().map_or(0, |debt| debt.frontier.get(held_origin)),
            is_in_debt: self.store.debt().is_some(),
            lacks_frames: self.store.holes().any(|(_, hole)| hole.lacks_points()),
            knows_history: self.store.applied().get(HISTORY) > 0,
            fingerprint,
        };
        self.send(node, &Message::Beat(beat));
    }

    /// Whether a wall clock is well ahead of those of the members: then nothing is let go for being old.
    pub(super) fn clock_leads(&self, now_ms: i64) -> bool {
        let age = |at: Duration| self.timed_at.saturating_sub(at).as_millis() as i64;
        let is_behind = |(at, ms): (Duration, i64)| {
            now_ms.saturating_sub(ms.saturating_add(age(at))) > CLOCK_LEAD_MAX.as_millis() as i64
        };
        // Counted, since this is asked at every event; where all is well nobody's membership is looked up.
        if !self.peers.values().filter_map(|peer| peer.clock).any(is_behind) {
            return false;
        }
        let members = self.peers.iter().filter(|(node, _)| self.members.counts(**node));
        let (mut behind, mut all) = (0_usize, 0_usize);
        for clock in members.filter_map(|(_, peer)| peer.clock) {
            all += 1;
            behind += usize::from(is_behind(clock));
        }
        // So is their median then, of two in the middle the lesser.
        behind > all.saturating_sub(1) / 2
    }

    /// Asks every reachable member what it has applied; one who leaves asks every node in reach.
    pub(super) fn probe(&mut self, now: Duration) {
        let sent_ms = self.wall_ms(now);
        let is_asked = |node: NodeId| self.members.counts(node) || self.hand_over.is_some();
        let asked = self.peers.iter().filter(|(node, peer)| is_asked(**node) && peer.is_reachable(now));
        let origin = self.config.origin;
        let asked: Vec<_> = asked.map(|(node, _)| *node).collect();
        asked.into_iter().for_each(|node| self.send(node, &Message::Probe { origin, sent_ms }));
        self.settle_complete();
    }

    /// Answers are complete no further than they were while something is owed.
    pub(super) fn settle_complete(&mut self) {
        if self.store.debt().is_none() {
            self.complete.settle(&self.store.have());
        }
    }

    pub(super) fn wall_ms(&self, now: Duration) -> i64 {
        self.config.began_ms.saturating_add(now.as_millis() as i64)
    }

    /// Pulls from a random reachable peer that holds something else than we have, or whose first answer was lost; from
    /// all where one of them could not fill a gap.
    fn compare(&mut self, now: Duration) {
        if self.is_lacking() {
            let peers = self.peers.iter().filter(|(_, peer)| peer.is_reachable(now));
            let nodes: Vec<_> = peers.map(|(node, _)| *node).collect();
            return nodes.into_iter().for_each(|node| self.pull(now, node));
        }
        let ours = self.store.have().fingerprint();
        let is_open = |peer: &Peer| peer.fingerprint != Some(ours) || !peer.compared;
        let differs = self.peers.iter().filter(|(_, peer)| peer.is_reachable(now) && is_open(peer));
        let chosen: Option<NodeId> = differs.map(|(node, _)| *node).choose(&mut self.rng);
        if let Some(node) = chosen {
            self.pull(now, node);
        }
    }

    fn forget_the_long_unseen(&mut self, now: Duration) {
        let is_unseen = |node: NodeId| {
            let heard = self.peers.get(&node).and_then(|peer| peer.heard_at).unwrap_or_default();
            node != self.config.node && now.saturating_sub(heard) > FORGET_AFTER
        };
        let unseen: Vec<_> = self.members.joined().filter(|member| is_unseen(member.node)).cloned().collect();
        for member in unseen {
            if let Err(error) = self.append_member(&member.forgotten(self.clock_ms)) {
                tracing::warn!(%error, "a member that is long unseen could not be forgotten");
            }
        }
    }
}
