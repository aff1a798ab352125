//! What a query answers, in Prometheus' four forms, and how Prometheus writes a value as text.

use std::collections::BTreeSet;

use crate::labels::LabelSet;
use crate::source::{Sample, Series};

/// The result of a query.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// One number at the evaluation time.
    Scalar(Sample),
    /// A text at the evaluation time.
    String {
        /// Milliseconds since 1970.
        t_ms: i64,
        /// The text.
        text: String,
    },
    /// One sample of each series, in the order that the expression gives.
    Vector(Vec<Element>),
    /// Samples of each series, sorted by labels.
    Matrix(Vec<Series>),
}

/// One element of an instant vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// Its labels.
    pub labels: LabelSet,
    /// Its value at the evaluation time.
    pub sample: Sample,
}

/// A result with what has to be said about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The result.
    pub value: Value,
    /// Probably not what was meant; Prometheus' words, without a position in the text.
    pub warnings: BTreeSet<String>,
    /// Possibly not what was meant.
    pub infos: BTreeSet<String>,
}

/// A value in decimal digits without an exponent, the shortest that reads back the same: `+Inf`, `-Inf`, `NaN`.
pub fn format_value(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        _ => value.to_string(),
    }
}
