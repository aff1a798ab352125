//! Simple linear regression (least squares) over the samples of a window.

use crate::eval::Window;
use crate::sums::Sum;

/// The slope a second.
pub(super) fn deriv(window: &Window<'_>) -> Option<f64> {
    let [first, _, ..] = window.samples else { return None };
    Some(line(window, first.t_ms).slope)
}

/// The line's value so many seconds after the evaluation time.
pub(super) fn predict_linear(window: &Window<'_>) -> Option<f64> {
    if window.samples.len() < 2 {
        return None;
    }
    let line = line(window, window.eval_ms);
    Some(line.slope * window.argument + line.intercept)
}

struct Line {
    slope: f64,
    intercept: f64,
}

fn line(window: &Window<'_>, zero_ms: i64) -> Line {
    let samples = window.samples;
    let level = samples[0].v;
    if samples.iter().all(|sample| sample.v == level) {
        // A level line has no rounding error; an infinite level has no line.
        return if level.is_infinite() {
            Line { slope: f64::NAN, intercept: f64::NAN }
        } else {
            Line { slope: 0.0, intercept: level }
        };
    }
    let (mut x_sum, mut y_sum, mut xy_sum, mut xx_sum) =
        (Sum::default(), Sum::default(), Sum::default(), Sum::default());
    for sample in samples {
        let x = sample.t_ms.saturating_sub(zero_ms) as f64 / 1000.0;
        x_sum.add(x);
        y_sum.add(sample.v);
        xy_sum.add(x * sample.v);
        xx_sum.add(x * x);
    }
    let (n, x, y) = (samples.len() as f64, x_sum.value(), y_sum.value());
    let covariance = xy_sum.value() - x * y / n;
    let variance = xx_sum.value() - x * x / n;
    let slope = covariance / variance;
    Line { slope, intercept: y / n - slope * x / n }
}
