//! Instant selectors: at each step the last sample within the lookback, if it is no stale marker.

use super::{ABSENT, Evaluator, Grid, Sink, is_absent};
use crate::error::QueryError;
use crate::plan::{Moment, Selector};
use crate::source::Sample;

impl Evaluator<'_> {
    /// The values of a selector.
    pub(crate) fn each_last_value(
        &mut self,
        selector: &Selector,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        self.each_last_sample(selector, grid, |sample| sample.v, sink)
    }

    /// When the samples were taken, in seconds: what `timestamp` of a selector gives.
    pub(crate) fn each_last_time(
        &mut self,
        selector: &Selector,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        self.each_last_sample(selector, grid, |sample| sample.t_ms as f64 / 1000.0, sink)
    }

    fn each_last_sample(
        &mut self,
        selector: &Selector,
        grid: &Grid,
        pick: fn(&Sample) -> f64,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        if grid.count == 0 {
            return Ok(());
        }
        let (window_ms, moment) = (self.options.lookback_ms, selector.moment);
        let first = moment.of(grid.start_ms).saturating_sub(window_ms).saturating_add(1);
        let compute = |samples: &[Sample]| {
            let values = last_of_each_step(samples, moment, grid, window_ms, pick);
            values.iter().any(|value| !is_absent(*value)).then_some(values)
        };
        self.each_series(&selector.matchers, first..=moment.of(grid.end_ms()), &compute, sink)
    }
}

fn last_of_each_step(
    samples: &[Sample],
    moment: Moment,
    grid: &Grid,
    window_ms: i64,
    pick: fn(&Sample) -> f64,
) -> Vec<f64> {
    let mut seen = 0;
    let mut value_at = |eval_ms: i64| {
        let at_ms = moment.of(eval_ms);
        while samples.get(seen).is_some_and(|sample| sample.t_ms <= at_ms) {
            seen += 1;
        }
        let last = samples[..seen].last()?;
        let is_fresh = last.t_ms > at_ms.saturating_sub(window_ms) && !is_absent(last.v);
        is_fresh.then(|| pick(last))
    };
    grid.times().map(|time| value_at(time).unwrap_or(ABSENT)).collect()
}
