//! A classic histogram of lengths of time that many threads fill: counts by upper bound, their sum, and how it is
//! shown.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Figure, FigureKind};
use crate::exposition::bound_text;

/// Upper bounds in seconds of what is over in a moment: syncs and requests.
pub(crate) const MOMENTS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Upper bounds in seconds of work in the background.
pub(crate) const WORK: &[f64] = &[0.01, 0.1, 1.0, 10.0, 60.0, 600.0];

/// Counts of lengths of time. What is added while it is shown may be in one of its parts and not yet in another.
#[derive(Debug)]
pub(crate) struct Histogram {
    bounds: &'static [f64],
    /// One for each bound, and one for what is beyond.
    counts: Vec<AtomicU64>,
    sum_nanos: AtomicU64,
}

impl Histogram {
    /// An empty one with these upper bounds in seconds, which ascend.
    pub(crate) fn new(bounds: &'static [f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum_nanos: AtomicU64::new(0) }
    }

    /// Something took this long.
    pub(crate) fn add(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let place = self.bounds.partition_point(|bound| *bound < seconds);
        self.counts[place].fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.sum_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Its parts as figures of one family; `labels` tell it from others of the family.
    pub(crate) fn figures(
        &self,
        family: &'static str,
        help: &'static str,
        labels: &[(&'static str, String)],
    ) -> Vec<Figure> {
        let figure = |suffix: &'static str, labels: Vec<(&'static str, String)>, value: f64| Figure {
            family,
            suffix,
            kind: FigureKind::Histogram,
            help,
            labels,
            value,
        };
        let mut total = 0;
        let mut figures = Vec::with_capacity(self.counts.len() + 2);
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        for (bound, count) in bounds.zip(&self.counts) {
            total += count.load(Ordering::Relaxed);
            let labels = labels.iter().cloned().chain([("le", bound_text(bound))]).collect();
            figures.push(figure("_bucket", labels, total as f64));
        }
        let sum = Duration::from_nanos(self.sum_nanos.load(Ordering::Relaxed));
        figures.push(figure("_sum", labels.to_vec(), sum.as_secs_f64()));
        figures.push(figure("_count", labels.to_vec(), total as f64));
        figures
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::render;

    #[test]
    fn a_length_of_time_counts_in_every_bucket_that_holds_it() {
        let histogram = Histogram::new(&[0.5, 1.0]);
        for millis in [500, 501, 1000, 2500] {
            histogram.add(Duration::from_millis(millis));
        }
        let figures = histogram.figures("a_seconds", "A.", &[("door", "x".to_owned())]);
        let expected = "# HELP a_seconds A.\n# TYPE a_seconds histogram\n\
            a_seconds_bucket{door=\"x\",le=\"0.5\"} 1\na_seconds_bucket{door=\"x\",le=\"1\"} 3\n\
            a_seconds_bucket{door=\"x\",le=\"+Inf\"} 4\na_seconds_sum{door=\"x\"} 4.501\n\
            a_seconds_count{door=\"x\"} 4\n";
        assert_eq!(render(&figures), expected);
    }
}
