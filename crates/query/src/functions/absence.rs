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
    let mut values = vec![1.0; grid.count];
    evaluator.each_row(arg, grid, &mut |row| blank(&mut values, &row))?;
    Ok(labelled(arg, values))
}

pub(super) fn absent_over_time(
    evaluator: &mut Evaluator<'_>,
    args: &[Node],
    grid: &Grid,
) -> Result<Computed, QueryError> {
    let arg = argument(args, 0)?;
    let mut values = vec![1.0; grid.count];
    evaluator.each_window(arg, grid, (|_| Some(1.0), &[]), &mut |row| blank(&mut values, &row))?;
    Ok(labelled(arg, values))
}

/// There is nothing absent where a row has a value.
fn blank(values: &mut [f64], row: &Row) -> Result<(), QueryError> {
    let present = values.iter_mut().zip(&row.values).filter(|(_, other)| !is_absent(**other));
    present.for_each(|(value, _)| *value = ABSENT);
    Ok(())
}

fn labelled(arg: &Node, values: Vec<f64>) -> Computed {
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
