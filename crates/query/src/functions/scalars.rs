//! Functions between scalars, vectors and time.

use super::argument;
use crate::error::QueryError;
use crate::eval::{Computed, Evaluator, Grid, Row};
use crate::labels::LabelSet;
use crate::plan::Node;

pub(super) fn pi(_: &mut Evaluator<'_>, _: &[Node], grid: &Grid) -> Result<Computed, QueryError> {
    Ok(Computed::Scalars(vec![std::f64::consts::PI; grid.count]))
}

pub(super) fn time(_: &mut Evaluator<'_>, _: &[Node], grid: &Grid) -> Result<Computed, QueryError> {
    Ok(Computed::Scalars(grid.times().map(seconds).collect()))
}

pub(super) fn vector(
    evaluator: &mut Evaluator<'_>,
    args: &[Node],
    grid: &Grid,
) -> Result<Computed, QueryError> {
    let values = evaluator.scalars(argument(args, 0)?, grid)?;
    Ok(Computed::Rows(vec![Row::new(LabelSet::empty(), values)]))
}

/// The value of the only element; NaN where there is none or several.
pub(super) fn scalar(
    evaluator: &mut Evaluator<'_>,
    args: &[Node],
    grid: &Grid,
) -> Result<Computed, QueryError> {
    let rows = evaluator.rows(argument(args, 0)?, grid)?;
    let only = |step: usize| {
        let mut live = rows.iter().filter_map(|row| row.at(step));
        live.next().filter(|_| live.next().is_none()).unwrap_or(f64::NAN)
    };
    Ok(Computed::Scalars((0..grid.count).map(only).collect()))
}

/// Of a selector when its samples were taken, of all else the evaluation time.
pub(super) fn timestamp(
    evaluator: &mut Evaluator<'_>,
    args: &[Node],
    grid: &Grid,
) -> Result<Computed, QueryError> {
    let mut rows = match argument(args, 0)? {
        Node::Selector(selector) => {
            let mut rows = Vec::new();
            evaluator.each_last_time(selector, grid, &mut |row| {
                rows.push(row);
                Ok(())
            })?;
            rows
        }
        other => {
            let mut rows = evaluator.rows(other, grid)?;
            for row in &mut rows {
                let live = row.values.iter_mut().zip(grid.times());
                live.filter(|(value, _)| !crate::eval::is_absent(**value))
                    .for_each(|(value, time)| *value = seconds(time));
            }
            rows
        }
    };
    rows.iter_mut().for_each(|row| row.drops_name = true);
    Ok(Computed::Rows(rows))
}

fn seconds(time_ms: i64) -> f64 {
    time_ms as f64 / 1000.0
}
