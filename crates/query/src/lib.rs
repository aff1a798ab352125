//! PromQL over the cluster's series. `promql-parser` reads the text; what it means is decided here, against
//! Prometheus' own rules.
//!
//! - [`selector`]: a vector selector as matchers, a series as labels
//! - [`source`]: where series come from
//! - [`engine`]: the two questions, a value now and values over a range
//! - [`value`]: what is answered
//! - [`labels`]: the labels of a result
//! - [`error`]: why there is no answer, by Prometheus' error types
//! - `front`: what the parser has to be spared
//! - `plan`: an expression with everything resolved or refused
//! - `eval`: the evaluator, all steps of a part at once
//! - `functions`: the functions of PromQL
//! - `sums`: sums, means and quantiles that keep their digits
//!
//! It never imports the store, knows no writers or kinds, does no I/O and reads no clock.

pub mod engine;
pub mod error;
mod eval;
mod front;
mod functions;
pub mod labels;
mod plan;
pub mod selector;
pub mod source;
mod sums;
pub mod value;

pub use engine::{
    Options, QUERY_BYTES_MAX, Range, Stop, evaluate_instant, evaluate_range, parse, parse_duration_ms,
};
pub use error::QueryError;
pub use functions::function_names;
pub use labels::LabelSet;
pub use promql_parser::parser::Expr;
pub use selector::{SelectorError, parse_selector, parse_series, selectors_of};
pub use source::{Sample, Selection, Series, SeriesSource, SourceError};
pub use value::{Answer, Element, Value, format_value};
