//! `absent` and `absent_over_time`: one element where there is none, labelled as its selector says for certain.

use shoal_model::labels::METRIC_NAME;
use shoal_model::{Matcher, MatcherOp};

use super::argument;
use crate::error::QueryError;
use crate::eval::{ABSENT, Computed, Evaluator, Grid, Row, is_absent};
use crate::labels::LabelSet;
use crate::plan::Node;

pub(super) fn absent(
    evaluator: &mut Evaluator<'_>,
    args: &[Node],
    grid: &Grid,
) -> Result<Computed, QueryError> {
    let arg = argument(args, 0)?;
    let rows = evaluator.rows(arg, grid)?;
    Ok(inverted(arg, rows.iter().map(|row| row.values.as_slice()), grid))
}

pub(super) fn absent_over_time(
    evaluator: &mut Evaluator<'_>,
    args: &[Node],
    grid: &Grid,
) -> Result<Computed, QueryError> {
    let arg = argument(args, 0)?;
    let windows = evaluator.windows(arg, grid)?;
    let present = |samples| windows.values(samples, grid, &[], |_| Some(1.0));
    let values: Vec<_> = windows.series.iter().map(|one| present(&one.series.samples)).collect();
    Ok(inverted(arg, values.iter().map(Vec::as_slice), grid))
}

fn inverted<'r>(arg: &Node, rows: impl Iterator<Item = &'r [f64]>, grid: &Grid) -> Computed {
    let mut values = vec![1.0; grid.count];
    for row in rows {
        for (value, other) in values.iter_mut().zip(row) {
            if !is_absent(*other) {
                *value = ABSENT;
            }
        }
    }
    let row = Row::new(certain_labels(arg), values);
    Computed::Rows(if row.is_empty() { Vec::new() } else { vec![row] })
}

/// The labels that all series of a selector share: those it asks for by `=`, once.
fn certain_labels(arg: &Node) -> LabelSet {
    let matchers: &[Matcher] = match arg {
        Node::Selector(selector) | Node::Range { selector, .. } => &selector.matchers,
        _ => &[],
    };
    let is_certain = |matcher: &&Matcher| {
        let same = matchers.iter().filter(|other| other.name() == matcher.name()).count();
        matcher.op() == MatcherOp::Equal && matcher.name() != METRIC_NAME && same == 1
    };
    LabelSet::new(matchers.iter().filter(is_certain).map(|matcher| (matcher.name(), matcher.value())))
}
