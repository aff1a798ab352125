//! Up-down counters: a writer counts with its last value while it is live, and no longer. Its share of a
//! level (open connections, queued jobs) has gone with it.

use super::{Liveness, WriterPoints, live};

/// A writer's level at a ms.
pub(super) fn level(part: &WriterPoints<'_>, at_ms: i64, liveness: Liveness) -> Option<f64> {
    live::last_live(part, at_ms, liveness).map(|point| point.value)
}
