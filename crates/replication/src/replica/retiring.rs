//! Origins that are over: their node lives another life or is gone, and all their points are below the horizon. They
//! go from the frontier, so that it does not grow for ever; one entry, the *history*, stands for all of them: its
//! number is when the last of them was closed. Who lacks it lacks what they left, the greatest points of counters,
//! and fetches that as a debt. All nodes judge by the same records, each by its own clock.

use std::collections::BTreeSet;
use std::time::Duration;

use shoal_merge::Frontier;
use shoal_model::Origin;
use shoal_model::limits::FUTURE_MAX;
use shoal_store::windows::WINDOW_MS;

use super::Replica;

/// How long after its last possible point is below the horizon an origin goes: nodes' clocks differ.
const MARGIN: Duration = Duration::from_secs(3_600);
/// For how long after that it is known to be over: a member that was away for longer is forgotten.
const KNOWN_FOR: Duration = Duration::from_secs(7 * 86_400);
/// The origin that stands for those that are over. No node draws it.
pub(super) const HISTORY: Origin = Origin([0xff; 16]);

/// What is known of the history besides its number in the frontier.
#[derive(Default)]
pub(super) struct History {
    /// Its number before it grew last: peers whose clocks are behind ours may not have more yet.
    settled: u64,
    /// The horizon when it grew last.
    grown_at_ms: Option<i64>,
}

impl Replica {
    /// The origins that are over at a horizon, each with when it was closed.
    fn over(&self, horizon_ms: i64) -> impl Iterator<Item = (Origin, i64)> + '_ {
        let wait = (FUTURE_MAX + MARGIN).as_millis() as i64;
        self.members.closed().filter(move |(_, at_ms)| at_ms.saturating_add(wait) < horizon_ms)
    }

    /// Whether a peer that has the history up to there lacks something.
    pub(super) fn lacks_history(&self, has: u64) -> bool {
        has < self.history.settled
    }

    /// A lender has let go of origins that are named here still: what they left is in its view.
    pub(super) fn retire_with(&mut self, lender: &Frontier) {
        let until = i64::try_from(lender.get(HISTORY)).unwrap_or(i64::MAX);
        let is_over = |(origin, at_ms): &(Origin, i64)| *at_ms <= until && lender.get(*origin) == 0;
        let over: Vec<_> = self.members.closed().filter(is_over).map(|(origin, _)| origin).collect();
        for origin in over {
            self.store.retire(origin, HISTORY, 0);
            self.retired.insert(origin);
        }
    }

    /// Lets go of the origins that are over, once all members agree that nothing of them is missing here.
    pub(super) fn retire_origins(&mut self, now: Duration) {
        let others = self.members.joined().filter(|member| member.node != self.config.node);
        let has_compared =
            |node| self.peers.get(&node).is_some_and(|peer| peer.is_reachable(now) && peer.compared);
        if self.store.debt().is_some() || self.is_lacking() || !others.map(|it| it.node).all(has_compared) {
            return;
        }
        let horizon_ms = self.store.horizon_ms();
        if self
            .history
            .grown_at_ms
            .is_none_or(|grown_at_ms| horizon_ms > grown_at_ms.saturating_add(WINDOW_MS))
        {
            self.history.settled = self.store.applied().get(HISTORY);
        }
        let over: Vec<(Origin, i64)> = self.over(horizon_ms).collect();
        self.retired = over.iter().map(|(origin, _)| *origin).collect::<BTreeSet<_>>();
        for (origin, at_ms) in over {
            if self.store.applied().get(origin) > 0 {
                tracing::debug!(%origin, "an origin is over: all its points are below the horizon");
                self.store.retire(origin, HISTORY, u64::try_from(at_ms).unwrap_or(0).max(1));
                self.history.grown_at_ms = Some(horizon_ms);
            }
        }
        let known_for = (FUTURE_MAX + MARGIN + KNOWN_FOR).as_millis() as i64;
        self.members.forget_lives_before(horizon_ms.saturating_sub(known_for));
    }
}
