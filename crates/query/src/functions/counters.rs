//! How much a counter or a gauge has changed over a window. `rate`, `increase` and `delta` extrapolate from the
//! first and last sample to the ends of the window, as Prometheus documents it: not further than half the mean
//! spacing where the series seems to begin or end inside, and not below zero for a counter.

use std::collections::BTreeSet;

use shoal_model::labels::METRIC_NAME;

use crate::eval::{Evaluator, Window};
use crate::labels::LabelSet;

/// The name endings of counters.
const COUNTER_ENDINGS: [&str; 4] = ["_total", "_sum", "_count", "_bucket"];

pub(super) fn rate(window: &Window<'_>) -> Option<f64> {
    let seconds = window.end_ms.saturating_sub(window.start_ms) as f64 / 1000.0;
    Some(extrapolated(window, true)? / seconds)
}

pub(super) fn increase(window: &Window<'_>) -> Option<f64> {
    extrapolated(window, true)
}

pub(super) fn delta(window: &Window<'_>) -> Option<f64> {
    extrapolated(window, false)
}

pub(super) fn irate(window: &Window<'_>) -> Option<f64> {
    let [.., before, last] = window.samples else { return None };
    let change = if last.v < before.v { last.v } else { last.v - before.v };
    Some(change / ((last.t_ms - before.t_ms) as f64 / 1000.0))
}

pub(super) fn idelta(window: &Window<'_>) -> Option<f64> {
    let [.., before, last] = window.samples else { return None };
    Some(last.v - before.v)
}

/// Names that do not look like a counter's.
#[derive(Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// Looks at the name of a series.
    pub(super) fn see(&mut self, labels: &LabelSet) {
        let name = labels.value(METRIC_NAME);
        let is_counter = COUNTER_ENDINGS.iter().any(|ending| name.ends_with(ending));
        if !name.is_empty() && !is_counter && !self.0.contains(name) {
            self.0.insert(name.to_owned());
        }
    }

    /// Notes the names.
    pub(super) fn tell(self, evaluator: &mut Evaluator<'_>) {
        for name in self.0 {
            evaluator.inform(format!(
                "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {name:?}"
            ));
        }
    }
}

fn extrapolated(window: &Window<'_>, is_counter: bool) -> Option<f64> {
    let [first, .., last] = window.samples else { return None };
    let mut change = last.v - first.v;
    if is_counter {
        let fell = window.samples.windows(2).filter(|pair| pair[1].v < pair[0].v);
        change += fell.map(|pair| pair[0].v).sum::<f64>();
    }
    let seconds = |from_ms: i64, to_ms: i64| to_ms.saturating_sub(from_ms) as f64 / 1000.0;
    let sampled = seconds(first.t_ms, last.t_ms);
    let spacing = sampled / (window.samples.len() - 1) as f64;
    let limit = |gap: f64| if gap >= spacing * 1.1 { spacing / 2.0 } else { gap };
    let mut before = limit(seconds(window.start_ms, first.t_ms));
    let after = limit(seconds(last.t_ms, window.end_ms));
    if is_counter && change > 0.0 && first.v >= 0.0 {
        // At this slope the counter was zero that long before its first sample.
        before = before.min(sampled * (first.v / change));
    }
    Some(change * ((sampled + before + after) / sampled))
}
