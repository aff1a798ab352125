//! Range selectors and subqueries: for each series the samples of a left-open window before every step. A
//! subquery first evaluates its inner expression on a grid of its own, aligned to absolute time.

use std::borrow::Cow;

use super::{ABSENT, Computed, Evaluator, Grid, Row, Sink, is_absent};
use crate::error::QueryError;
use crate::plan::{Moment, Node, Selector, Subquery};
use crate::source::{Sample, Series};

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

/// What a function does to a window; it is not asked about empty ones.
pub(crate) type Apply = fn(&Window<'_>) -> Option<f64>;

/// One series with all samples that any window sees, without stale markers.
#[derive(Debug)]
pub(crate) struct WindowSeries {
    pub series: Series,
    pub drops_name: bool,
}

/// Where a window lies, seen from an evaluation time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    moment: Moment,
    range_ms: i64,
}

/// Series under a moving window.
#[derive(Debug)]
pub(crate) struct Windows {
    pub series: Vec<WindowSeries>,
    pub frame: Frame,
}

impl Evaluator<'_> {
    /// Hands on the values of a function over the windows of a range selector or subquery: a row a series that has
    /// any. `arguments` holds the function's scalar argument by step, or nothing.
    pub(crate) fn each_window(
        &mut self,
        node: &Node,
        grid: &Grid,
        (apply, arguments): (Apply, &[f64]),
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        if let Node::Range { selector, range_ms } = node {
            let frame = Frame { moment: selector.moment, range_ms: *range_ms };
            if grid.count == 0 {
                return Ok(());
            }
            let compute = |samples: &[Sample]| frame.values(&unmarked(samples), grid, arguments, apply);
            return self.each_series(&selector.matchers, frame.span(grid), &compute, sink);
        }
        let Windows { series, frame } = self.windows(node, grid)?;
        for one in series {
            self.check_stop()?;
            if let Some(values) = frame.values(&one.series.samples, grid, arguments, apply) {
                sink(Row { labels: one.series.labels, drops_name: one.drops_name, values })?;
            }
        }
        Ok(())
    }

    /// The windows of a range selector or subquery, with all their samples.
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
        let frame = Frame { moment: selector.moment, range_ms };
        let mut windows = Windows { series: Vec::new(), frame };
        if grid.count == 0 {
            return Ok(windows);
        }
        for mut series in self.series(&selector.matchers, frame.span(grid))? {
            series.samples.retain(|sample| !is_absent(sample.v));
            if !series.samples.is_empty() {
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
        let frame = Frame { moment: *moment, range_ms: *range_ms };
        let mut windows = Windows { series: Vec::new(), frame };
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
        let (start_ms, end_ms) = self.frame.ends(eval_ms);
        let cut = |WindowSeries { mut series, drops_name }| {
            series.samples.retain(|sample| start_ms < sample.t_ms && sample.t_ms <= end_ms);
            (drops_name, series)
        };
        self.series.into_iter().map(cut).collect()
    }
}

impl Frame {
    /// The left end, which is outside, and the right end, which is inside.
    fn ends(self, eval_ms: i64) -> (i64, i64) {
        let end_ms = self.moment.of(eval_ms);
        (end_ms.saturating_sub(self.range_ms), end_ms)
    }

    /// The times that any window of a grid sees.
    fn span(self, grid: &Grid) -> std::ops::RangeInclusive<i64> {
        self.ends(grid.start_ms).0.saturating_add(1)..=self.ends(grid.end_ms()).1
    }

    /// The values of a function over one series at every step; nothing where it has none at any.
    fn values(self, samples: &[Sample], grid: &Grid, arguments: &[f64], apply: Apply) -> Option<Vec<f64>> {
        if samples.is_empty() {
            return None;
        }
        let (mut low, mut high) = (0, 0);
        let mut value_at = |step: usize| {
            let eval_ms = grid.time(step);
            let (start_ms, end_ms) = self.ends(eval_ms);
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
        let values: Vec<f64> = if self.moment.at_ms.is_some() && arguments.is_empty() {
            vec![value_at(0).unwrap_or(ABSENT); grid.count]
        } else {
            (0..grid.count).map(|step| value_at(step).unwrap_or(ABSENT)).collect()
        };
        values.iter().any(|value| !is_absent(*value)).then_some(values)
    }
}

/// The samples without stale markers, of which there are few.
fn unmarked(samples: &[Sample]) -> Cow<'_, [Sample]> {
    if samples.iter().any(|sample| is_absent(sample.v)) {
        Cow::Owned(samples.iter().filter(|sample| !is_absent(sample.v)).copied().collect())
    } else {
        Cow::Borrowed(samples)
    }
}
