//! Directed cases at the edges of the range and of rounding, and properties against 128-bit integers.

use super::*;
use proptest::prelude::*;

fn sum(values: &[f64]) -> ExactSum {
    let mut sum = ExactSum::new();
    sum.extend(values.iter().copied());
    sum
}

fn check(values: &[f64], expected: f64) {
    let value = sum(values).value();
    assert_eq!(value.to_bits(), expected.to_bits(), "{values:?}: {value} instead of {expected}");
    let negated: Vec<f64> = values.iter().map(|value| -value).collect();
    if expected != 0.0 && !expected.is_nan() {
        assert_eq!(sum(&negated).value().to_bits(), (-expected).to_bits(), "negated {values:?}");
    }
}

const TINY: f64 = f64::from_bits(1);
const TWO_53: f64 = 9_007_199_254_740_992.0;

#[test]
fn what_naive_addition_loses_is_kept() {
    check(&[1e16, 1.0, -1e16], 1.0);
    check(&[1e308, 1e308, -1e308], 1e308);
    check(&[f64::MAX, f64::MAX, TINY, -f64::MAX, -f64::MAX], TINY);
    check(&[0.1; 10], 1.0);
    check(&[1e100, 1.0, -1e100, -1.0], 0.0);
}

#[test]
fn ties_round_to_even_and_the_least_bit_breaks_them() {
    check(&[TWO_53, 1.0], TWO_53);
    check(&[TWO_53, 1.0, TINY], TWO_53 + 2.0);
    check(&[TWO_53, 1.0, -TINY], TWO_53);
    check(&[TWO_53, 3.0], TWO_53 + 4.0);
    check(&[TWO_53 + 2.0, 1.0, -TINY], TWO_53 + 2.0);
}

#[test]
fn the_ends_of_the_range_hold() {
    check(&[], 0.0);
    check(&[-0.0], 0.0);
    check(&[TINY], TINY);
    check(&[f64::MIN_POSITIVE, -TINY], f64::MIN_POSITIVE - TINY);
    check(&[f64::MIN_POSITIVE; 3], 3.0 * f64::MIN_POSITIVE);
    check(&[f64::MAX], f64::MAX);
    check(&[f64::MAX, f64::MAX], f64::INFINITY);
    let half_step = 2f64.powi(970);
    check(&[f64::MAX, half_step], f64::INFINITY);
    check(&[f64::MAX, half_step, -TINY], f64::MAX);
}

#[test]
fn infinities_and_nans_are_counted_and_can_leave() {
    check(&[1.0, f64::INFINITY], f64::INFINITY);
    check(&[f64::INFINITY, f64::NEG_INFINITY], f64::NAN);
    check(&[f64::from_bits(0xfff8_0000_0000_0007), 1.0], f64::NAN);
    let mut leaving = sum(&[f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 2.5]);
    leaving.subtract(f64::NAN);
    leaving.subtract(f64::INFINITY);
    assert_eq!(leaving.value(), f64::NEG_INFINITY);
    leaving.subtract(f64::NEG_INFINITY);
    assert_eq!(leaving.value(), 2.5);
}

#[test]
fn many_additions_do_not_overflow_a_chunk() {
    let mut sum = ExactSum::new();
    for _ in 0..1_000_000 {
        sum.add(-f64::MAX);
        sum.add(-1.5);
    }
    assert_eq!(sum.value(), f64::NEG_INFINITY);
    for _ in 0..1_000_000 {
        sum.subtract(-f64::MAX);
    }
    assert_eq!(sum.value(), -1_500_000.0);
}

#[test]
fn carrying_again_and_again_changes_nothing() {
    let mut negative = sum(&[-1.0]);
    for _ in 0..1_000 {
        negative.carry();
    }
    assert_eq!(negative.value(), -1.0);
}

fn finite() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |value| value.is_finite()),
        (-1_000_000i64..1_000_000).prop_map(|value| value as f64 / 64.0),
        prop::sample::select(vec![TINY, f64::MIN_POSITIVE, f64::MAX, 1.0, TWO_53]),
    ]
}

proptest! {
    #[test]
    fn it_agrees_with_wide_integers(
        terms in prop::collection::vec((any::<i64>(), 0..55u32), 0..40),
        scale in 0..900i32,
    ) {
        // Every term is an integer of at most 119 bits that is exact as f64, so 40 of them fit into i128.
        let terms: Vec<i128> = terms.into_iter().map(|(n, shift)| i128::from(n >> 11) << shift).collect();
        let unit = 2f64.powi(-scale);
        let values: Vec<f64> = terms.iter().map(|term| *term as f64 * unit).collect();
        let expected = terms.iter().sum::<i128>() as f64 * unit;
        prop_assert_eq!(sum(&values).value(), expected);
    }

    #[test]
    fn two_terms_add_as_the_processor_adds_them(a in finite(), b in finite()) {
        prop_assert_eq!(sum(&[a, b]).value(), a + b);
    }

    #[test]
    fn order_and_grouping_do_not_show(values in prop::collection::vec(any::<f64>(), 0..30), cut in 0..30usize) {
        let all = sum(&values).value().to_bits();
        let mut backward = values.clone();
        backward.reverse();
        prop_assert_eq!(sum(&backward).value().to_bits(), all);
        let (left, right) = values.split_at(cut.min(values.len()));
        let mut merged = sum(right);
        merged.merge(&sum(left));
        prop_assert_eq!(merged.value().to_bits(), all);
    }

    #[test]
    fn what_is_taken_out_leaves_no_trace(
        kept in prop::collection::vec(any::<f64>(), 0..10),
        gone in prop::collection::vec(any::<f64>(), 0..10),
    ) {
        let mut both = sum(&gone);
        both.extend(kept.iter().copied());
        gone.iter().for_each(|value| both.subtract(*value));
        prop_assert_eq!(both.value().to_bits(), sum(&kept).value().to_bits());
    }
}
