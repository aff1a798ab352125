//! Where series come from: one trait, so that the evaluator knows no store, no writer and no kind. What it is
//! given has gone through the lenses; stale markers are still in it.

use std::ops::RangeInclusive;

use shoal_model::Matcher;

use crate::labels::LabelSet;

/// A value of a series at a time.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Milliseconds since 1970.
    pub t_ms: i64,
    /// The value; the stale marker by its bits.
    pub v: f64,
}

impl PartialEq for Sample {
    fn eq(&self, other: &Self) -> bool {
        self.t_ms == other.t_ms && self.v.to_bits() == other.v.to_bits()
    }
}

/// A series with its samples in order of time, no time twice.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The labels, the metric name among them.
    pub labels: LabelSet,
    /// The samples.
    pub samples: Vec<Sample>,
}

/// What the evaluator will do with the samples: a source may leave out what cannot be seen that way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint {
    /// Distance of the evaluation times in ms; 0 where there is only one.
    pub step_ms: i64,
    /// How far back each evaluation time sees, in ms, its left end excluded.
    pub window_ms: i64,
    /// Whether only the last sample of each window counts.
    pub last_only: bool,
}

/// The source could not answer. It is the node's fault, not the query's; a retry may succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the series could not be read: {0}")]
pub struct SourceError(pub String);

/// Gives series by matchers. The same call on the same source gives the same answer to the bit.
pub trait SeriesSource {
    /// All series that fit all matchers, with their samples in a range of time (both ends included), in order of
    /// labels, no label set twice. Series without a sample in the range may be left out.
    fn select(
        &self,
        matchers: &[Matcher],
        range_ms: RangeInclusive<i64>,
        hint: Hint,
    ) -> Result<Vec<Series>, SourceError>;
}
