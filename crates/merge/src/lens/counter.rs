//! Counters: a writer's total at t is the greatest value that it had reported by t, so a late or reordered
//! point never makes it fall, and a writer that ended keeps its total.

use std::convert::Infallible;

use crdts::{CmRDT, CvRDT};

use super::WriterPoints;
use crate::order;

/// The greatest value that a counter's writer reported. Stale markers, NaNs and infinities are no totals.
#[derive(Clone, Copy, Debug, Default)]
pub struct Greatest(Option<f64>);

impl Greatest {
    /// The total, or `None` while nothing was reported.
    pub fn value(self) -> Option<f64> {
        self.0
    }
}

impl CmRDT for Greatest {
    type Op = f64;
    type Validation = Infallible;

    fn validate_op(&self, _value: &f64) -> Result<(), Infallible> {
        Ok(())
    }

    fn apply(&mut self, value: f64) {
        if value.is_finite() {
            self.0 = Some(self.0.map_or(value, |held| order::join(held, value)));
        }
    }
}

impl CvRDT for Greatest {
    type Validation = Infallible;

    fn validate_merge(&self, _other: &Self) -> Result<(), Infallible> {
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        other.0.into_iter().for_each(|value| self.apply(value));
    }
}

impl PartialEq for Greatest {
    fn eq(&self, other: &Self) -> bool {
        self.0.map(f64::to_bits) == other.0.map(f64::to_bits)
    }
}

/// A writer's total at a ms.
pub(super) fn total(part: &WriterPoints<'_>, at_ms: i64) -> Option<f64> {
    let mut greatest = Greatest::default();
    part.until(at_ms).iter().for_each(|point| greatest.apply(point.value));
    greatest.value()
}
