//! The fixed total order on values, and the join of two values under one identity: the greater. Memtable,
//! merges and compaction all use this file, so that no two places can disagree about a conflict.
//!
//! ```text
//!  stale marker < other NaN (by bits) < -inf < ... < -0.0 < +0.0 < ... < +inf
//! ```

use std::cmp::Ordering;

use shoal_model::{Point, STALE_BITS};

/// Compares by the order above. Equal means the same bits.
#[inline]
pub fn compare(a: f64, b: f64) -> Ordering {
    rank(a).cmp(&rank(b))
}

/// The greater of two values: what stands where one point identity arrived with both.
#[inline]
pub fn join(a: f64, b: f64) -> f64 {
    if rank(a) < rank(b) || crate::Mutant::LastOfTwo.is_on() { b } else { a }
}

/// The point with the greatest value, of equal ones the latest: what is kept of a counter.
pub fn greatest(points: impl IntoIterator<Item = Point>) -> Option<Point> {
    points.into_iter().max_by(|a, b| compare(a.value, b.value).then(a.time.cmp(&b.time)))
}

const SIGN: u64 = 1 << 63;
/// How many NaNs there are of one sign, and so what they take below -inf twice.
const NANS: u64 = (1 << 52) - 1;
const FIRST_POSITIVE_NAN: u64 = 0x7ff0_0000_0000_0001;
const FIRST_NEGATIVE_NAN: u64 = SIGN | FIRST_POSITIVE_NAN;

/// The place of a value in the order; a bijection on 64 bits. Numbers take the usual flip of IEEE bits
/// (negative ones reversed), moved up by the room that the NaNs need.
#[inline]
fn rank(value: f64) -> u64 {
    let bits = value.to_bits();
    if value.is_nan() {
        return nan_rank(bits);
    }
    let flip = ((bits as i64 >> 63) as u64) | SIGN;
    (bits ^ flip) + NANS
}

#[cold]
fn nan_rank(bits: u64) -> u64 {
    match bits {
        STALE_BITS => 0,
        FIRST_POSITIVE_NAN => 1,
        _ if bits < SIGN => bits - FIRST_POSITIVE_NAN,
        _ => bits - FIRST_NEGATIVE_NAN + NANS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use shoal_model::stale;

    #[test]
    fn the_order_is_the_documented_one() {
        let ascending = [
            stale(),
            f64::from_bits(FIRST_POSITIVE_NAN),
            f64::from_bits(STALE_BITS + 1),
            f64::from_bits(0x7fff_ffff_ffff_ffff),
            f64::from_bits(FIRST_NEGATIVE_NAN),
            f64::from_bits(u64::MAX),
            f64::NEG_INFINITY,
            f64::MIN,
            -1.0,
            -f64::from_bits(1),
            -0.0,
            0.0,
            f64::from_bits(1),
            1.0,
            f64::MAX,
            f64::INFINITY,
        ];
        for (i, a) in ascending.into_iter().enumerate() {
            for (j, b) in ascending.into_iter().enumerate() {
                assert_eq!(compare(a, b), i.cmp(&j), "{a} {b}");
                assert_eq!(join(a, b).to_bits(), ascending[i.max(j)].to_bits());
            }
        }
    }

    #[test]
    fn the_ranks_leave_no_room() {
        let ends = [(stale(), 0), (f64::NEG_INFINITY, 2 * NANS), (f64::INFINITY, u64::MAX)];
        ends.into_iter().for_each(|(value, expected)| assert_eq!(rank(value), expected));
        assert_eq!(nan_rank(u64::MAX), 2 * NANS - 1);
    }

    proptest! {
        #[test]
        fn numbers_compare_as_ieee_says(a: f64, b: f64) {
            if let Some(expected) = a.partial_cmp(&b).filter(|order| order.is_ne()) {
                prop_assert_eq!(compare(a, b), expected);
            }
        }

        #[test]
        fn equal_means_the_same_bits(a: u64, b: u64) {
            let order = compare(f64::from_bits(a), f64::from_bits(b));
            prop_assert_eq!(order.is_eq(), a == b);
        }

        #[test]
        fn the_join_is_commutative_associative_and_idempotent(a: u64, b: u64, c: u64) {
            let of = |x: u64, y: u64| join(f64::from_bits(x), f64::from_bits(y)).to_bits();
            prop_assert_eq!(of(a, b), of(b, a));
            prop_assert_eq!(of(of(a, b), c), of(a, of(b, c)));
            prop_assert_eq!(of(a, a), a);
        }
    }
}
