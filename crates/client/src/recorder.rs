//! A recorder for the `metrics` facade over a session: counters and gauges as they are, histograms as classic
//! ones, that is, counters `_bucket{le}`, `_sum` and `_count`. Descriptions and units have no place in the
//! protocol and are dropped; names keep their dots.

mod histogram;
mod install;

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use metrics::{CounterFn, GaugeFn, Key, KeyName, Metadata, SharedString, Unit};

use crate::session::{Counter, Gauge, Session};
use histogram::Histogram;

pub use install::{InstallError, Installed, RecorderConfig, install};

/// Prometheus' default upper bounds of histogram buckets, made for seconds.
pub const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Gives the `metrics` macros instruments of a session.
#[derive(Debug)]
pub struct Recorder {
    session: Session,
    buckets: Vec<f64>,
    counters: Known<Counter>,
    gauges: Known<Gauge>,
    histograms: Known<Histogram>,
}

impl Recorder {
    /// A recorder over `session`; `buckets` are the upper bounds of all histograms, without infinity.
    pub fn new(session: Session, buckets: &[f64]) -> Self {
        let mut buckets: Vec<f64> = buckets.iter().copied().filter(|bound| bound.is_finite()).collect();
        buckets.sort_by(f64::total_cmp);
        buckets.dedup();
        let (counters, gauges, histograms) = (Known::default(), Known::default(), Known::default());
        Self { session, buckets, counters, gauges, histograms }
    }
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> metrics::Counter {
        let make = || self.session.counter(key.name(), &labels(key));
        metrics::Counter::from_arc(self.counters.get(key, make))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> metrics::Gauge {
        let make = || self.session.gauge(key.name(), &labels(key));
        metrics::Gauge::from_arc(self.gauges.get(key, make))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> metrics::Histogram {
        let make = || Histogram::new(&self.session, key.name(), &labels(key), &self.buckets);
        metrics::Histogram::from_arc(self.histograms.get(key, make))
    }
}

impl CounterFn for Counter {
    fn increment(&self, value: u64) {
        self.add(value as f64);
    }

    fn absolute(&self, value: u64) {
        self.raise_to(value as f64);
    }
}

impl GaugeFn for Gauge {
    fn increment(&self, value: f64) {
        self.add(value);
    }

    fn decrement(&self, value: f64) {
        self.add(-value);
    }

    fn set(&self, value: f64) {
        Gauge::set(self, value);
    }
}

/// Instruments by key, because the macros ask for theirs at each use. The session bounds what is worth
/// keeping; what it refuses is kept as well, up to the same bound, so that it is refused once.
#[derive(Debug)]
struct Known<T>(RwLock<HashMap<Key, Arc<T>>>);

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<T> Known<T> {
    fn get(&self, key: &Key, make: impl FnOnce() -> T) -> Arc<T> {
        if let Some(known) = self.0.read().expect("no panic while the lock is held").get(key) {
            return known.clone();
        }
        let made = make();
        let mut known = self.0.write().expect("no panic while the lock is held");
        if known.len() >= crate::limits::STREAMS_MAX {
            return known.get(key).cloned().unwrap_or_else(|| Arc::new(made));
        }
        known.entry(key.clone()).or_insert_with(|| Arc::new(made)).clone()
    }
}

fn labels(key: &Key) -> Vec<(&str, &str)> {
    key.labels().map(|label| (label.key(), label.value())).collect()
}

#[cfg(test)]
mod tests;
