//! Careful sums: Neumaier's compensated summation (Neumaier 1974, an improved Kahan sum), means that do not
//! overflow, and Welford's variance. Infinite and NaN terms are kept apart, so that they cannot spoil the compensation.

/// A compensated sum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sum {
    /// Starts as -0, the only neutral element of floating-point addition.
    total: f64,
    /// What rounding has taken from the total.
    lost: f64,
    /// The sum of the terms that are not finite.
    special: f64,
}

impl Default for Sum {
    fn default() -> Self {
        Self { total: -0.0, lost: 0.0, special: 0.0 }
    }
}

impl Sum {
    pub(crate) fn add(&mut self, term: f64) {
        if !term.is_finite() {
            self.special += term;
            return;
        }
        let next = self.total + term;
        if next.is_infinite() {
            self.lost = 0.0;
        } else if self.total.abs() >= term.abs() {
            self.lost += (self.total - next) + term;
        } else {
            self.lost += (term - next) + self.total;
        }
        self.total = next;
    }

    pub(crate) fn value(&self) -> f64 {
        if self.special != 0.0 {
            self.special
        } else if self.lost == 0.0 {
            self.total
        } else {
            self.total + self.lost
        }
    }
}

/// 2^-64: as many terms as there can be do not overflow when each is made smaller by it.
const SCALE: f64 = 1.0 / 18_446_744_073_709_551_616.0;

/// An arithmetic mean.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mean {
    sum: Sum,
    /// The same sum, scaled down for the case that the other overflows.
    scaled: Sum,
    count: f64,
}

impl Mean {
    pub(crate) fn add(&mut self, term: f64) {
        self.sum.add(term);
        self.scaled.add(term * SCALE);
        self.count += 1.0;
    }

    pub(crate) fn value(&self) -> f64 {
        let sum = self.sum.value();
        if sum.is_infinite() && self.scaled.value().is_finite() {
            self.scaled.value() / self.count / SCALE
        } else {
            sum / self.count
        }
    }
}

/// A population variance.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Variance {
    mean: Sum,
    squares: Sum,
    count: f64,
}

impl Variance {
    pub(crate) fn add(&mut self, term: f64) {
        self.count += 1.0;
        let delta = term - self.mean.value();
        self.mean.add(delta / self.count);
        self.squares.add(delta * (term - self.mean.value()));
    }

    pub(crate) fn value(&self) -> f64 {
        self.squares.value() / self.count
    }
}

/// The quantile of values between which it interpolates; NaN counts as the least. NaN without values.
pub(crate) fn quantile(quantile: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || quantile.is_nan() {
        return f64::NAN;
    }
    if !(0.0..=1.0).contains(&quantile) {
        return if quantile < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    values.sort_by(|a, b| order_nan_first(*a, *b));
    let last = values.len() - 1;
    let rank = quantile * last as f64;
    let low = rank.floor() as usize;
    let (low_value, high_value) = (values[low.min(last)], values[(low + 1).min(last)]);
    let weight = rank - rank.floor();
    low_value * (1.0 - weight) + high_value * weight
}

/// The order of values with NaN before all others.
pub(crate) fn order_nan_first(a: f64, b: f64) -> std::cmp::Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(terms: &[f64]) -> f64 {
        let mut mean = Mean::default();
        terms.iter().for_each(|term| mean.add(*term));
        mean.value()
    }

    #[test]
    fn a_sum_keeps_what_rounding_takes() {
        let mut sum = Sum::default();
        [1e100, 1.0, -1e100, 2.5].iter().for_each(|term| sum.add(*term));
        assert_eq!(sum.value(), 3.5);
    }

    #[test]
    fn a_mean_does_not_overflow() {
        assert_eq!(mean(&[1.6e308; 4]), 1.6e308);
        assert_eq!(mean(&[-1.6e308, -1.6e308, 1.6e308, 1.6e308]), 0.0);
        assert_eq!(mean(&[f64::INFINITY, 1.0]), f64::INFINITY);
        assert!(mean(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
    }

    #[test]
    fn nan_counts_as_least_in_a_quantile() {
        assert_eq!(quantile(1.0, &mut [3.0, f64::NAN, 1.0]), 3.0);
        assert!(quantile(0.0, &mut [3.0, f64::NAN, 1.0]).is_nan());
        assert_eq!(quantile(2.0, &mut [3.0]), f64::INFINITY);
    }
}
