//! `and`, `or` and `unless`: elements are kept or left out by what the other side has at the same step.

use super::matching::Matched;
use super::{ABSENT, Row, merge_rows};
use crate::error::QueryError;
use crate::plan::{Matching, SetOp};

/// Evaluates a set operator.
pub(crate) fn combine(
    op: SetOp,
    matching: &Matching,
    left: Vec<Row>,
    right: Vec<Row>,
) -> Result<Vec<Row>, QueryError> {
    match op {
        SetOp::And => Ok(kept(left, &right, matching, true)),
        SetOp::Unless => Ok(kept(left, &right, matching, false)),
        SetOp::Or => {
            let added = kept(right, &left, matching, false);
            let mut all = left;
            all.extend(added);
            merge_rows(all)
        }
    }
}

/// The values at whose step the other side has, or has not, an element that matches.
fn kept(rows: Vec<Row>, other: &[Row], matching: &Matching, wanted: bool) -> Vec<Row> {
    let other = Matched::new(other, matching);
    let keep = |mut row: Row| {
        let counterparts = other.rows_of(&matching.signature(&row.labels));
        for (step, value) in row.values.iter_mut().enumerate() {
            if counterparts.iter().any(|other| other.at(step).is_some()) != wanted {
                *value = ABSENT;
            }
        }
        (!row.is_empty()).then_some(row)
    };
    rows.into_iter().filter_map(keep).collect()
}
