//! This machine's clock, by which points and answers are dated. Waiting goes by another, which nobody sets.

use std::time::{SystemTime, UNIX_EPOCH};

/// Ms since 1970.
pub(crate) fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
