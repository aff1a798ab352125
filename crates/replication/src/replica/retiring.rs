//! Origins that are over: their node lives another life or is gone, and all their points are below the horizon. They
//! go from the frontier, so that it does not grow for ever; one entry, the *history*, stands for all of them: its
//! number is when the last of them was closed. Who lacks it lacks what they left, the greatest points of counters,
//! and fetches that as a debt. All nodes judge by the same records, each by its own clock.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use shoal_merge::Frontier;
use shoal_model::Origin;
use shoal_model::limits::FUTURE_MAX;
use shoal_store::windows::WINDOW_MS;

use super::Replica;
use crate::member::Member;
use crate::wire::Terms;

/// How long after its last possible point is below the horizon an origin goes: nodes' clocks differ.
const MARGIN: Duration = Duration::from_secs(3_600);
/// For how long after that it is known to be over: a member that was away for longer is forgotten.
const KNOWN_FOR: Duration = Duration::from_secs(7 * 86_400);
/// The origin that stands for those that are over. No node draws it.
pub const HISTORY: Origin = Origin([0xff; 16]);
/// The history's number at a node that knows what there was before it, before any origin is over. A newcomer has
/// none before it has compared itself with such a node, or with all members.
pub(super) const BEFORE_ALL: u64 = 1;

/// What is known of the history besides its number in the frontier. A peer whose clock is behind ours names the
/// origins still that went here just now, and lacks nothing; a newcomer lacks them.
#[derive(Default)]
pub(super) struct History {
    /// Who has not got that far lacks something, whatever it names.
    settled: u64,
    /// Origins that went within the last window.
    recent: VecDeque<Retired>,
}

/// An origin that went.
struct Retired {
    origin: Origin,
    /// Its last frame here.
    seq: u64,
    /// When it was closed.
    closed_ms: u64,
    /// The horizon at which it went.
    horizon_ms: i64,
}

impl History {
    /// Up to there no single origins are known any more.
    pub(super) fn settle(&mut self, number: u64) {
        self.settled = self.settled.max(number);
    }

    fn settle_before(&mut self, horizon_ms: i64) {
        let is_old = |retired: &mut Retired| retired.horizon_ms.saturating_add(WINDOW_MS) < horizon_ms;
        while let Some(retired) = self.recent.pop_front_if(is_old) {
            self.settle(retired.closed_ms);
        }
    }

    /// Whether a peer that has so much of each origin lacks something of those that are over.
    pub(super) fn is_lacked(&self, has: impl Fn(Origin) -> u64) -> bool {
        let number = has(HISTORY).max(BEFORE_ALL);
        let is_lacked = |retired: &Retired| number < retired.closed_ms && has(retired.origin) < retired.seq;
        number < self.settled || self.recent.iter().any(is_lacked)
    }
}

/// Until when the origins were closed that are over by a frontier.
pub(super) fn closed_until(frontier: &Frontier) -> i64 {
    i64::try_from(frontier.get(HISTORY)).unwrap_or(i64::MAX)
}

impl Replica {
    /// The origins that are over at a horizon, each with when it was closed.
    fn over(&self, horizon_ms: i64) -> impl Iterator<Item = (Origin, i64)> + '_ {
        let wait = (FUTURE_MAX + MARGIN).as_millis() as i64;
        self.members.closed().filter(move |(_, at_ms)| at_ms.saturating_add(wait) < horizon_ms)
    }

    /// Origins that a lender has let go of: what they left is in its view.
    pub(super) fn over_with(&self, lender: &Terms) -> Vec<Origin> {
        let mut members = self.members.clone();
        for member in lender.members.iter().filter_map(|body| Member::decode(body).ok()) {
            members.join(member);
        }
        let until = closed_until(&lender.frontier);
        let is_over = |(origin, at_ms): &(Origin, i64)| *at_ms <= until && lender.frontier.get(*origin) == 0;
        members.closed().filter(is_over).map(|(origin, _)| origin).collect()
    }

    /// Lets go of origins whatever the horizon.
    pub(super) fn retire(&mut self, over: &[Origin]) {
        for origin in over {
            self.store.retire(*origin);
            self.retired.insert(*origin);
        }
    }

    /// Lets go of the origins that were let go of in an earlier life: the journal may still have their last frames, and
    /// without those before the checkpoint they would look as if something was lost.
    pub(super) fn retire_again(&mut self) {
        let until = closed_until(self.store.applied());
        let holes: BTreeSet<_> = self.store.holes().map(|(id, _)| id.origin).collect();
        let is_back = |(origin, at_ms): &(Origin, i64)| *at_ms <= until && holes.contains(origin);
        let back: Vec<_> = self.members.closed().filter(is_back).map(|(origin, _)| origin).collect();
        self.retire(&back);
    }

    /// Nothing is missing of what there was before this node: it has all that a node has that knew it, or there is
    /// nobody who may know more.
    pub(super) fn know_history(&mut self) {
        if self.store.applied().get(HISTORY) == 0 {
            self.store.raise(HISTORY, BEFORE_ALL);
        }
    }

    /// Lets go of the origins that are over, once all members agree that nothing of them is missing here.
    pub(super) fn retire_origins(&mut self, now: Duration) {
        let until = closed_until(self.store.applied());
        let is_gone =
            |(origin, at_ms): &(Origin, i64)| *at_ms <= until && self.store.applied().get(*origin) == 0;
        self.retired = self.members.closed().filter(is_gone).map(|(origin, _)| origin).collect();
        self.members.forget_voids(&self.retired);
        let others: Vec<_> = self.other_members().collect();
        let has_compared =
            |node| self.peers.get(node).is_some_and(|peer| peer.is_reachable(now) && peer.compared);
        // One who was to join and knows nobody does not know what there was before it either.
        let knows_nobody = others.is_empty() && !self.config.join.is_empty();
        let is_whole = self.store.debt().is_none() && !self.is_lacking();
        if !is_whole || knows_nobody || !others.iter().all(has_compared) {
            return;
        }
        self.know_history();
        let horizon_ms = self.store.horizon_ms();
        self.history.settle_before(horizon_ms);
        let over: Vec<(Origin, i64)> = self.over(horizon_ms).collect();
        for (origin, at_ms) in over {
            let seq = self.store.applied().get(origin);
            if seq > 0 {
                tracing::debug!(%origin, "an origin is over: all its points are below the horizon");
                let closed_ms = u64::try_from(at_ms).unwrap_or(0).max(BEFORE_ALL + 1);
                self.store.retire(origin);
                self.store.raise(HISTORY, closed_ms);
                self.history.recent.push_back(Retired { origin, seq, closed_ms, horizon_ms });
                self.retired.insert(origin);
            }
        }
        let known_for = (FUTURE_MAX + MARGIN + KNOWN_FOR).as_millis() as i64;
        self.members.forget_lives_before(horizon_ms.saturating_sub(known_for));
    }
}
