//! The evaluator: each part of a plan is evaluated over all steps of a grid at once, and gives rows of values.
//! A query is evaluated in one fixed order, so that its answer is the same to the bit on every node.

mod aggregate;
mod binary;
mod fold;
mod grid;
mod matching;
mod rank;
mod reading;
mod row;
mod selectors;
mod setops;
mod windows;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::engine::{Options, Stop};
use crate::error::QueryError;
use crate::functions;
use crate::plan::Node;
use crate::source::{Selection, SeriesSource};
use crate::value::{Answer, Value};

pub(crate) use grid::Grid;
pub(crate) use reading::Sink;
pub(crate) use row::{ABSENT, Row, is_absent, merge_rows};
pub(crate) use windows::{Apply, Window};

/// What a part of a plan gives: a number a step, or rows.
#[derive(Debug)]
pub(crate) enum Computed {
    Scalars(Vec<f64>),
    Rows(Vec<Row>),
}

/// One query under evaluation.
pub(crate) struct Evaluator<'a> {
    source: &'a dyn SeriesSource,
    options: Options<'a>,
    /// Whether this is a range query, in which order means nothing.
    pub(crate) is_range: bool,
    samples: usize,
    /// Matchers that the query has in several places, and what was read for them.
    repeated: BTreeSet<String>,
    held: BTreeMap<String, Arc<dyn Selection + 'a>>,
    warnings: BTreeSet<String>,
    infos: BTreeSet<String>,
}

impl<'a> Evaluator<'a> {
    pub(crate) fn new(
        source: &'a dyn SeriesSource,
        options: Options<'a>,
        plan: &Node,
        is_range: bool,
    ) -> Self {
        Self {
            source,
            options,
            is_range,
            samples: 0,
            repeated: plan.repeated_selectors(),
            held: BTreeMap::new(),
            warnings: BTreeSet::new(),
            infos: BTreeSet::new(),
        }
    }

    /// The answer, with what was noted on the way.
    pub(crate) fn finish(self, value: Value) -> Answer {
        Answer { value, warnings: self.warnings, infos: self.infos }
    }

    /// Evaluates a part at every step. Rows without any value are left out.
    pub(crate) fn eval(&mut self, node: &Node, grid: &Grid) -> Result<Computed, QueryError> {
        self.check_stop()?;
        match node {
            Node::Number(value) => Ok(Computed::Scalars(vec![*value; grid.count])),
            Node::Selector(_) => self.gathered(node, grid),
            Node::Negate(inner) => self.negate(inner, grid),
            Node::Binary(binary) => self.binary(binary, grid),
            Node::Aggregate(aggregate) => Ok(Computed::Rows(self.aggregate(aggregate, grid)?)),
            Node::Call { function, .. } if function.is_row_by_row() => self.gathered(node, grid),
            Node::Call { function, args } => functions::call(self, function, args, grid),
            Node::Text(_) => Err(QueryError::bad("a string is not allowed here")),
            Node::Range { .. } | Node::Subquery(_) => {
                Err(QueryError::bad("a range vector is not allowed here"))
            }
        }
    }

    /// Evaluates a part that has to be an instant vector, and hands its rows on one by one: whoever only folds
    /// them never holds them all.
    pub(crate) fn each_row(
        &mut self,
        node: &Node,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        match node {
            Node::Selector(selector) => self.each_last_value(selector, grid, sink),
            Node::Call { function, args } if function.is_row_by_row() => {
                functions::each_row(self, function, args, grid, sink)
            }
            _ => self.rows(node, grid)?.into_iter().try_for_each(sink),
        }
    }

    fn gathered(&mut self, node: &Node, grid: &Grid) -> Result<Computed, QueryError> {
        let (mut rows, mut left) = (Vec::new(), self.left());
        self.each_row(node, grid, &mut |row| {
            left = left.checked_sub(grid.count).ok_or_else(too_many_samples)?;
            rows.push(row);
            Ok(())
        })?;
        self.charge(rows.len().saturating_mul(grid.count))?;
        Ok(Computed::Rows(rows))
    }

    /// Evaluates a part that has to be an instant vector.
    pub(crate) fn rows(&mut self, node: &Node, grid: &Grid) -> Result<Vec<Row>, QueryError> {
        match self.eval(node, grid)? {
            Computed::Rows(rows) => Ok(rows),
            Computed::Scalars(_) => Err(QueryError::bad("expected type instant vector, got scalar")),
        }
    }

    /// Evaluates a part that has to be a scalar.
    pub(crate) fn scalars(&mut self, node: &Node, grid: &Grid) -> Result<Vec<f64>, QueryError> {
        match self.eval(node, grid)? {
            Computed::Scalars(values) => Ok(values),
            Computed::Rows(_) => Err(QueryError::bad("expected type scalar, got instant vector")),
        }
    }

    fn negate(&mut self, inner: &Node, grid: &Grid) -> Result<Computed, QueryError> {
        match self.eval(inner, grid)? {
            Computed::Scalars(mut values) => {
                values.iter_mut().for_each(|value| *value = -*value);
                Ok(Computed::Scalars(values))
            }
            Computed::Rows(mut rows) => {
                rows.iter_mut().for_each(|row| row.map(|value| -value));
                Ok(Computed::Rows(rows))
            }
        }
    }

    /// Counts samples read or made against the limit.
    pub(crate) fn charge(&mut self, samples: usize) -> Result<(), QueryError> {
        self.samples = self.samples.saturating_add(samples);
        if self.samples > self.options.samples_max { Err(too_many_samples()) } else { Ok(()) }
    }

    /// How many more samples may be read or made.
    fn left(&self) -> usize {
        self.options.samples_max.saturating_sub(self.samples)
    }

    /// Whether to go on.
    pub(crate) fn check_stop(&self) -> Result<(), QueryError> {
        match (self.options.stop)() {
            None => Ok(()),
            Some(Stop::Timeout) => Err(QueryError::Timeout),
            Some(Stop::Canceled) => Err(QueryError::Canceled),
        }
    }

    pub(crate) fn warn(&mut self, text: impl AsRef<str>) {
        self.warnings.insert(format!("PromQL warning: {}", text.as_ref()));
    }

    pub(crate) fn inform(&mut self, text: impl AsRef<str>) {
        self.infos.insert(format!("PromQL info: {}", text.as_ref()));
    }

    /// Notes a quantile that is none.
    pub(crate) fn check_quantiles(&mut self, quantiles: &[f64]) {
        for quantile in quantiles.iter().filter(|quantile| !(0.0..=1.0).contains(*quantile)) {
            let shown = crate::value::format_value(*quantile);
            self.warn(format!("quantile value should be between 0 and 1, got {shown}"));
        }
    }
}

fn too_many_samples() -> QueryError {
    QueryError::execution("query processing would load too many samples into memory in query execution")
}
