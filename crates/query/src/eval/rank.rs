//! `topk` and `bottomk`: of each group the elements with the greatest or least values at each step; NaN is
//! taken last by both, and of equal values the one whose labels come first.

use std::cmp::Ordering;

use super::aggregate::Members;
use super::{ABSENT, Row};
use crate::error::QueryError;
use crate::value::format_value;

/// Which end is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Top,
    Bottom,
}

impl End {
    /// Whom to take first.
    pub(crate) fn order(self, a: f64, b: f64) -> Ordering {
        a.partial_cmp(&b).map_or_else(
            || a.is_nan().cmp(&b.is_nan()),
            |order| if self == End::Top { order.reverse() } else { order },
        )
    }
}

/// How many elements are wanted at each step.
pub(crate) fn sizes(params: &[f64]) -> Result<Vec<usize>, QueryError> {
    let size = |param: &f64| {
        if param.is_nan() {
            return Err(QueryError::execution("Parameter value is NaN"));
        }
        if *param >= i64::MAX as f64 {
            return Err(QueryError::execution(format!(
                "Scalar value {} overflows int64",
                format_value(*param)
            )));
        }
        if *param <= i64::MIN as f64 {
            return Err(QueryError::execution(format!(
                "Scalar value {} underflows int64",
                format_value(*param)
            )));
        }
        Ok(param.max(0.0) as usize)
    };
    params.iter().map(size).collect()
}

/// The rows with only the values that are wanted; best first within each group where order can be seen.
pub(crate) fn ranked(
    end: End,
    sizes: &[usize],
    mut rows: Vec<Row>,
    groups: &[Members],
    is_ordered: bool,
) -> Vec<Row> {
    let mut order = Vec::new();
    for group in groups {
        for (step, size) in sizes.iter().enumerate() {
            let live = group.numbers.iter().filter_map(|number| Some((*number, rows[*number].at(step)?)));
            let mut live: Vec<(usize, f64)> = live.collect();
            live.sort_by(|a, b| end.order(a.1, b.1));
            for (number, _) in live.iter().skip(*size) {
                rows[*number].values[step] = ABSENT;
            }
            order.extend(live.iter().take(*size).map(|(number, _)| *number));
        }
    }
    if is_ordered {
        let mut rows: Vec<Option<Row>> = rows.into_iter().map(Some).collect();
        return order.into_iter().filter_map(|number| rows[number].take()).collect();
    }
    rows.retain(|row| !row.is_empty());
    rows
}
