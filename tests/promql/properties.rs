//! Properties of the evaluator over generated series: rewrites that must not change an answer.

use proptest::prelude::*;
use shoal_query::{
    Element, LabelSet, Options, Range, Sample, Series, Value, evaluate_instant, evaluate_range,
};

use crate::memory::Memory;

const EXPRESSIONS: &[&str] = &[
    "m",
    "m offset 2m",
    "sum by (a) (m)",
    "avg without (b) (m)",
    "topk(2, m)",
    "quantile(0.3, m)",
    "count_values(\"v\", m)",
    "rate(m[4m])",
    "stddev_over_time(m[3m])",
    "max_over_time(sum(m)[5m:1m])",
    "m > 3 or m * 2",
    "m / ignoring(b) group_left sum without (b) (m)",
    "m unless m{a=\"x\"}",
    "absent(m{a=\"x\"})",
    "label_replace(rate(m[4m]), \"c\", \"$1\", \"a\", \"(.*)\")",
    "deriv(m[5m]) + on(a, b) timestamp(m)",
];

fn memory() -> impl Strategy<Value = Memory> {
    let value = prop_oneof![8 => -5.0..20.0_f64, 1 => Just(f64::NAN), 1 => Just(shoal_model::stale())];
    let samples = prop::collection::btree_map(0..1_800_000_i64, value, 0..40);
    let series = prop::collection::btree_map(("[xyz]", "[1-4]"), samples, 0..6);
    series.prop_map(|series| {
        let mut memory = Memory::default();
        for ((a, b), samples) in series {
            let labels = LabelSet::new([("__name__", "m"), ("a", a.as_str()), ("b", b.as_str())]);
            memory.add(labels, samples.into_iter().map(|(t_ms, v)| Sample { t_ms, v }));
        }
        memory
    })
}

fn instants(memory: &Memory, expr: &str, at_ms: i64) -> Vec<(LabelSet, u64)> {
    let answer = evaluate_instant(memory, expr, at_ms, Options::default()).expect("an answer");
    let Value::Vector(elements) = answer.value else { panic!("{expr} is no vector") };
    let mut pairs: Vec<_> =
        elements.into_iter().map(|Element { labels, sample }| (labels, bits(sample.v))).collect();
    pairs.sort();
    pairs
}

/// The sign of a NaN is not shown.
fn bits(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }
}

fn ranges(memory: &Memory, expr: &str, range: Range) -> Vec<Series> {
    let answer = evaluate_range(memory, expr, range, Options::default()).expect("an answer");
    let Value::Matrix(series) = answer.value else { panic!("{expr} is no matrix") };
    series
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_range_is_its_instants(memory in memory(), start_ms in 0..600_000_i64, step_ms in 1_000..300_000_i64) {
        let range = Range { start_ms, end_ms: start_ms + 9 * step_ms, step_ms };
        for expr in EXPRESSIONS {
            let series = ranges(&memory, expr, range);
            for t_ms in (0..10).map(|step| start_ms + step * step_ms) {
                let at = |one: &Series| {
                    let sample = one.samples.iter().find(|sample| sample.t_ms == t_ms)?;
                    Some((one.labels.clone(), bits(sample.v)))
                };
                let ranged: Vec<_> = series.iter().filter_map(at).collect();
                prop_assert_eq!(ranged, instants(&memory, expr, t_ms), "{} at {}", expr, t_ms);
            }
        }
    }

    #[test]
    fn rewrites_change_nothing(memory in memory(), at_ms in 0..1_800_000_i64) {
        let pairs = [
            ("m", "m and m"),
            ("m", "m unless m{a=\"none\"}"),
            ("m", "m or m"),
            ("m", "topk(100, m)"),
            ("-m", "m * -1"),
            ("sort(m)", "sort_desc(m)"),
            ("max(m)", "-min(-m)"),
            ("count(m)", "sum(group by (a, b) (m))"),
            ("sum_over_time(m[5m])", "sum_over_time(m[300s])"),
            ("sum without (a, b) (m)", "sum(m)"),
        ];
        for (left, right) in pairs {
            prop_assert_eq!(instants(&memory, left, at_ms), instants(&memory, right, at_ms), "{}", left);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn threads_change_nothing(values in prop::collection::vec(-1e9..1e9_f64, 600..700), at_ms in 0..300_000_i64) {
        let mut memory = Memory::default();
        for (number, value) in values.iter().enumerate() {
            let (a, b) = (format!("{}", number % 7), format!("{number}"));
            let labels = LabelSet::new([("__name__", "m"), ("a", &a), ("b", &b)]);
            let samples = [(0, *value), (60_000, value / 3.0), (120_000, value * 7.1)];
            memory.add(labels, samples.map(|(t_ms, v)| Sample { t_ms, v }));
        }
        let alone = Options::default();
        for threads in [2, 3, 16] {
            let many = Options { threads: std::num::NonZero::new(threads), ..alone };
            for expr in EXPRESSIONS {
                let answers = [alone, many].map(|options| evaluate_instant(&memory, expr, at_ms, options));
                prop_assert_eq!(format!("{:?}", &answers[0]), format!("{:?}", &answers[1]), "{}", expr);
            }
        }
    }
}
