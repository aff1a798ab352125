//! PromQL over the cluster's series. `promql-parser` reads the text; what it means is decided here, against
//! Prometheus' own rules.
//!
//! - [`selector`]: a vector selector as matchers, a series as labels
//!
//! It never imports the store, knows no writers or kinds, does no I/O and reads no clock.

pub mod selector;

pub use selector::{SelectorError, parse_selector, parse_series};
