//! The read rules by example, and the promise that a range and an instant agree, over random streams.

use proptest::prelude::*;
use shoal_model::time::delta_time;
use shoal_model::{is_stale, stale};

use super::*;

const MINUTE: i64 = 60_000;

/// A stream as a test writes it: writer, kind, points.
type Owned = (u8, Kind, Vec<Point>);

fn stream(writer: u8, kind: Kind, points: &[(i64, f64)]) -> Owned {
    (writer, kind, points.iter().map(|&(time, value)| Point::new(time, value)).collect())
}

fn parts(streams: &[Owned]) -> Vec<WriterPoints<'_>> {
    streams
        .iter()
        .map(|(writer, kind, points)| WriterPoints { writer: Writer([*writer; 16]), kind: *kind, points })
        .collect()
}

fn at(streams: &[Owned], at_ms: i64, expected: (i64, f64)) {
    let expected = Some(Point::new(expected.0, expected.1));
    assert_eq!(value_at(&parts(streams), at_ms), expected, "at {at_ms}: {streams:?}");
}

fn all(streams: &[Owned], expected: &[(i64, f64)]) {
    let expected: Vec<Point> = expected.iter().map(|&(time, value)| Point::new(time, value)).collect();
    assert_eq!(merge(&parts(streams), i64::MIN..=i64::MAX), expected, "{streams:?}");
}

#[test]
fn nothing_reads_as_nothing() {
    assert_eq!(value_at(&[], 0), None);
    assert_eq!(merge(&[], 0..=9), []);
    let later = [stream(1, Kind::Counter, &[(10, 1.0)])];
    assert_eq!(value_at(&parts(&later), 9), None);
    assert_eq!(last(&parts(&later), 9), None);
}

#[test]
fn counters_add_up_and_an_ended_writer_keeps_its_total() {
    let streams = [
        stream(1, Kind::Counter, &[(10, 5.0), (30, 7.0)]),
        stream(2, Kind::Counter, &[(20, 1.0), (90 * MINUTE, 2.0)]),
    ];
    all(&streams, &[(10, 5.0), (20, 6.0), (30, 8.0), (90 * MINUTE, 9.0)]);
    at(&streams, 1_000 * MINUTE, (90 * MINUTE, 9.0));
}

#[test]
fn a_counter_never_falls_and_markers_are_no_totals() {
    let streams = [stream(1, Kind::Counter, &[(10, 5.0), (20, 3.0), (30, stale()), (40, 6.0)])];
    all(&streams, &[(10, 5.0), (20, 5.0), (30, 5.0), (40, 6.0)]);
    at(&[stream(1, Kind::Counter, &[(10, stale())])], 10, (10, stale()));
}

#[test]
fn an_updown_writer_counts_while_it_is_live() {
    let streams = [
        stream(1, Kind::UpDown, &[(0, 3.0), (4 * MINUTE, -1.0)]),
        stream(2, Kind::UpDown, &[(MINUTE, 10.0), (5 * MINUTE, 20.0), (6 * MINUTE, stale())]),
    ];
    all(&streams, &[(0, 3.0), (MINUTE, 13.0), (4 * MINUTE, 9.0), (5 * MINUTE, 19.0), (6 * MINUTE, -1.0)]);
    at(&streams, 9 * MINUTE - 1, (6 * MINUTE, -1.0));
    at(&streams, 9 * MINUTE, (6 * MINUTE, stale()));
    assert_eq!(last(&parts(&streams), 99 * MINUTE), Some(Point::new(6 * MINUTE, -1.0)));
}

#[test]
fn increments_of_one_millisecond_add_up() {
    let place = |key: &[u8]| delta_time(0, 1_000, key).unwrap();
    let mut points = vec![(place(b"a"), 0.1), (place(b"b"), 0.2), (delta_time(0, 2_000, b"").unwrap(), 4.0)];
    points.sort_by_key(|point| point.0);
    let streams = [stream(1, Kind::Delta, &points), stream(2, Kind::Counter, &[(1_500, 1.0)])];
    all(&streams, &[(1_000, 0.1 + 0.2), (1_500, 1.3), (2_000, 5.3)]);
}

#[test]
fn the_three_totals_add_up_exactly() {
    let big = 1e16;
    let streams = [
        stream(1, Kind::Counter, &[(10, big)]),
        stream(1, Kind::UpDown, &[(10, -big)]),
        stream(1, Kind::Delta, &[(10 << 20, 1.0)]),
    ];
    all(&streams, &[(10, 1.0)]);
}

#[test]
fn the_newest_reading_of_a_live_gauge_counts() {
    let streams = [
        stream(1, Kind::Gauge, &[(0, 1.0), (20, 2.0), (30, stale())]),
        stream(2, Kind::Gauge, &[(10, 5.0), (20, 6.0)]),
    ];
    all(&streams, &[(0, 1.0), (10, 5.0), (20, 6.0), (30, 6.0)]);
    at(&streams, 20 + 5 * MINUTE, (30, stale()));
    assert_eq!(last(&parts(&streams), 20 + 5 * MINUTE), Some(Point::new(30, 6.0)));
}

#[test]
fn the_end_of_the_only_gauge_writer_is_seen() {
    let streams = [stream(1, Kind::Gauge, &[(10, 1.0), (20, stale())])];
    all(&streams, &[(10, 1.0), (20, stale())]);
    assert_eq!(last(&parts(&streams), 99), Some(Point::new(20, stale())));
}

/// Points every 15 s at the given quarters of a minute, all of one value.
fn scrapes(writer: u8, offset_ms: i64, quarters: impl IntoIterator<Item = i64>) -> Owned {
    let points: Vec<_> = quarters.into_iter().map(|q| (q * 15_000 + offset_ms, f64::from(writer))).collect();
    stream(writer, Kind::Sample, &points)
}

fn shown(streams: &[Owned]) -> Vec<(i64, f64)> {
    merge(&parts(streams), i64::MIN..=i64::MAX).iter().map(|point| (point.time, point.value)).collect()
}

#[test]
fn of_two_replicas_the_lesser_shows() {
    let lesser = scrapes(1, 0, 0..20);
    let expected = shown(std::slice::from_ref(&lesser));
    assert_eq!(shown(&[scrapes(2, 5_000, 0..19), lesser.clone()]), expected);
    assert_eq!(shown(&[scrapes(2, 0, 0..20), lesser]), expected);
}

#[test]
fn the_other_replica_fills_a_hole_of_the_lesser() {
    let lesser = scrapes(1, 0, (0..10).chain(30..40));
    let of_other: Vec<i64> = shown(&[lesser, scrapes(2, 5_000, 0..40)])
        .into_iter()
        .filter(|(_, value)| *value == 2.0)
        .map(|(time, _)| time)
        .collect();
    // 37.5 s after the lesser's last point, at 135 s, the other steps in. The hole is over 5 minutes, so the
    // lesser's next point begins a run and hides nothing before it.
    assert_eq!(of_other.first(), Some(&185_000));
    assert_eq!(of_other.last(), Some(&(29 * 15_000 + 5_000)));
}

#[test]
fn a_hole_of_two_scrapes_is_not_filled() {
    let lesser = scrapes(1, 0, (0..10).chain(12..20));
    assert_eq!(shown(&[lesser.clone(), scrapes(2, 5_000, 0..19)]), shown(&[lesser]));
}

#[test]
fn the_other_replica_takes_over_after_a_marker_at_once_and_the_marker_is_hidden() {
    let mut lesser = scrapes(1, 0, 0..4);
    lesser.2.push(Point::new(46_000, stale()));
    let seen = shown(&[lesser, scrapes(2, 5_000, 0..6)]);
    let tail: Vec<_> = seen.into_iter().skip(4).collect();
    assert_eq!(tail, [(50_000, 2.0), (65_000, 2.0), (80_000, 2.0)]);
}

#[test]
fn a_marker_shows_when_nobody_else_is_live() {
    let ended = |writer, offset| {
        let mut stream = scrapes(writer, offset, 0..4);
        stream.2.push(Point::new(60_000 + offset, stale()));
        stream
    };
    let streams = [ended(1, 0), ended(2, 5_000)];
    let seen = merge(&parts(&streams), i64::MIN..=i64::MAX);
    let markers: Vec<i64> =
        seen.iter().filter(|point| is_stale(point.value)).map(|point| point.time).collect();
    assert_eq!(markers, [65_000]);
    at(&streams, 70_000, (65_000, stale()));
}

#[test]
fn a_lone_sample_of_the_lesser_hides_only_its_own_second() {
    let streams = [scrapes(1, 0, [2]), scrapes(2, 500, 0..5)];
    assert_eq!(shown(&streams), [(500, 2.0), (15_500, 2.0), (30_000, 1.0), (45_500, 2.0), (60_500, 2.0)]);
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => (-50i64..50).prop_map(|n| n as f64 / 10.0),
        2 => Just(stale()),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e300, 1e-300]),
    ]
}

fn streams_of(kinds: &'static [Kind]) -> impl Strategy<Value = Vec<Owned>> {
    // Steps from within a run to beyond the liveness bound.
    let step = prop_oneof![6 => 1..20i64, 3 => 20..200i64, 1 => 200..500i64];
    let points = prop::collection::vec((step, value(), 0..4i64), 0..25);
    prop::collection::btree_map((0..4u8, prop::sample::select(kinds)), points, 0..5).prop_map(|streams| {
        streams.into_iter().map(|((writer, kind), steps)| (writer, kind, walk(kind, &steps))).collect()
    })
}

fn walk(kind: Kind, steps: &[(i64, f64, i64)]) -> Vec<Point> {
    let mut seconds = 0;
    let mut points = Vec::new();
    for &(step, value, low) in steps {
        // A low part makes several increments in one ms, which only the axis of deltas has room for.
        let stays = kind == Kind::Delta && low > 0;
        seconds += if stays { 0 } else { step };
        let place =
            if kind == Kind::Delta { (seconds * 1_000) << 20 | points.len() as i64 } else { seconds * 1_000 };
        points.push(Point::new(place, value));
    }
    points
}

fn families() -> impl Strategy<Value = Vec<Owned>> {
    prop_oneof![
        streams_of(&[Kind::Counter, Kind::UpDown, Kind::Delta]),
        streams_of(&[Kind::Gauge]),
        streams_of(&[Kind::Sample]),
    ]
}

fn distinct_ms(parts: &[WriterPoints<'_>]) -> Vec<i64> {
    let mut times: Vec<i64> =
        parts.iter().flat_map(|part| part.points.iter().map(|point| millis(part.kind, point.time))).collect();
    times.sort_unstable();
    times.dedup();
    times
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_range_and_an_instant_agree(streams in families()) {
        let parts = parts(&streams);
        let merged = merge(&parts, i64::MIN..=i64::MAX);
        for sample in &merged {
            prop_assert_eq!(value_at(&parts, sample.time), Some(*sample));
        }
        let times = distinct_ms(&parts);
        let seen: Vec<i64> = merged.iter().map(|sample| sample.time).collect();
        if family(&parts) == Some(Family::Sample) {
            for ms in times.into_iter().filter(|ms| !seen.contains(ms)) {
                prop_assert_ne!(value_at(&parts, ms).map(|sample| sample.time), Some(ms));
            }
        } else {
            prop_assert_eq!(seen, times);
        }
    }

    #[test]
    fn a_range_is_the_sum_of_its_pieces(streams in families(), cuts in (0..2_000_000i64, 0..2_000_000i64)) {
        let parts = parts(&streams);
        let (from, to) = (cuts.0.min(cuts.1), cuts.0.max(cuts.1));
        let pieces = [i64::MIN..=from - 1, from..=to, to + 1..=i64::MAX];
        let joined: Vec<Point> = pieces.into_iter().flat_map(|piece| merge(&parts, piece)).collect();
        prop_assert_eq!(joined, merge(&parts, i64::MIN..=i64::MAX));
    }

    #[test]
    fn points_beyond_what_is_needed_do_not_matter(
        streams in families(),
        cuts in (0..2_000_000i64, 0..2_000_000i64),
    ) {
        let whole = parts(&streams);
        let Some(family) = family(&whole) else { return Ok(()) };
        let range = cuts.0.min(cuts.1)..=cuts.0.max(cuts.1);
        let needed = needed(family, range.clone());
        let trimmed: Vec<_> =
            whole.iter().map(|part| WriterPoints { points: part.between(&needed), ..*part }).collect();
        prop_assert_eq!(merge(&trimmed, range.clone()), merge(&whole, range));
    }

    #[test]
    fn a_counters_greatest_point_stands_for_its_past(
        streams in streams_of(&[Kind::Counter]),
        from in 0..2_000_000i64,
    ) {
        let by_value = |a: &&Point, b: &&Point| crate::order::compare(a.value, b.value);
        let short: Vec<Owned> = streams.iter().map(|(writer, kind, points)| {
            let (past, rest) = points.split_at(points.partition_point(|point| point.time < from));
            let greatest = past.iter().filter(|point| point.value.is_finite()).max_by(by_value);
            (*writer, *kind, greatest.into_iter().chain(rest).copied().collect())
        }).collect();
        prop_assert_eq!(merge(&parts(&short), from..=i64::MAX), merge(&parts(&streams), from..=i64::MAX));
    }

    #[test]
    fn the_order_of_the_parts_does_not_matter(streams in families()) {
        let forward = parts(&streams);
        let backward: Vec<_> = forward.iter().rev().copied().collect();
        prop_assert_eq!(merge(&forward, 0..=i64::MAX), merge(&backward, 0..=i64::MAX));
        prop_assert_eq!(last(&forward, i64::MAX), last(&backward, i64::MAX));
    }

    #[test]
    fn merged_counters_never_fall(mut streams in streams_of(&[Kind::Counter])) {
        // The doors refuse what is below zero.
        for point in streams.iter_mut().flat_map(|stream| &mut stream.2).filter(|point| !point.value.is_nan()) {
            point.value = point.value.abs();
        }
        let merged = merge(&parts(&streams), i64::MIN..=i64::MAX);
        let values = merged.iter().map(|sample| sample.value).filter(|value| !is_stale(*value));
        prop_assert!(values.is_sorted());
    }
}
