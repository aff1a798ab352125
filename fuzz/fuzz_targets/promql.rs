//! The parameters of the Prometheus API that are PromQL: expressions and selectors.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(expr) = shoal_query::parse(text) {
        let _ = shoal_query::selectors_of(&expr);
    }
    let _ = shoal_query::parse_selector(text);
    if let Ok(labels) = shoal_query::parse_series(text) {
        assert_eq!(shoal_query::parse_series(&labels.to_string()), Ok(labels));
    }
});
