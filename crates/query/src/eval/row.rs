//! A row: one series of a result with a value, or none, at every step. "None" is written as the stale marker,
//! whose bits no arithmetic gives and no selector lets through.

use std::collections::HashMap;

use shoal_model::labels::METRIC_NAME;
use shoal_model::{is_stale, stale};

use super::Grid;
use crate::error::QueryError;
use crate::labels::LabelSet;
use crate::source::{Sample, Series};

/// "No value at this step".
pub(crate) const ABSENT: f64 = f64::from_bits(shoal_model::STALE_BITS);

/// Whether a row has no value here.
pub(crate) fn is_absent(value: f64) -> bool {
    is_stale(value)
}

/// One series over the steps of a grid.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub labels: LabelSet,
    /// The metric name has to go, at the very end: until then it keeps apart what has different names.
    pub drops_name: bool,
    /// A value a step, or [`ABSENT`].
    pub values: Vec<f64>,
}

impl Row {
    pub(crate) fn new(labels: LabelSet, values: Vec<f64>) -> Self {
        Self { labels, drops_name: false, values }
    }

    /// A row without any value.
    pub(crate) fn absent(labels: LabelSet, drops_name: bool, count: usize) -> Self {
        Self { labels, drops_name, values: vec![stale(); count] }
    }

    pub(crate) fn at(&self, step: usize) -> Option<f64> {
        self.values.get(step).copied().filter(|value| !is_absent(*value))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.values.iter().all(|value| is_absent(*value))
    }

    /// Replaces every value there is; what is computed is no longer the metric of that name.
    pub(crate) fn map(&mut self, compute: impl Fn(f64) -> f64) {
        self.drops_name = true;
        for value in self.values.iter_mut().filter(|value| !is_absent(**value)) {
            *value = compute(*value);
        }
    }

    /// The labels as an answer shows them.
    pub(crate) fn shown_labels(&self) -> LabelSet {
        if self.drops_name { self.labels.without_name() } else { self.labels.clone() }
    }

    pub(crate) fn into_series(self, grid: &Grid) -> Series {
        let samples = self.values.iter().zip(grid.times()).filter(|(value, _)| !is_absent(**value));
        Series { samples: samples.map(|(v, t_ms)| Sample { t_ms, v: *v }).collect(), labels: self.labels }
    }
}

/// Makes one row of those with the same labels. Two values at one step are an error.
pub(crate) fn merge_rows(rows: Vec<Row>) -> Result<Vec<Row>, QueryError> {
    let mut places: HashMap<(LabelSet, bool), usize> = HashMap::with_capacity(rows.len());
    let mut merged: Vec<Row> = Vec::with_capacity(rows.len());
    for row in rows {
        let drops_name = row.drops_name && !row.labels.value(METRIC_NAME).is_empty();
        let place = *places.entry((row.labels.clone(), drops_name)).or_insert(merged.len());
        let Some(known) = merged.get_mut(place) else {
            merged.push(row);
            continue;
        };
        for (value, other) in known.values.iter_mut().zip(row.values) {
            match (is_absent(*value), is_absent(other)) {
                (true, _) => *value = other,
                (false, true) => {}
                (false, false) => {
                    let text = "vector cannot contain metrics with the same labelset";
                    return Err(QueryError::execution(text));
                }
            }
        }
    }
    Ok(merged)
}
