//! Round trips over every class of column, golden bytes, hostile bytes and the sizes that the store counts on.

use proptest::prelude::*;
use shoal_model::point::stale;

use super::{CHUNK_POINTS_MAX, Scratch, decode_times, decode_values, encode_times, encode_values};

fn values_chunk(values: &[f64]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_values(values, &mut Scratch::default(), &mut out);
    out
}

fn times_chunk(times: &[i64]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_times(times, &mut Scratch::default(), &mut out);
    out
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Encodes, decodes and compares to the bit; returns the chunk.
fn check_values(values: &[f64]) -> Vec<u8> {
    let chunk = values_chunk(values);
    let mut out = vec![7.0];
    assert_eq!(decode_values(&chunk, values.len(), &mut out), Ok(()));
    assert_eq!(bits(&out[1..]), bits(values));
    assert!(chunk.len() <= 8 * values.len() + 24, "{} bytes for {} values", chunk.len(), values.len());
    chunk
}

fn check_times(times: &[i64]) -> Vec<u8> {
    let chunk = times_chunk(times);
    let mut out = vec![7];
    assert_eq!(decode_times(&chunk, times.len(), &mut out), Ok(()));
    assert_eq!(out[1..], *times);
    assert!(chunk.len() <= 8 * times.len() + 24, "{} bytes for {} times", chunk.len(), times.len());
    chunk
}

const SPECIAL: [u64; 16] = [
    0,
    1 << 63,
    1,
    1 << 63 | 1,
    0x000f_ffff_ffff_ffff,
    0x7ff0_0000_0000_0000,
    0xfff0_0000_0000_0000,
    0x7ff0_0000_0000_0002,
    0x7ff8_0000_0000_0000,
    0xfff8_0000_0000_dead,
    0x7fff_ffff_ffff_ffff,
    u64::MAX,
    0x7fef_ffff_ffff_ffff,
    0x4340_0000_0000_0000,
    0x4320_0000_0000_0000,
    0x3ff0_0000_0000_0001,
];

fn special() -> impl Strategy<Value = f64> {
    prop::sample::select(SPECIAL.as_slice()).prop_map(f64::from_bits)
}

fn decimal() -> impl Strategy<Value = f64> {
    (-1_000_000_000_i64..1_000_000_000, 0..12_i32).prop_map(|(int, places)| int as f64 / 10_f64.powi(places))
}

/// Each value is of its own class.
fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => decimal(),
        2 => any::<u64>().prop_map(f64::from_bits),
        2 => special(),
        1 => any::<i64>().prop_map(|int| int as f64),
        1 => any::<f32>().prop_map(f64::from),
    ]
}

fn accumulated(steps: Vec<f64>) -> Vec<f64> {
    let sum = |total: &mut f64, step: f64| {
        *total = if step < 0.0 { 0.0 } else { *total + step };
        Some(*total)
    };
    steps.into_iter().scan(1e6, sum).collect()
}

/// All values are of one class, but for a few.
fn column() -> impl Strategy<Value = Vec<f64>> {
    let len = 1..=300_usize;
    let base = prop_oneof![
        prop::collection::vec(any_value(), len.clone()),
        prop::collection::vec(special(), len.clone()),
        prop::collection::vec(decimal(), len.clone()),
        prop::collection::vec(any::<u64>().prop_map(f64::from_bits), len.clone()),
        prop::collection::vec((0..40_u32).prop_map(|int| f64::from(int) * 4096.0 - 81_920.0), len.clone()),
        prop::collection::vec((-2..90_i32).prop_map(f64::from), len.clone()).prop_map(accumulated),
        prop::collection::vec(-0.01..1.0_f64, len.clone()).prop_map(accumulated),
        (any_value(), len).prop_map(|(value, count)| vec![value; count]),
    ];
    let odd = prop::collection::vec((any::<prop::sample::Index>(), any_value()), 0..6);
    (base, odd).prop_map(|(mut column, odd)| {
        for (index, value) in odd {
            let at = index.index(column.len());
            column[at] = value;
        }
        column
    })
}

fn ascending(mut times: Vec<i64>) -> Vec<i64> {
    times.sort_unstable();
    times.dedup();
    times
}

fn time_column() -> impl Strategy<Value = Vec<i64>> {
    let grid = |(start, step, jitter): (i64, i64, Vec<i64>)| {
        let place = |(i, jitter): (i64, &i64)| start.wrapping_add(i.wrapping_mul(step)).wrapping_add(*jitter);
        ascending((0..).zip(&jitter).map(place).collect())
    };
    prop_oneof![
        prop::collection::vec(any::<i64>(), 1..300).prop_map(ascending),
        prop::collection::vec(prop_oneof![Just(i64::MIN), Just(i64::MAX), -2..3_i64], 1..6)
            .prop_map(ascending),
        (any::<i64>(), 1..100_000_i64, prop::collection::vec(-40..40_i64, 1..300)).prop_map(grid),
        (any::<i64>(), any::<i64>(), prop::collection::vec(Just(0), 1..300)).prop_map(grid),
        (Just(1_760_000_000_000 << 20), Just(15_000 << 20), prop::collection::vec(0..1_i64 << 20, 1..300))
            .prop_map(grid),
    ]
}

proptest! {
    #[test]
    fn values_come_back_to_the_bit(column in column()) {
        check_values(&column);
    }

    #[test]
    fn times_come_back(times in time_column()) {
        check_times(&times);
    }

    #[test]
    fn a_used_scratch_gives_the_same_bytes(columns in prop::collection::vec(column(), 1..4), times in time_column()) {
        let mut scratch = Scratch::default();
        for column in &columns {
            let mut out = Vec::new();
            encode_values(column, &mut scratch, &mut out);
            prop_assert_eq!(out, values_chunk(column));
        }
        let mut out = Vec::new();
        encode_times(&times, &mut scratch, &mut out);
        prop_assert_eq!(out, times_chunk(&times));
    }

    #[test]
    fn hostile_bytes_give_all_or_nothing(bytes in prop::collection::vec(any::<u8>(), 0..200), count in 0..1100_usize) {
        check_hostile(&bytes, count);
    }

    #[test]
    fn damaged_chunks_give_all_or_nothing(
        column in column(),
        times in time_column(),
        at: prop::sample::Index,
        bit in 0..8_u32,
        cut: bool,
    ) {
        for (mut chunk, count) in [(values_chunk(&column), column.len()), (times_chunk(&times), times.len())] {
            let at = at.index(chunk.len());
            chunk[at] ^= 1 << bit;
            if cut {
                chunk.truncate(at);
            }
            check_hostile(&chunk, count);
        }
    }
}

fn check_hostile(bytes: &[u8], count: usize) {
    let mut values = vec![1.0];
    let expected = if decode_values(bytes, count, &mut values).is_ok() { count } else { 0 };
    assert_eq!(values.len(), 1 + expected);
    let mut times = vec![1];
    let expected = if decode_times(bytes, count, &mut times).is_ok() { count } else { 0 };
    assert_eq!(times.len(), 1 + expected);
    assert!(times[1..].is_sorted_by(|a, b| a < b));
    assert!(values.capacity().max(times.capacity()) <= 2 * (CHUNK_POINTS_MAX + 1));
}

#[test]
fn a_count_out_of_range_is_refused_before_anything_is_allocated() {
    let chunk = check_values(&[1.0; CHUNK_POINTS_MAX]);
    for count in [0, CHUNK_POINTS_MAX + 1, usize::MAX] {
        let (mut values, mut times) = (Vec::new(), Vec::new());
        assert!(decode_values(&chunk, count, &mut values).is_err());
        assert!(decode_times(&chunk, count, &mut times).is_err());
        assert_eq!((values.capacity(), times.capacity()), (0, 0));
    }
}

#[test]
fn a_chunk_cut_short_is_refused() {
    let chunk = check_values(&[1.5, 2.25, 3.0, 4.0, 9.0, 7.75, stale(), 2.0]);
    for len in 0..chunk.len() {
        assert!(decode_values(&chunk[..len], 8, &mut Vec::new()).is_err(), "cut at {len}");
    }
}

#[test]
fn times_that_do_not_ascend_are_refused() {
    let mut chunk = times_chunk(&[10, 20, 30]);
    assert_eq!(chunk, [1, 20, 20, 0]);
    chunk[2] = 0;
    assert!(decode_times(&chunk, 3, &mut Vec::new()).is_err());
}

#[test]
fn full_columns_come_back() {
    let mut seed = 1_u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed
    };
    let noise: Vec<f64> = (0..CHUNK_POINTS_MAX).map(|_| f64::from_bits(next())).collect();
    check_values(&noise);
    let some_stale: Vec<f64> =
        (0..CHUNK_POINTS_MAX).map(|i| if i % 16 == 5 { stale() } else { i as f64 / 10.0 }).collect();
    check_values(&some_stale);
    check_times(&ascending((0..CHUNK_POINTS_MAX).map(|_| next() as i64).collect()));
}

#[test]
fn each_special_value_comes_back_among_decimals_and_others() {
    for special in SPECIAL.map(f64::from_bits) {
        check_values(&[special]);
        check_values(&[special, 1.5]);
        check_values(&[1.5, special, 2.5]);
        let mut column: Vec<f64> = (0..40).map(f64::from).collect();
        column[39] = special;
        check_values(&column);
        column[0] = special;
        check_values(&column);
        let mut column: Vec<f64> = (2..40).map(|i| f64::from(i).sqrt()).collect();
        column[20] = special;
        check_values(&column);
        check_values(&[
            special,
            std::f64::consts::PI,
            std::f64::consts::E,
            f64::from_bits(0x7ff8_0000_0000_0007),
        ]);
    }
}

#[test]
fn the_golden_chunks_stay_the_same() {
    let golden: [(&[f64], &[u8]); 7] = [
        (&[0.0; 5], &[48, 0]),
        (&[12.5; 5], &[49, 250, 1]),
        (&[-0.0; 2], &[63, 0, 0, 0, 0, 0, 0, 0, 128]),
        (&[100.0, 101.0, 103.0, 104.0, 104.0, 106.0], &[0, 200, 1, 3, 200, 72, 3]),
        (
            &[1.25, 1.5, 1.0, 900.0, 1.75, stale()],
            &[66, 1, 5, 0, 2, 0, 0, 0, 0, 0, 240, 127, 200, 1, 7, 25, 25, 0, 176, 92, 2, 3, 216, 252, 10],
        ),
        (&[8192.0, 4096.0, 20_480.0, 0.0], &[128, 12, 0, 3, 74, 1]),
        (
            &[0.1 + 0.2, 0.7 + 0.1, std::f64::consts::PI, std::f64::consts::E],
            &[
                47, 232, 204, 153, 179, 230, 204, 153, 211, 127, 202, 153, 179, 230, 204, 153, 179, 22, 180,
                180, 161, 196, 234, 254, 144, 9, 0, 1, 143, 217, 244, 129, 187, 211, 134, 44,
            ],
        ),
    ];
    for (values, chunk) in golden {
        assert_eq!(check_values(values), chunk, "{values:?}");
    }
    let golden: [(&[i64], &[u8]); 4] = [
        (&[1_760_000_000_000], &[0, 128, 128, 230, 130, 185, 102, 0]),
        (
            &[1_760_000_000_000, 1_760_000_015_000, 1_760_000_030_000],
            &[1, 128, 128, 230, 130, 185, 102, 176, 234, 1, 0],
        ),
        (&[1000, 2003, 2999, 4001, 5000, 5998, 7002, 8000], &[3, 208, 15, 204, 15, 3, 106, 38, 80]),
        (
            &[i64::MIN, -1, i64::MAX],
            &[
                1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 254, 255, 255, 255, 255, 255, 255, 255,
                255, 1, 1, 2,
            ],
        ),
    ];
    for (times, chunk) in golden {
        assert_eq!(check_times(times), chunk, "{times:?}");
    }
}

#[test]
fn common_columns_are_small() {
    let check = |values: &mut dyn FnMut(i32) -> f64, expected: usize| {
        let column: Vec<f64> = (0..240).map(values).collect();
        let len = check_values(&column).len();
        assert!(len <= expected, "{len} bytes, at most {expected} expected");
    };
    let noise = |i: i32| (i.wrapping_mul(0x9e37_79b1_u32 as i32) >> 16) & 0xff;
    check(&mut |_| 42.0, 2);
    check(&mut f64::from, 5);
    check(&mut |i| f64::from(i * i), 7);
    check(&mut |i| f64::from(1000 * i + noise(i)), 275);
    check(&mut |i| f64::from(noise(i)) / 100.0, 245);
    check(&mut |i| f64::from(noise(i)) * 65_536.0, 246);
    check(&mut |i| f64::from(i / 60), 13);
    check(&mut |i| if i == 200 { stale() } else { 5.0 }, 15);
    // What began as f32 has 29 zero bits at its end, on both sides of zero.
    check(&mut |i| f64::from((noise(i) - 128) as f32 / 3.0), 1150);
}

#[test]
fn common_times_are_small() {
    let check = |time: &dyn Fn(i64) -> i64, expected: usize| {
        let times: Vec<i64> = (0..240).map(|i| 1_760_000_000_000 + time(i)).collect();
        let len = check_times(&times).len();
        assert!(len <= expected, "{len} bytes, at most {expected} expected");
    };
    check(&|i| 15_000 * i, 11);
    check(&|i| 15_000 * i + i * 7 % 8, 101);
    check(&|i| 15_000 * (i + i / 100), 19);
}
