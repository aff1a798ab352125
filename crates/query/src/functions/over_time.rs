//! Functions of the values in a window, whatever their times.

use crate::eval::Window;
use crate::sums::{self, Mean, Sum, Variance};

pub(super) fn sum(window: &Window<'_>) -> Option<f64> {
    let mut sum = Sum::default();
    window.samples.iter().for_each(|sample| sum.add(sample.v));
    Some(sum.value())
}

pub(super) fn avg(window: &Window<'_>) -> Option<f64> {
    let mut mean = Mean::default();
    window.samples.iter().for_each(|sample| mean.add(sample.v));
    Some(mean.value())
}

pub(super) fn stdvar(window: &Window<'_>) -> Option<f64> {
    let mut variance = Variance::default();
    window.samples.iter().for_each(|sample| variance.add(sample.v));
    Some(variance.value())
}

pub(super) fn stddev(window: &Window<'_>) -> Option<f64> {
    stdvar(window).map(f64::sqrt)
}

pub(super) fn count(window: &Window<'_>) -> Option<f64> {
    Some(window.samples.len() as f64)
}

/// NaN only where there is nothing else.
pub(super) fn min(window: &Window<'_>) -> Option<f64> {
    Some(window.samples.iter().fold(f64::NAN, |least, sample| least.min(sample.v)))
}

/// NaN only where there is nothing else.
pub(super) fn max(window: &Window<'_>) -> Option<f64> {
    Some(window.samples.iter().fold(f64::NAN, |greatest, sample| greatest.max(sample.v)))
}

pub(super) fn first(window: &Window<'_>) -> Option<f64> {
    window.samples.first().map(|sample| sample.v)
}

pub(super) fn last(window: &Window<'_>) -> Option<f64> {
    window.samples.last().map(|sample| sample.v)
}

pub(super) fn quantile(window: &Window<'_>) -> Option<f64> {
    let mut values: Vec<f64> = window.samples.iter().map(|sample| sample.v).collect();
    Some(sums::quantile(window.argument, &mut values))
}

pub(super) fn changes(window: &Window<'_>) -> Option<f64> {
    let differs = |pair: &&[crate::Sample]| {
        let (before, after) = (pair[0].v, pair[1].v);
        before != after && !(before.is_nan() && after.is_nan())
    };
    Some(window.samples.windows(2).filter(differs).count() as f64)
}

pub(super) fn resets(window: &Window<'_>) -> Option<f64> {
    Some(window.samples.windows(2).filter(|pair| pair[1].v < pair[0].v).count() as f64)
}
