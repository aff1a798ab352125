//! `sort` and its kin: the order of an instant vector. A range query's answer is ordered by labels whatever
//! these say, so there they do nothing and tell so.

use std::cmp::Ordering;

use super::{argument, text};
use crate::error::QueryError;
use crate::eval::{Computed, Evaluator, Grid, Row};
use crate::plan::Node;

pub(super) fn ascending(
    evaluator: &mut Evaluator<'_>,
    args: &[Node],
    grid: &Grid,
) -> Result<Computed, QueryError> {
    sorted(evaluator, args, grid, |a, b| by_value(a, b, |a, b| a.partial_cmp(&b)))
}

pub(super) fn descending(
    evaluator: &mut Evaluator<'_>,
    args: &[Node],
    grid: &Grid,
) -> Result<Computed, QueryError> {
    sorted(evaluator, args, grid, |a, b| by_value(a, b, |a, b| b.partial_cmp(&a)))
}

pub(super) fn by_label(
    evaluator: &mut Evaluator<'_>,
    args: &[Node],
    grid: &Grid,
) -> Result<Computed, QueryError> {
    let names = label_names(args)?;
    sorted(evaluator, args, grid, |a, b| by_labels(a, b, &names))
}

pub(super) fn by_label_desc(
    evaluator: &mut Evaluator<'_>,
    args: &[Node],
    grid: &Grid,
) -> Result<Computed, QueryError> {
    let names = label_names(args)?;
    sorted(evaluator, args, grid, |a, b| by_labels(b, a, &names))
}

fn label_names(args: &[Node]) -> Result<Vec<&str>, QueryError> {
    (1..args.len()).map(|at| text(args, at)).collect()
}

fn sorted(
    evaluator: &mut Evaluator<'_>,
    args: &[Node],
    grid: &Grid,
    order: impl Fn(&Row, &Row) -> Ordering,
) -> Result<Computed, QueryError> {
    let mut rows = evaluator.rows(argument(args, 0)?, grid)?;
    if evaluator.is_range {
        evaluator.warn("sort is ineffective for range queries since results are always ordered by labels");
    } else if grid.count == 1 {
        rows.sort_by(order);
    }
    Ok(Computed::Rows(rows))
}

/// NaN last, whichever way.
fn by_value(a: &Row, b: &Row, order: fn(f64, f64) -> Option<Ordering>) -> Ordering {
    let (a, b) = (a.values[0], b.values[0]);
    order(a, b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

fn by_labels(a: &Row, b: &Row, names: &[&str]) -> Ordering {
    let pairs = names.iter().map(|name| natural(a.labels.value(name), b.labels.value(name)));
    pairs.fold(Ordering::Equal, Ordering::then).then_with(|| a.labels.cmp(&b.labels))
}

/// The order in which people put `node2` before `node10`.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    while !a.is_empty() && !b.is_empty() {
        let (a_part, a_rest) = first_part(a);
        let (b_part, b_rest) = first_part(b);
        let order = match (is_number(a_part), is_number(b_part)) {
            (true, true) => by_number(a_part, b_part),
            _ => a_part.cmp(b_part),
        };
        if order.is_ne() {
            return order;
        }
        (a, b) = (a_rest, b_rest);
    }
    a.len().cmp(&b.len())
}

/// A run of digits, or of anything else, and what follows.
fn first_part(text: &str) -> (&str, &str) {
    let is_digit = is_number(text);
    let end = text.find(|c: char| c.is_ascii_digit() != is_digit).unwrap_or(text.len());
    text.split_at(end)
}

fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// Numbers of any length: without leading zeros the longer is the greater.
fn by_number(a: &str, b: &str) -> Ordering {
    let (short_a, short_b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    short_a.len().cmp(&short_b.len()).then_with(|| short_a.cmp(short_b)).then_with(|| a.len().cmp(&b.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let mut names = ["node10", "node2", "node", "node02", "10", "9", "b"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["9", "10", "b", "node", "node2", "node02", "node10"]);
    }
}
