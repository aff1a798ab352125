//! The functions of PromQL, one line each: what a function does to a value, to a window of samples, or to the
//! evaluation itself. What is not in the table is experimental in Prometheus and refused by name.

mod absence;
mod buckets;
mod calendar;
mod counters;
mod histograms;
mod names;
mod numbers;
mod order;
mod over_time;
mod regression;
mod scalars;

use crate::error::QueryError;
use crate::eval::{Apply, Computed, Evaluator, Grid, Row, Sink};
use crate::labels::LabelSet;
use crate::plan::Node;

use calendar::Civil;

/// A function of PromQL.
#[derive(Debug)]
pub(crate) struct Function {
    pub name: &'static str,
    body: Body,
}

/// What a function works on.
#[derive(Debug)]
enum Body {
    /// Each value of a vector.
    Value(fn(f64) -> f64),
    /// Each value of a vector, with the scalar arguments after it at that step; may give "absent".
    ValueWith(fn(f64, &[f64]) -> f64),
    /// Each value of a vector as a time, or the evaluation time.
    Date(fn(&Civil) -> f64),
    /// The samples of a range vector, with a scalar argument where the function has one.
    Samples(Apply),
    /// As above; what comes out is still a value of that metric.
    SamplesNamed(Apply),
    /// As above, for counters only: says so where a name does not look like one.
    Counter(Apply),
    /// As above; the scalar argument is a quantile, and says so where it is none.
    Quantile(Apply),
    /// Native histograms only, of which there are none: gives nothing, as Prometheus does for plain values.
    Nothing,
    /// Whatever it likes.
    Evaluation(Evaluation),
}

impl Function {
    /// Whether each row of a call is made of one row, or of one series, alone.
    pub(crate) fn is_row_by_row(&self) -> bool {
        !matches!(self.body, Body::ValueWith(_) | Body::Date(_) | Body::Evaluation(_))
    }
}

type Evaluation = fn(&mut Evaluator<'_>, &[Node], &Grid) -> Result<Computed, QueryError>;

const fn entry(name: &'static str, body: Body) -> Function {
    Function { name, body }
}

/// All functions, in order of name.
static FUNCTIONS: &[Function] = &[
    entry("abs", Body::Value(f64::abs)),
    entry("absent", Body::Evaluation(absence::absent)),
    entry("absent_over_time", Body::Evaluation(absence::absent_over_time)),
    entry("acos", Body::Value(f64::acos)),
    entry("acosh", Body::Value(f64::acosh)),
    entry("asin", Body::Value(f64::asin)),
    entry("asinh", Body::Value(f64::asinh)),
    entry("atan", Body::Value(f64::atan)),
    entry("atanh", Body::Value(f64::atanh)),
    entry("avg_over_time", Body::Samples(over_time::avg)),
    entry("ceil", Body::Value(f64::ceil)),
    entry("changes", Body::Samples(over_time::changes)),
    entry("clamp", Body::ValueWith(numbers::clamp)),
    entry("clamp_max", Body::ValueWith(numbers::clamp_max)),
    entry("clamp_min", Body::ValueWith(numbers::clamp_min)),
    entry("cos", Body::Value(f64::cos)),
    entry("cosh", Body::Value(f64::cosh)),
    entry("count_over_time", Body::Samples(over_time::count)),
    entry("day_of_month", Body::Date(|date| date.day as f64)),
    entry("day_of_week", Body::Date(|date| date.day_of_week() as f64)),
    entry("day_of_year", Body::Date(|date| date.day_of_year() as f64)),
    entry("days_in_month", Body::Date(|date| date.days_in_month() as f64)),
    entry("deg", Body::Value(f64::to_degrees)),
    entry("delta", Body::Samples(counters::delta)),
    entry("deriv", Body::Samples(regression::deriv)),
    entry("exp", Body::Value(f64::exp)),
    entry("first_over_time", Body::SamplesNamed(over_time::first)),
    entry("floor", Body::Value(f64::floor)),
    entry("histogram_avg", Body::Nothing),
    entry("histogram_count", Body::Nothing),
    entry("histogram_fraction", Body::Evaluation(histograms::fraction)),
    entry("histogram_quantile", Body::Evaluation(histograms::quantile)),
    entry("histogram_stddev", Body::Nothing),
    entry("histogram_stdvar", Body::Nothing),
    entry("histogram_sum", Body::Nothing),
    entry("hour", Body::Date(|date| date.hour as f64)),
    entry("idelta", Body::Samples(counters::idelta)),
    entry("increase", Body::Counter(counters::increase)),
    entry("irate", Body::Samples(counters::irate)),
    entry("label_join", Body::Evaluation(names::join)),
    entry("label_replace", Body::Evaluation(names::replace)),
    entry("last_over_time", Body::SamplesNamed(over_time::last)),
    entry("ln", Body::Value(f64::ln)),
    entry("log10", Body::Value(f64::log10)),
    entry("log2", Body::Value(f64::log2)),
    entry("max_over_time", Body::Samples(over_time::max)),
    entry("min_over_time", Body::Samples(over_time::min)),
    entry("minute", Body::Date(|date| date.minute as f64)),
    entry("month", Body::Date(|date| date.month as f64)),
    entry("pi", Body::Evaluation(scalars::pi)),
    entry("predict_linear", Body::Samples(regression::predict_linear)),
    entry("present_over_time", Body::Samples(|_| Some(1.0))),
    entry("quantile_over_time", Body::Quantile(over_time::quantile)),
    entry("rad", Body::Value(f64::to_radians)),
    entry("rate", Body::Counter(counters::rate)),
    entry("resets", Body::Samples(over_time::resets)),
    entry("round", Body::ValueWith(numbers::round)),
    entry("scalar", Body::Evaluation(scalars::scalar)),
    entry("sgn", Body::Value(numbers::sgn)),
    entry("sin", Body::Value(f64::sin)),
    entry("sinh", Body::Value(f64::sinh)),
    entry("sort", Body::Evaluation(order::ascending)),
    entry("sort_by_label", Body::Evaluation(order::by_label)),
    entry("sort_by_label_desc", Body::Evaluation(order::by_label_desc)),
    entry("sort_desc", Body::Evaluation(order::descending)),
    entry("sqrt", Body::Value(f64::sqrt)),
    entry("stddev_over_time", Body::Samples(over_time::stddev)),
    entry("stdvar_over_time", Body::Samples(over_time::stdvar)),
    entry("sum_over_time", Body::Samples(over_time::sum)),
    entry("tan", Body::Value(f64::tan)),
    entry("tanh", Body::Value(f64::tanh)),
    entry("time", Body::Evaluation(scalars::time)),
    entry("timestamp", Body::Evaluation(scalars::timestamp)),
    entry("vector", Body::Evaluation(scalars::vector)),
    entry("year", Body::Date(|date| date.year as f64)),
];

/// The names of all functions, in order.
pub fn function_names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|function| function.name)
}

/// A function by name.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.binary_search_by(|function| function.name.cmp(name)).ok().map(|at| &FUNCTIONS[at])
}

/// Evaluates a call.
pub(crate) fn call(
    evaluator: &mut Evaluator<'_>,
    function: &'static Function,
    args: &[Node],
    grid: &Grid,
) -> Result<Computed, QueryError> {
    match &function.body {
        Body::ValueWith(apply) => value_with(evaluator, *apply, args, grid),
        Body::Date(part) => dates(evaluator, *part, args, grid),
        Body::Evaluation(evaluate) => evaluate(evaluator, args, grid),
        _ => {
            let mut rows = Vec::new();
            each_row(evaluator, function, args, grid, &mut |row| {
                rows.push(row);
                Ok(())
            })?;
            Ok(Computed::Rows(rows))
        }
    }
}

/// Evaluates a call of which each row is made of one row, or of one series.
pub(crate) fn each_row(
    evaluator: &mut Evaluator<'_>,
    function: &'static Function,
    args: &[Node],
    grid: &Grid,
    sink: &mut Sink<'_>,
) -> Result<(), QueryError> {
    match &function.body {
        Body::Value(apply) => evaluator.each_row(argument(args, 0)?, grid, &mut |mut row| {
            row.map(apply);
            sink(row)
        }),
        Body::Samples(apply) => samples(evaluator, (*apply, Kept::Values), args, grid, sink),
        Body::SamplesNamed(apply) => samples(evaluator, (*apply, Kept::Names), args, grid, sink),
        Body::Counter(apply) => samples(evaluator, (*apply, Kept::Counters), args, grid, sink),
        Body::Quantile(apply) => samples(evaluator, (*apply, Kept::Quantiles), args, grid, sink),
        Body::Nothing => Ok(()),
        Body::ValueWith(_) | Body::Date(_) | Body::Evaluation(_) => {
            match call(evaluator, function, args, grid)? {
                Computed::Rows(rows) => rows.into_iter().try_for_each(sink),
                Computed::Scalars(_) => Err(QueryError::bad("expected type instant vector, got scalar")),
            }
        }
    }
}

fn argument(args: &[Node], at: usize) -> Result<&Node, QueryError> {
    args.get(at).ok_or_else(|| QueryError::bad(format!("argument {} of the call is missing", at + 1)))
}

fn text(args: &[Node], at: usize) -> Result<&str, QueryError> {
    match argument(args, at)? {
        Node::Text(text) => Ok(text),
        _ => Err(QueryError::bad(format!("argument {} of the call has to be a string", at + 1))),
    }
}

fn value_with(
    evaluator: &mut Evaluator<'_>,
    apply: fn(f64, &[f64]) -> f64,
    args: &[Node],
    grid: &Grid,
) -> Result<Computed, QueryError> {
    let mut rows = evaluator.rows(argument(args, 0)?, grid)?;
    let scalars: Vec<Vec<f64>> =
        args.iter().skip(1).map(|arg| evaluator.scalars(arg, grid)).collect::<Result<_, _>>()?;
    let by_step: Vec<Vec<f64>> =
        (0..grid.count).map(|step| scalars.iter().map(|values| values[step]).collect()).collect();
    for row in &mut rows {
        row.drops_name = true;
        let live = row.values.iter_mut().zip(&by_step).filter(|(value, _)| !crate::eval::is_absent(**value));
        live.for_each(|(value, arguments)| *value = apply(*value, arguments));
    }
    rows.retain(|row| !row.is_empty());
    Ok(Computed::Rows(rows))
}

fn dates(
    evaluator: &mut Evaluator<'_>,
    part: fn(&Civil) -> f64,
    args: &[Node],
    grid: &Grid,
) -> Result<Computed, QueryError> {
    let mut rows = match args.first() {
        Some(arg) => evaluator.rows(arg, grid)?,
        None => {
            let seconds = grid.times().map(|time| time as f64 / 1000.0).collect();
            vec![Row::new(LabelSet::empty(), seconds)]
        }
    };
    let date = |value: f64| Civil::of(value).map_or(f64::NAN, |date| part(&date));
    rows.iter_mut().for_each(|row| row.map(date));
    Ok(Computed::Rows(rows))
}

/// What is left of a series when a function has been over its samples.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    Values,
    Names,
    Counters,
    Quantiles,
}

fn samples(
    evaluator: &mut Evaluator<'_>,
    (apply, kept): (Apply, Kept),
    args: &[Node],
    grid: &Grid,
    sink: &mut Sink<'_>,
) -> Result<(), QueryError> {
    let is_range = |node: &&Node| matches!(node, Node::Range { .. } | Node::Subquery(_));
    let range = args.iter().find(is_range).ok_or_else(|| QueryError::bad("a range vector is missing"))?;
    let arguments = match args.iter().find(|node| !is_range(node)) {
        Some(scalar) => evaluator.scalars(scalar, grid)?,
        None => Vec::new(),
    };
    if kept == Kept::Quantiles {
        evaluator.check_quantiles(&arguments);
    }
    let mut names = counters::Names::default();
    evaluator.each_window(range, grid, (apply, &arguments), &mut |mut row| {
        row.drops_name |= kept != Kept::Names;
        if kept == Kept::Counters {
            names.see(&row.labels);
        }
        sink(row)
    })?;
    names.tell(evaluator);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_found_by_its_name() {
        assert!(FUNCTIONS.is_sorted_by(|a, b| a.name < b.name));
        assert!(
            FUNCTIONS.iter().all(|function| find(function.name).is_some_and(|it| it.name == function.name))
        );
        assert!(find("limitk").is_none());
    }
}
