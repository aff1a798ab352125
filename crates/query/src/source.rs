//! Where series come from: two traits, so that the evaluator knows no store, no writer and no kind. What it is
//! given has gone through the lenses; stale markers are still in it. Selecting is apart from reading, so that a
//! query holds the samples of a few series at a time.

use std::ops::{Range, RangeInclusive};

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

/// The source could not answer. It is the node's fault, not the query's; a retry may succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the series could not be read: {0}")]
pub struct SourceError(pub String);

/// Gives series by matchers. The same call on the same source gives the same answer to the bit.
pub trait SeriesSource: Sync {
    /// All series that fit all matchers and may have samples in a range of time (both ends included), in order of
    /// labels, no label set twice. Their samples are read later, some series at a time.
    fn select<'s>(
        &'s self,
        matchers: &[Matcher],
        range_ms: RangeInclusive<i64>,
    ) -> Result<Box<dyn Selection + 's>, SourceError>;
}

/// Series that were selected, by number from 0 on in order of labels. Several threads may read at once.
pub trait Selection: Sync {
    /// How many there are.
    fn count(&self) -> usize;

    /// The labels of a series, the metric name among them.
    fn labels(&self, number: usize) -> LabelSet;

    /// Hands out the samples in the selection's range of some series, in order of number: each series once with
    /// all it has, perhaps none, in order of time, no time twice. Reading many at once is cheaper.
    fn read(&self, numbers: Range<usize>, each: &mut dyn FnMut(usize, &[Sample])) -> Result<(), SourceError>;
}
