//! Instant selectors: at each step the last sample within the lookback, if it is no stale marker.

use super::{ABSENT, Evaluator, Grid, Row};
use crate::error::QueryError;
use crate::plan::{Moment, Selector};
use crate::source::{Hint, Sample};

impl Evaluator<'_> {
    /// The values of a selector.
    pub(crate) fn last_values(&mut self, selector: &Selector, grid: &Grid) -> Result<Vec<Row>, QueryError> {
        self.last_samples(selector, grid, |sample| sample.v)
    }

    /// When the samples were taken, in seconds: what `timestamp` of a selector gives.
    pub(crate) fn last_times(&mut self, selector: &Selector, grid: &Grid) -> Result<Vec<Row>, QueryError> {
        self.last_samples(selector, grid, |sample| sample.t_ms as f64 / 1000.0)
    }

    fn last_samples(
        &mut self,
        selector: &Selector,
        grid: &Grid,
        pick: fn(&Sample) -> f64,
    ) -> Result<Vec<Row>, QueryError> {
        if grid.count == 0 {
            return Ok(Vec::new());
        }
        let Selector { matchers, moment } = selector;
        let window_ms = self.options.lookback_ms;
        let (first, last) = (moment.of(grid.start_ms), moment.of(grid.end_ms()));
        let hint = Hint { step_ms: grid.step_ms, window_ms, last_only: true };
        let range = first.saturating_sub(window_ms).saturating_add(1)..=last;
        let series = self.fetch(matchers, range, hint)?;
        let mut rows = Vec::with_capacity(series.len());
        for one in series.iter() {
            let values = last_of_each_step(&one.samples, *moment, grid, window_ms, pick);
            let row = Row::new(one.labels.clone(), values);
            if !row.is_empty() {
                self.charge(grid.count)?;
                rows.push(row);
            }
        }
        self.check_stop()?;
        Ok(rows)
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
        let is_fresh = last.t_ms > at_ms.saturating_sub(window_ms) && !super::is_absent(last.v);
        is_fresh.then(|| pick(last))
    };
    grid.times().map(|time| value_at(time).unwrap_or(ABSENT)).collect()
}
