//! The two questions of PromQL: a value now, and values over a range of steps. The text is parsed and planned
//! once; both then walk the same evaluator, an instant being a grid of one step.

use std::collections::BTreeMap;
use std::num::NonZero;

use promql_parser::parser::Expr;
use promql_parser::parser::value::ValueType;

use crate::error::QueryError;
use crate::eval::{Computed, Evaluator, Grid, Row};
use crate::front;
use crate::labels::LabelSet;
use crate::plan::{Bounds, Node, lower};
use crate::source::{Sample, Series, SeriesSource};
use crate::value::{Answer, Element, Value};

/// Bytes of one query: more than any dashboard has, and small enough that nesting cannot exhaust a stack.
pub const QUERY_BYTES_MAX: usize = 16 * 1024;

/// Why an evaluation has to end early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The time allowed is over.
    Timeout,
    /// Nobody waits any more.
    Canceled,
}

/// How to evaluate.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// How far back an instant selector looks for a sample, in ms; 5 minutes as in Prometheus.
    pub lookback_ms: i64,
    /// The step of a subquery that names none, in ms; 1 minute as in Prometheus.
    pub subquery_step_ms: i64,
    /// Samples that one query may read and make; 50 million as in Prometheus.
    pub samples_max: usize,
    /// Series that one selector may fit.
    pub series_max: usize,
    /// Steps of a range query; 11,000 as in Prometheus.
    pub steps_max: i64,
    /// Threads that read the series of a selector with many; one where absent.
    pub threads: Option<NonZero<usize>>,
    /// Asked now and then whether to go on.
    pub stop: &'a (dyn Fn() -> Option<Stop> + Sync),
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            lookback_ms: 5 * 60 * 1000,
            subquery_step_ms: 60 * 1000,
            samples_max: 50_000_000,
            series_max: 2_000_000,
            steps_max: 11_000,
            threads: None,
            stop: &|| None,
        }
    }
}

/// The evaluation times of a range query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first, in ms since 1970.
    pub start_ms: i64,
    /// None is later than this.
    pub end_ms: i64,
    /// Their distance.
    pub step_ms: i64,
}

/// Evaluates an expression at one time.
pub fn evaluate_instant(
    source: &dyn SeriesSource,
    text: &str,
    at_ms: i64,
    options: Options<'_>,
) -> Result<Answer, QueryError> {
    let expr = parsed(text)?;
    let plan = lower(&expr, Bounds { start_ms: at_ms, end_ms: at_ms })?;
    let grid = Grid::instant(at_ms);
    let mut evaluator = Evaluator::new(source, options, &plan, false);
    let value = match &plan {
        Node::Range { .. } | Node::Subquery(_) => {
            let windows = evaluator.windows(&plan, &grid)?;
            matrix(windows.into_rows_at(at_ms))?
        }
        Node::Text(text) => Value::String { t_ms: at_ms, text: text.clone() },
        _ => match evaluator.eval(&plan, &grid)? {
            Computed::Scalars(values) => {
                Value::Scalar(Sample { t_ms: at_ms, v: values.first().copied().unwrap_or(f64::NAN) })
            }
            Computed::Rows(rows) => Value::Vector(vector(rows, at_ms)?),
        },
    };
    Ok(evaluator.finish(value))
}

/// Evaluates an expression at every step of a range. A scalar gives one series without labels.
pub fn evaluate_range(
    source: &dyn SeriesSource,
    text: &str,
    range: Range,
    options: Options<'_>,
) -> Result<Answer, QueryError> {
    let expr = parsed(text)?;
    check_range(&expr, range, options.steps_max)?;
    let plan = lower(&expr, Bounds { start_ms: range.start_ms, end_ms: range.end_ms })?;
    let grid = Grid::over(range.start_ms, range.end_ms, range.step_ms);
    let mut evaluator = Evaluator::new(source, options, &plan, true);
    let rows = match evaluator.eval(&plan, &grid)? {
        Computed::Scalars(values) => vec![Row::new(LabelSet::empty(), values)],
        Computed::Rows(rows) => rows,
    };
    let series = rows.into_iter().map(|row| (row.drops_name, row.into_series(&grid)));
    let value = matrix(series.collect())?;
    Ok(evaluator.finish(value))
}

/// Parses an expression that could be evaluated; the parser's tree, for doors that format or show it. It nests no
/// deeper than a stack holds.
pub fn parse(text: &str) -> Result<Expr, QueryError> {
    let expr = parsed(text)?;
    lower(&expr, Bounds { start_ms: 0, end_ms: 0 })?;
    Ok(expr)
}

fn parsed(text: &str) -> Result<Expr, QueryError> {
    if text.len() > QUERY_BYTES_MAX {
        return Err(QueryError::bad(format!(
            "a query of {} bytes is over the limit of {QUERY_BYTES_MAX}",
            text.len()
        )));
    }
    front::parse(text).map_err(|error| QueryError::bad(format!("parse error: {error}")))
}

/// A duration as PromQL writes it (`1m30s`), or in seconds, in ms.
pub fn parse_duration_ms(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<f64>() {
        let ms = (seconds * 1000.0).round();
        return (0.0..i64::MAX as f64).contains(&ms).then_some(ms as i64);
    }
    let duration = promql_parser::util::parse_duration(text).ok()?;
    i64::try_from(duration.as_millis()).ok()
}

fn check_range(expr: &Expr, range: Range, steps_max: i64) -> Result<(), QueryError> {
    if range.step_ms <= 0 {
        return Err(QueryError::bad("zero or negative query resolution step widths are not accepted"));
    }
    if range.end_ms < range.start_ms {
        return Err(QueryError::bad("end timestamp must not be before start time"));
    }
    if range.end_ms.saturating_sub(range.start_ms) / range.step_ms >= steps_max {
        return Err(QueryError::bad(format!(
            "exceeded maximum resolution of {steps_max} points per timeseries. Try decreasing the query \
             resolution (?step=XX)"
        )));
    }
    let refused = match expr.value_type() {
        ValueType::Scalar | ValueType::Vector => return Ok(()),
        ValueType::Matrix => "range vector",
        ValueType::String => "string",
    };
    Err(QueryError::bad(format!(
        "invalid expression type \"{refused}\" for range query, must be Scalar or instant Vector"
    )))
}

fn same_labelset() -> QueryError {
    QueryError::execution("vector cannot contain metrics with the same labelset")
}

/// The rows of one step with their names dropped where an expression asked for it.
fn vector(rows: Vec<Row>, at_ms: i64) -> Result<Vec<Element>, QueryError> {
    let elements: Vec<Element> = rows
        .into_iter()
        .filter_map(|row| {
            let sample = Sample { t_ms: at_ms, v: row.at(0)? };
            Some(Element { labels: row.shown_labels(), sample })
        })
        .collect();
    let mut sorted: Vec<&LabelSet> = elements.iter().map(|element| &element.labels).collect();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(same_labelset());
    }
    Ok(elements)
}

/// Series by labels, with their names dropped where an expression asked for it; series that are the same without
/// their names become one if they never have a sample at the same time.
fn matrix(series: Vec<(bool, Series)>) -> Result<Value, QueryError> {
    let mut by_labels: BTreeMap<LabelSet, Vec<Sample>> = BTreeMap::new();
    for (drops_name, Series { labels, samples }) in series {
        if samples.is_empty() {
            continue;
        }
        let shown = if drops_name { labels.without_name() } else { labels };
        let merged = by_labels.entry(shown).or_default();
        if merged.is_empty() {
            *merged = samples;
            continue;
        }
        merged.extend(samples);
        merged.sort_by_key(|sample| sample.t_ms);
        if merged.windows(2).any(|pair| pair[0].t_ms == pair[1].t_ms) {
            return Err(same_labelset());
        }
    }
    Ok(Value::Matrix(by_labels.into_iter().map(|(labels, samples)| Series { labels, samples }).collect()))
}
