//! Which elements of two vectors belong together: a signature of the labels that must agree.

use std::collections::HashMap;

use shoal_model::labels::METRIC_NAME;

use super::{Row, is_absent};
use crate::error::QueryError;
use crate::labels::LabelSet;
use crate::plan::Matching;

impl Matching {
    /// The labels by which an element finds its counterpart.
    pub(crate) fn signature(&self, labels: &LabelSet) -> LabelSet {
        let is_listed = |name: &str| self.labels.iter().any(|label| label == name);
        if self.on {
            labels.filtered(is_listed)
        } else {
            labels.filtered(|name| name != METRIC_NAME && !is_listed(name))
        }
    }
}

/// One side's rows by signature.
pub(crate) struct Matched<'r> {
    rows: &'r [Row],
    /// Row numbers of each signature, in order.
    by_signature: HashMap<LabelSet, Vec<usize>>,
}

impl<'r> Matched<'r> {
    pub(crate) fn new(rows: &'r [Row], matching: &Matching) -> Self {
        let mut by_signature: HashMap<LabelSet, Vec<usize>> = HashMap::new();
        for (number, row) in rows.iter().enumerate() {
            by_signature.entry(matching.signature(&row.labels)).or_default().push(number);
        }
        Self { rows, by_signature }
    }

    /// The rows of a signature, in order.
    pub(crate) fn rows_of(&self, signature: &LabelSet) -> Vec<&'r Row> {
        let numbers = self.by_signature.get(signature).map_or(&[][..], Vec::as_slice);
        numbers.iter().map(|number| &self.rows[*number]).collect()
    }

    /// At no step may two rows have one signature, where both sides have any element at all.
    pub(crate) fn check_unique(&self, side: &str, is_live: &[bool]) -> Result<(), QueryError> {
        let mut crowded: Vec<_> = self.by_signature.iter().filter(|(_, numbers)| numbers.len() > 1).collect();
        crowded.sort_by_key(|(signature, _)| *signature);
        for (signature, numbers) in crowded {
            for step in (0..is_live.len()).filter(|step| is_live[*step]) {
                let mut present =
                    numbers.iter().map(|number| &self.rows[*number]).filter(|row| row.at(step).is_some());
                if let (Some(first), Some(second)) = (present.next(), present.next()) {
                    let (low, high) = (first.labels.clone().min(second.labels.clone()), &first.labels);
                    let high = high.max(&second.labels);
                    return Err(QueryError::execution(format!(
                        "found duplicate series for the match group {signature} on the {side} hand-side of the \
                         operation: [{low}, {high}];many-to-many matching not allowed: matching labels must be \
                         unique on one side"
                    )));
                }
            }
        }
        Ok(())
    }
}

/// At which steps a vector has any element.
pub(crate) fn live_steps(rows: &[Row], count: usize) -> Vec<bool> {
    let mut live = vec![false; count];
    for row in rows {
        for (is_live, value) in live.iter_mut().zip(&row.values) {
            *is_live |= !is_absent(*value);
        }
    }
    live
}
