//! What an application counts with. An instrument is one number that any thread may change; sessions read it
//! when they flush.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A total that only grows.
#[derive(Clone, Debug)]
pub struct Counter(pub(crate) Arc<Cell>);

/// A total that may fall.
#[derive(Clone, Debug)]
pub struct UpDown(pub(crate) Arc<Cell>);

/// A reading.
#[derive(Clone, Debug)]
pub struct Gauge(pub(crate) Arc<Cell>);

impl Counter {
    /// Adds to the total. What is negative or not finite adds nothing.
    pub fn add(&self, increment: f64) {
        if increment >= 0.0 {
            self.0.add(increment);
        }
    }

    /// Raises the total to `total`, for totals that are counted elsewhere; never lowers it.
    pub fn raise_to(&self, total: f64) {
        self.0.change(|old| if total.is_finite() { old.max(total) } else { old });
    }
}

impl UpDown {
    /// Adds to the total, or takes from it. What is not finite adds nothing.
    pub fn add(&self, change: f64) {
        self.0.add(change);
    }
}

impl Gauge {
    /// The reading is now `value`.
    pub fn set(&self, value: f64) {
        self.0.change(|_| value);
    }

    /// The reading is now `change` greater than the last one, or than zero.
    pub fn add(&self, change: f64) {
        self.0.add(change);
    }
}

/// A value that is not there yet: a NaN that no arithmetic yields.
const UNSET: u64 = 0x7ff8_5e55_1011_0000;

/// The number itself.
#[derive(Debug)]
pub(crate) struct Cell(AtomicU64);

impl Cell {
    /// A total begins at zero.
    pub(crate) fn zero() -> Self {
        Self(AtomicU64::new(0.0_f64.to_bits()))
    }

    /// A reading begins when it is first taken.
    pub(crate) fn unset() -> Self {
        Self(AtomicU64::new(UNSET))
    }

    pub(crate) fn value(&self) -> Option<f64> {
        let bits = self.0.load(Ordering::Relaxed);
        (bits != UNSET).then(|| f64::from_bits(bits))
    }

    fn add(&self, change: f64) {
        self.change(|old| if (old + change).is_finite() { old + change } else { old });
    }

    fn change(&self, to: impl Fn(f64) -> f64) {
        let change = |bits| {
            let old = if bits == UNSET { 0.0 } else { f64::from_bits(bits) };
            Some(to(old).to_bits())
        };
        _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_never_falls_and_stays_finite() {
        let counter = Counter(Arc::new(Cell::zero()));
        for increment in [2.0, -1.0, f64::NAN, f64::INFINITY, 0.5] {
            counter.add(increment);
        }
        counter.raise_to(1.0);
        assert_eq!(counter.0.value(), Some(2.5));
        counter.raise_to(7.0);
        counter.raise_to(f64::INFINITY);
        assert_eq!(counter.0.value(), Some(7.0));
    }

    #[test]
    fn a_gauge_has_no_value_before_its_first() {
        let gauge = Gauge(Arc::new(Cell::unset()));
        assert_eq!(gauge.0.value(), None);
        gauge.add(-3.0);
        assert_eq!(gauge.0.value(), Some(-3.0));
        gauge.set(f64::INFINITY);
        assert_eq!(gauge.0.value(), Some(f64::INFINITY));
    }

    #[test]
    fn threads_lose_no_increment() {
        let counter = Counter(Arc::new(Cell::zero()));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|_| counter.add(1.0)));
            }
        });
        assert_eq!(counter.0.value(), Some(40_000.0));
    }
}
