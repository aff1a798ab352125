//! Origins that are over: their node lives another life or is gone, and all their points are below the horizon. They
//! go from the frontier, so that it does not grow for ever. All nodes judge by the same records, each by its own
//! clock; until the last one has let go, the others pass over what it says of such an origin.

use std::collections::BTreeSet;
use std::time::Duration;

use shoal_model::Origin;
use shoal_model::limits::FUTURE_MAX;

use super::Replica;

/// How long after its last possible point is below the horizon an origin goes: nodes' clocks differ.
const MARGIN: Duration = Duration::from_secs(3_600);
/// For how long after that it is known to be over: a member that was away for longer is forgotten.
const KNOWN_FOR: Duration = Duration::from_secs(7 * 86_400);

impl Replica {
    fn over(&self) -> BTreeSet<Origin> {
        let horizon_ms = self.store.horizon_ms();
        let wait = (FUTURE_MAX + MARGIN).as_millis() as i64;
        let closed = self.members.closed().filter(|(_, at_ms)| at_ms.saturating_add(wait) < horizon_ms);
        closed.map(|(origin, _)| origin).collect()
    }

    /// Lets go of the origins that are over.
    pub(super) fn retire_origins(&mut self) {
        self.retired = self.over();
        for origin in &self.retired {
            if self.store.applied().get(*origin) > 0 {
                tracing::debug!(%origin, "an origin is over: all its points are below the horizon");
                self.store.retire(*origin);
            }
        }
        let known_for = (FUTURE_MAX + MARGIN + KNOWN_FOR).as_millis() as i64;
        self.members.forget_lives_before(self.store.horizon_ms().saturating_sub(known_for));
    }
}
