//! A classic histogram as counters.

use metrics::HistogramFn;

use crate::session::{Counter, Session};

/// The counters of one histogram.
#[derive(Debug)]
pub(super) struct Histogram {
    /// Upper bounds, growing, the last one infinite; each counts what is at or below it.
    buckets: Vec<(f64, Counter)>,
    sum: Counter,
    count: Counter,
}

impl Histogram {
    pub(super) fn new(session: &Session, name: &str, labels: &[(&str, &str)], bounds: &[f64]) -> Self {
        let bucket_name = format!("{name}_bucket");
        let bucket = |bound: f64| {
            let le = if bound.is_finite() { bound.to_string() } else { "+Inf".to_owned() };
            let labels = [labels, &[("le", le.as_str())]].concat();
            (bound, session.counter(&bucket_name, &labels))
        };
        Self {
            buckets: bounds.iter().copied().chain([f64::INFINITY]).map(bucket).collect(),
            sum: session.counter(&format!("{name}_sum"), labels),
            count: session.counter(&format!("{name}_count"), labels),
        }
    }
}

impl HistogramFn for Histogram {
    /// An observation that is negative or not finite is left out: the sum could fall or be lost by it.
    fn record(&self, value: f64) {
        self.record_many(value, 1);
    }

    fn record_many(&self, value: f64, count: usize) {
        if !value.is_finite() || value < 0.0 {
            return;
        }
        let count = count as f64;
        for (_, bucket) in self.buckets.iter().rev().take_while(|(bound, _)| value <= *bound) {
            bucket.add(count);
        }
        self.sum.add(value * count);
        self.count.add(count);
    }
}
