//! A time as it is typed: seconds since 1970, or how long ago.

use std::time::{SystemTime, UNIX_EPOCH};

/// A time as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Time {
    /// In ms since 1970.
    At(i64),
    /// So many ms ago.
    Ago(i64),
}

impl Time {
    /// Reads `1700000000.5` or `5m`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match (text.parse::<f64>(), shoal_query::parse_duration_ms(text)) {
            (Ok(seconds), _) if seconds.is_finite() => Ok(Time::At((seconds * 1_000.0).round() as i64)),
            (Err(_), Some(ms)) => Ok(Time::Ago(ms)),
            _ => Err("a time is a number of seconds since 1970, or how long ago, such as 5m".to_owned()),
        }
    }

    /// In ms since 1970.
    pub(super) fn ms(self, now_ms: i64) -> i64 {
        match self {
            Time::At(ms) => ms,
            Time::Ago(ms) => now_ms.saturating_sub(ms),
        }
    }
}

/// This machine's clock, in ms since 1970.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
