//! Range selectors and subqueries: for each series the samples of a left-open window before every step. A
//! subquery first evaluates its inner expression on a grid of its own, aligned to absolute time.

use super::{ABSENT, Computed, Evaluator, Grid, Row, is_absent};
use crate::error::QueryError;
use crate::plan::{Moment, Node, Selector, Subquery};
use crate::source::{Hint, Sample, Series};

/// The samples that a function sees at one step; never empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window<'a> {
    pub samples: &'a [Sample],
    /// The left end, which is outside.
    pub start_ms: i64,
    /// The right end, which is inside.
    pub end_ms: i64,
    /// The evaluation time.
    pub eval_ms: i64,
    /// The function's scalar argument, if it has one.
    pub argument: f64,
}

/// One series with all samples that any window sees, without stale markers.
#[derive(Debug)]
pub(crate) struct WindowSeries {
    pub series: Series,
    pub drops_name: bool,
}

/// Series under a moving window.
#[derive(Debug)]
pub(crate) struct Windows {
    pub series: Vec<WindowSeries>,
    moment: Moment,
    range_ms: i64,
}

impl Evaluator<'_> {
    /// The windows of a range selector or subquery.
    pub(crate) fn windows(&mut self, node: &Node, grid: &Grid) -> Result<Windows, QueryError> {
        match node {
            Node::Range { selector, range_ms } => self.selector_windows(selector, *range_ms, grid),
            Node::Subquery(subquery) => self.subquery_windows(subquery, grid),
            _ => Err(QueryError::bad("expected type range vector")),
        }
    }

    fn selector_windows(
        &mut self,
        selector: &Selector,
        range_ms: i64,
        grid: &Grid,
    ) -> Result<Windows, QueryError> {
        let Selector { matchers, moment } = selector;
        let mut windows = Windows { series: Vec::new(), moment: *moment, range_ms };
        if grid.count == 0 {
            return Ok(windows);
        }
        let first = moment.of(grid.start_ms).saturating_sub(range_ms).saturating_add(1);
        let hint = Hint { step_ms: grid.step_ms, window_ms: range_ms, last_only: false };
        let fetched = self.fetch(matchers, first..=moment.of(grid.end_ms()), hint)?;
        for one in fetched.iter() {
            let samples: Vec<Sample> =
                one.samples.iter().filter(|sample| !is_absent(sample.v)).copied().collect();
            if !samples.is_empty() {
                let series = Series { labels: one.labels.clone(), samples };
                windows.series.push(WindowSeries { series, drops_name: false });
            }
        }
        Ok(windows)
    }

    fn subquery_windows(&mut self, subquery: &Subquery, grid: &Grid) -> Result<Windows, QueryError> {
        let Subquery { expr, range_ms, step_ms, moment } = subquery;
        let step_ms = step_ms.unwrap_or(self.options.subquery_step_ms).max(1);
        let before = moment.of(grid.start_ms).saturating_sub(*range_ms);
        let start_ms = before.div_euclid(step_ms).saturating_add(1).saturating_mul(step_ms);
        let inner = Grid::over(start_ms, moment.of(grid.end_ms()), step_ms);
        let mut windows = Windows { series: Vec::new(), moment: *moment, range_ms: *range_ms };
        if grid.count == 0 || inner.count == 0 {
            return Ok(windows);
        }
        self.charge(inner.count)?;
        let rows = match self.eval(expr, &inner)? {
            Computed::Rows(rows) => rows,
            Computed::Scalars(_) => return Err(QueryError::bad("a subquery is over an instant vector only")),
        };
        let series = |row: Row| WindowSeries { drops_name: row.drops_name, series: row.into_series(&inner) };
        windows.series = rows.into_iter().map(series).collect();
        Ok(windows)
    }
}

impl Windows {
    /// What lies in the window before one evaluation time, by series, each with whether its name has to go.
    pub(crate) fn into_rows_at(self, eval_ms: i64) -> Vec<(bool, Series)> {
        let end_ms = self.moment.of(eval_ms);
        let start_ms = end_ms.saturating_sub(self.range_ms);
        let cut = |WindowSeries { mut series, drops_name }| {
            series.samples.retain(|sample| start_ms < sample.t_ms && sample.t_ms <= end_ms);
            (drops_name, series)
        };
        self.series.into_iter().map(cut).collect()
    }

    /// The values of a function for one series at every step; the function is not asked about empty windows.
    /// `arguments` holds its scalar argument by step, or nothing.
    pub(crate) fn values(
        &self,
        samples: &[Sample],
        grid: &Grid,
        arguments: &[f64],
        apply: impl Fn(&Window<'_>) -> Option<f64>,
    ) -> Vec<f64> {
        let (mut low, mut high) = (0, 0);
        let mut value_at = |step: usize| {
            let eval_ms = grid.time(step);
            let end_ms = self.moment.of(eval_ms);
            let start_ms = end_ms.saturating_sub(self.range_ms);
            while samples.get(high).is_some_and(|sample| sample.t_ms <= end_ms) {
                high += 1;
            }
            while low < high && samples[low].t_ms <= start_ms {
                low += 1;
            }
            if low == high {
                return None;
            }
            let argument = arguments.get(step).copied().unwrap_or(f64::NAN);
            apply(&Window { samples: &samples[low..high], start_ms, end_ms, eval_ms, argument })
        };
        if self.moment.at_ms.is_some() && arguments.is_empty() && grid.count > 0 {
            return vec![value_at(0).unwrap_or(ABSENT); grid.count];
        }
        (0..grid.count).map(|step| value_at(step).unwrap_or(ABSENT)).collect()
    }
}
