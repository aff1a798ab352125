//! Folds: what turns the values of a group at one step, taken one by one in order of labels, into one value.

use crate::plan::AggregateOp;
use crate::sums::{Mean, Sum, Variance};

/// A fold under way, from its first value on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fold {
    Sum(Sum),
    Mean(Mean),
    Variance(Variance),
    Deviation(Variance),
    Least(f64),
    Greatest(f64),
    Count(f64),
    One,
}

impl Fold {
    /// The fold of an aggregation with no value yet; none for those that are no folds.
    pub(crate) fn of(op: AggregateOp) -> Option<Self> {
        match op {
            AggregateOp::Sum => Some(Fold::Sum(Sum::default())),
            AggregateOp::Avg => Some(Fold::Mean(Mean::default())),
            AggregateOp::Min => Some(Fold::Least(f64::NAN)),
            AggregateOp::Max => Some(Fold::Greatest(f64::NAN)),
            AggregateOp::Count => Some(Fold::Count(0.0)),
            AggregateOp::Group => Some(Fold::One),
            AggregateOp::Stddev => Some(Fold::Deviation(Variance::default())),
            AggregateOp::Stdvar => Some(Fold::Variance(Variance::default())),
            AggregateOp::Topk | AggregateOp::Bottomk | AggregateOp::CountValues | AggregateOp::Quantile => {
                None
            }
        }
    }

    pub(crate) fn add(&mut self, value: f64) {
        match self {
            Fold::Sum(sum) => sum.add(value),
            Fold::Mean(mean) => mean.add(value),
            Fold::Variance(variance) | Fold::Deviation(variance) => variance.add(value),
            // NaN is greater and less than nothing: it stays only where there is nothing else.
            Fold::Least(least) => *least = least.min(value),
            Fold::Greatest(greatest) => *greatest = greatest.max(value),
            Fold::Count(count) => *count += 1.0,
            Fold::One => {}
        }
    }

    pub(crate) fn value(&self) -> f64 {
        match self {
            Fold::Sum(sum) => sum.value(),
            Fold::Mean(mean) => mean.value(),
            Fold::Variance(variance) => variance.value(),
            Fold::Deviation(variance) => variance.value().sqrt(),
            Fold::Least(value) | Fold::Greatest(value) | Fold::Count(value) => *value,
            Fold::One => 1.0,
        }
    }
}
