//! The buckets of one classic histogram at one time: cumulative counts by upper bound. Between bounds, counts
//! are taken as spread evenly, as Prometheus documents it.

/// One bucket: how many observations are at most so great.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    pub upper: f64,
    pub count: f64,
}

/// A relative difference of counts below this comes from rounding, not from the data.
const ROUNDING: f64 = 1e-12;

/// Sorts buckets by bound and makes one of those with the same bound.
pub(super) fn in_order(buckets: &mut Vec<Bucket>) {
    buckets.sort_by(|a, b| a.upper.total_cmp(&b.upper));
    buckets.dedup_by(|later, earlier| {
        let is_same = later.upper == earlier.upper;
        if is_same {
            earlier.count += later.count;
        }
        is_same
    });
}

/// Makes the counts grow with the bounds; whether more than rounding had to be put right.
pub(super) fn make_monotonic(buckets: &mut [Bucket]) -> bool {
    let mut is_forced = false;
    let mut before = buckets.first().map_or(0.0, |bucket| bucket.count);
    for bucket in buckets.iter_mut().skip(1) {
        let difference = (bucket.count - before).abs();
        let is_rounding = difference / (bucket.count.abs() + before.abs()) < ROUNDING;
        if bucket.count < before || is_rounding {
            is_forced |= !is_rounding;
            bucket.count = before;
        } else {
            before = bucket.count;
        }
    }
    is_forced
}

/// The value below which a share of the observations lies. Wants ordered, growing buckets, the last one
/// without bound.
pub(super) fn quantile(quantile: f64, buckets: &[Bucket]) -> f64 {
    if quantile.is_nan() {
        return f64::NAN;
    }
    if !(0.0..=1.0).contains(&quantile) {
        return if quantile < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    let [bounded @ .., last] = buckets else { return f64::NAN };
    if last.upper != f64::INFINITY || bounded.is_empty() || last.count == 0.0 {
        return f64::NAN;
    }
    let rank = quantile * last.count;
    let Some(at) = bounded.iter().position(|bucket| bucket.count >= rank) else {
        return bounded[bounded.len() - 1].upper;
    };
    let bucket = bounded[at];
    let (lower, before) = match at.checked_sub(1).map(|at| bounded[at]) {
        Some(previous) => (previous.upper, previous.count),
        None if bucket.upper <= 0.0 => return bucket.upper,
        None => (0.0, 0.0),
    };
    lower + (bucket.upper - lower) * ((rank - before) / (bucket.count - before))
}

/// The share of observations between two values.
pub(super) fn fraction(low: f64, high: f64, buckets: &[Bucket]) -> f64 {
    let Some(last) = buckets.last() else { return f64::NAN };
    if last.upper != f64::INFINITY
        || last.count == 0.0
        || last.count.is_nan()
        || low.is_nan()
        || high.is_nan()
    {
        return f64::NAN;
    }
    if low >= high {
        return 0.0;
    }
    (rank(high, buckets) - rank(low, buckets)) / last.count
}

/// How many observations are at most so great.
fn rank(value: f64, buckets: &[Bucket]) -> f64 {
    let mut before = 0.0;
    let mut lower =
        buckets.first().map_or(0.0, |first| if first.upper > 0.0 { 0.0 } else { f64::NEG_INFINITY });
    for bucket in buckets {
        if lower >= value {
            return before;
        }
        if value < bucket.upper {
            // A bucket without end on one side is never taken in part: what lies in it stays outside.
            if lower == f64::NEG_INFINITY {
                return bucket.count;
            }
            return before + (bucket.count - before) * ((value - lower) / (bucket.upper - lower));
        }
        (before, lower) = (bucket.count, bucket.upper);
    }
    before
}
