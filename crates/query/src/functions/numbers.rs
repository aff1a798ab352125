//! Functions of one number that the standard library does not have in PromQL's form.

use crate::eval::ABSENT;

pub(super) fn sgn(value: f64) -> f64 {
    if value > 0.0 {
        1.0
    } else if value < 0.0 {
        -1.0
    } else {
        value
    }
}

/// Nothing where the bounds are crossed.
pub(super) fn clamp(value: f64, bounds: &[f64]) -> f64 {
    let [low, high] = *bounds else { return ABSENT };
    if high < low { ABSENT } else { greater(low, lesser(high, value)) }
}

pub(super) fn clamp_max(value: f64, bounds: &[f64]) -> f64 {
    bounds.first().map_or(value, |high| lesser(*high, value))
}

pub(super) fn clamp_min(value: f64, bounds: &[f64]) -> f64 {
    bounds.first().map_or(value, |low| greater(*low, value))
}

/// To the nearest multiple, halves upwards. Dividing by the inverse keeps 0.1 and the like exact.
pub(super) fn round(value: f64, nearest: &[f64]) -> f64 {
    let inverse = 1.0 / nearest.first().copied().unwrap_or(1.0);
    (value * inverse + 0.5).floor() / inverse
}

/// The lesser of two numbers. NaN if one is, unless nothing is less than the other.
fn lesser(a: f64, b: f64) -> f64 {
    if (a.is_nan() || b.is_nan()) && a.min(b) != f64::NEG_INFINITY { f64::NAN } else { a.min(b) }
}

/// The greater of two numbers. NaN if one is, unless nothing is greater than the other.
fn greater(a: f64, b: f64) -> f64 {
    -lesser(-a, -b)
}
