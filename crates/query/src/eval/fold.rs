//! Folds: what turns the values of a group at one step, taken one by one in order of labels, into one value.

use crate::sums::{Mean, Sum, Variance};

/// A fold under way; asked for its value only after it was given one.
pub(crate) trait Fold: Clone + Default {
    /// Takes the next value.
    fn add(&mut self, value: f64);
    /// What the values come to.
    fn value(&self) -> f64;
}

impl Fold for Sum {
    fn add(&mut self, value: f64) {
        Sum::add(self, value);
    }

    fn value(&self) -> f64 {
        Sum::value(self)
    }
}

impl Fold for Mean {
    fn add(&mut self, value: f64) {
        Mean::add(self, value);
    }

    fn value(&self) -> f64 {
        Mean::value(self)
    }
}

impl Fold for Variance {
    fn add(&mut self, value: f64) {
        Variance::add(self, value);
    }

    fn value(&self) -> f64 {
        Variance::value(self)
    }
}

/// The population standard deviation.
#[derive(Clone, Default)]
pub(crate) struct Deviation(Variance);

impl Fold for Deviation {
    fn add(&mut self, value: f64) {
        self.0.add(value);
    }

    fn value(&self) -> f64 {
        self.0.value().sqrt()
    }
}

/// The least value; NaN only where there is nothing else.
#[derive(Clone)]
pub(crate) struct Least(f64);

impl Default for Least {
    fn default() -> Self {
        Self(f64::NAN)
    }
}

impl Fold for Least {
    fn add(&mut self, value: f64) {
        self.0 = self.0.min(value);
    }

    fn value(&self) -> f64 {
        self.0
    }
}

/// The greatest value; NaN only where there is nothing else.
#[derive(Clone)]
pub(crate) struct Greatest(f64);

impl Default for Greatest {
    fn default() -> Self {
        Self(f64::NAN)
    }
}

impl Fold for Greatest {
    fn add(&mut self, value: f64) {
        self.0 = self.0.max(value);
    }

    fn value(&self) -> f64 {
        self.0
    }
}

/// How many values there are.
#[derive(Clone, Default)]
pub(crate) struct Count(f64);

impl Fold for Count {
    fn add(&mut self, _: f64) {
        self.0 += 1.0;
    }

    fn value(&self) -> f64 {
        self.0
    }
}

/// One, whatever the values are.
#[derive(Clone, Default)]
pub(crate) struct One;

impl Fold for One {
    fn add(&mut self, _: f64) {}

    fn value(&self) -> f64 {
        1.0
    }
}
