//! The two time axes. All streams count milliseconds since 1970, but a delta stream's axis has 20 more bits
//! below the millisecond, a hash of (start, end, idempotency key): a retry of an increment lands on the same
//! place and a neighbour beside it.
//!
//! ```text
//!  delta:  | 43 bits: end, ms since 1970 | 20 bits: hash(start, end, key) |
//! ```

use crate::stream::Kind;

/// Bits below the millisecond on a delta stream's axis.
pub const DELTA_BITS: u32 = 20;

/// The greatest time a delta point can have, in ms (the year 2248).
pub const DELTA_MILLIS_MAX: i64 = i64::MAX >> DELTA_BITS;

/// The place of an increment over `start_ms..end_ms` on a delta stream's axis, or `None` out of range.
pub fn delta_time(start_ms: i64, end_ms: i64, key: &[u8]) -> Option<i64> {
    if !(-DELTA_MILLIS_MAX..=DELTA_MILLIS_MAX).contains(&end_ms) {
        return None;
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&start_ms.to_le_bytes()).update(&end_ms.to_le_bytes()).update(key);
    let hash = hasher.finalize();
    let [a, b, c, ..] = *hash.as_bytes();
    let low = i64::from(u32::from_le_bytes([a, b, c, 0]) >> (24 - DELTA_BITS));
    Some((end_ms << DELTA_BITS) | low)
}

/// The millisecond of a place on the axis of a stream of this kind.
pub fn millis(kind: Kind, time: i64) -> i64 {
    match kind {
        Kind::Delta => time >> DELTA_BITS,
        Kind::Sample | Kind::Counter | Kind::UpDown | Kind::Gauge => time,
    }
}

/// The last place on the axis of a stream of this kind that is still at or before a millisecond.
pub fn last_place_at(kind: Kind, millis: i64) -> i64 {
    match kind {
        Kind::Delta => {
            let clamped = millis.clamp(-DELTA_MILLIS_MAX, DELTA_MILLIS_MAX);
            (clamped << DELTA_BITS) | ((1 << DELTA_BITS) - 1)
        }
        Kind::Sample | Kind::Counter | Kind::UpDown | Kind::Gauge => millis,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_retry_has_the_same_place_and_a_neighbour_another() {
        let place = delta_time(0, 1_000, b"key").unwrap();
        assert_eq!(delta_time(0, 1_000, b"key"), Some(place));
        assert_ne!(delta_time(1, 1_000, b"key"), Some(place));
        assert_ne!(delta_time(0, 1_000, b"other"), Some(place));
        assert_eq!(delta_time(0, i64::MAX, b""), None);
    }

    proptest! {
        #[test]
        fn a_delta_place_keeps_its_millisecond(start: i64, end in -DELTA_MILLIS_MAX..=DELTA_MILLIS_MAX, key: [u8; 4]) {
            let place = delta_time(start, end, &key).unwrap();
            prop_assert_eq!(millis(Kind::Delta, place), end);
            prop_assert!(place <= last_place_at(Kind::Delta, end));
            prop_assert!(place > last_place_at(Kind::Delta, end - 1));
        }
    }
}
