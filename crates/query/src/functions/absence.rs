//! `absent` and `absent_over_time`: one element where there is none, labelled as its selector says for certain.

use std::collections::BTreeMap;

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

/// The labels that an absent series would have had: those its selector asks for by `=`, once each.
fn certain_labels(arg: &Node) -> LabelSet {
    let matchers: &[Matcher] = match arg {
        Node::Selector(selector) | Node::Range { selector, .. } => &selector.matchers,
        _ => &[],
    };
    let mut certain: BTreeMap<&str, Option<&str>> = BTreeMap::new();
    for matcher in matchers.iter().filter(|matcher| matcher.name() != METRIC_NAME) {
        if matcher.op() == MatcherOp::Equal && !certain.contains_key(matcher.name()) {
            certain.insert(matcher.name(), Some(matcher.value()));
        } else if let Some(value) = certain.get_mut(matcher.name()) {
            // Asked for in two ways: whichever it would have been is unknown.
            *value = None;
        }
    }
    LabelSet::new(certain.into_iter().filter_map(|(name, value)| Some((name, value?))))
}
