//! Streams travel unchanged, and hostile messages are refused by field.

use proptest::prelude::*;
use prost::Message;
use shoal_model::Writer;

use super::*;

const NOW: i64 = 1_700_000_000_000;

fn message() -> v1::StreamPoints {
    v1::StreamPoints {
        labels: vec![v1::Label { name: "__name__".into(), value: "up".into() }],
        writer: vec![7; 16],
        kind: v1::Kind::Counter.into(),
        times: vec![NOW - 1, NOW],
        values: vec![1.0, 2.0],
        starts: Vec::new(),
    }
}

fn delta(times: &[i64], starts: &[i64]) -> v1::StreamPoints {
    let kind = v1::Kind::Delta.into();
    v1::StreamPoints { kind, times: times.to_vec(), starts: starts.to_vec(), ..message() }
}

fn places(message: v1::StreamPoints, key: &[u8]) -> Vec<i64> {
    stream_points(message, key, NOW).unwrap().points.iter().map(|point| point.time).collect()
}

#[test]
fn a_malformed_stream_is_refused_by_field() {
    let check = |bad, path: &str| {
        let refusal = stream_points(bad, b"", NOW).unwrap_err().message(3);
        assert!(refusal.reason.starts_with(path), "{}", refusal.reason);
        assert!(refusal.all_points && refusal.stream == 3);
    };
    check(v1::StreamPoints { labels: Vec::new(), ..message() }, "streams[3].labels: ");
    check(v1::StreamPoints { writer: vec![7; 15], ..message() }, "streams[3].writer: ");
    check(v1::StreamPoints { kind: 0, ..message() }, "streams[3].kind: ");
    check(v1::StreamPoints { kind: -1, ..message() }, "streams[3].kind: ");
    check(v1::StreamPoints { times: vec![NOW], ..message() }, "streams[3].times: ");
    check(v1::StreamPoints { values: Vec::new(), ..message() }, "streams[3].times: ");
    check(v1::StreamPoints { starts: vec![0, 0], ..message() }, "streams[3].starts: ");
    check(delta(&[NOW - 1, NOW], &[0]), "streams[3].starts: ");
}

#[test]
fn values_without_times_are_stamped_with_the_nodes_clock() {
    let stamped = v1::StreamPoints { times: Vec::new(), ..message() };
    assert_eq!(places(stamped, b""), [NOW, NOW]);
}

#[test]
fn increments_without_times_stay_apart() {
    let places = places(delta(&[], &[]), b"");
    assert_ne!(places[0], places[1]);
    assert!(places.iter().all(|place| millis(Kind::Delta, *place) == NOW));
}

#[test]
fn an_increment_keeps_its_place_on_a_retry_and_changes_it_with_start_or_key() {
    let retry = || delta(&[NOW, NOW], &[1, 2]);
    let first = places(retry(), b"key");
    assert_eq!(first, places(retry(), b"key"));
    assert_ne!(first[0], first[1]);
    assert_ne!(first, places(retry(), b"other"));
    assert_eq!(first[0], delta_time(1, NOW, b"key").unwrap());
}

#[test]
fn an_increment_beyond_the_axis_stays_a_point_for_admission_to_refuse() {
    let places = places(delta(&[i64::MIN, i64::MAX], &[]), b"");
    assert_eq!(millis(Kind::Delta, places[0]), -DELTA_MILLIS_MAX);
    assert_eq!(millis(Kind::Delta, places[1]), DELTA_MILLIS_MAX);
}

prop_compose! {
    fn streams()(
        pairs in prop::collection::btree_map("[a-z]{1,9}", ".{1,20}", 0..5),
        writer: [u8; 16],
        kind in prop::sample::select(Kind::ALL.to_vec()),
        points in prop::collection::vec((any::<i64>(), any::<u64>()), 0..20),
    ) -> StreamPoints {
        let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        StreamPoints {
            stream: Stream { labels: Labels::new(pairs.chain([("__name__", "m")])).unwrap(), writer: Writer(writer), kind },
            points: points.into_iter().map(|(time, bits)| Point::new(time, f64::from_bits(bits))).collect(),
        }
    }
}

fn over_the_wire(part: &StreamPoints) -> StreamPoints {
    let bytes = stream_points_message(part).encode_to_vec();
    stream_points(v1::StreamPoints::decode(&bytes[..]).unwrap(), b"key", NOW).unwrap()
}

proptest! {
    #[test]
    fn a_stream_travels_unchanged_but_for_the_low_bits_of_its_increments(sent in streams()) {
        let received = over_the_wire(&sent);
        prop_assert_eq!(&received.stream, &sent.stream);
        prop_assert_eq!(&received, &over_the_wire(&sent));
        let kind = sent.stream.kind;
        if kind != Kind::Delta {
            prop_assert_eq!(received, sent);
            return Ok(());
        }
        prop_assert_eq!(received.points.len(), sent.points.len());
        for (a, b) in received.points.iter().zip(&sent.points) {
            prop_assert_eq!(a.value.to_bits(), b.value.to_bits());
            let end = millis(kind, b.time).clamp(-DELTA_MILLIS_MAX, DELTA_MILLIS_MAX);
            prop_assert_eq!(millis(kind, a.time), end);
        }
    }

    #[test]
    fn hostile_bytes_are_refused_or_become_a_stream(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = v1::StreamPoints::decode(&bytes[..]) {
            let values = message.values.len();
            if let Ok(part) = stream_points(message, &bytes, NOW) {
                prop_assert_eq!(part.points.len(), values);
            }
        }
    }

    #[test]
    fn hostile_fields_are_refused_or_become_a_stream(
        name in ".{0,3}", writer in prop::collection::vec(any::<u8>(), 0..20), kind in -1..8_i32,
        times in prop::collection::vec(any::<i64>(), 0..4),
        values in prop::collection::vec(any::<f64>(), 0..4),
        starts in prop::collection::vec(any::<i64>(), 0..4),
    ) {
        let labels = vec![v1::Label { name: "__name__".into(), value: "m".into() }, v1::Label { name, value: "x".into() }];
        let count = values.len();
        let message = v1::StreamPoints { labels, writer, kind, times, values, starts };
        if let Ok(part) = stream_points(message, b"", NOW) {
            prop_assert_eq!(part.points.len(), count);
        }
    }
}
