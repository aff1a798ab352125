//! Requests written by the specifications' own field numbers, and bytes that no sender should send.

use proptest::prelude::*;
use prost::Message;
use shoal_model::limits::{BATCH_STREAMS_MAX, REQUEST_BYTES_MAX};
use shoal_model::{LabelError, Labels, Point};

use super::*;

#[derive(Clone, PartialEq, Message)]
struct V1Request {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<V1Series>,
    #[prost(message, repeated, tag = "3")]
    metadata: Vec<V1Metadata>,
}

#[derive(Clone, PartialEq, Message)]
struct V1Series {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<V1Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    exemplars: Vec<V1Exemplar>,
    #[prost(bytes = "vec", repeated, tag = "4")]
    histograms: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct V1Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
struct V1Exemplar {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<V1Label>,
    #[prost(double, tag = "2")]
    value: f64,
    #[prost(int64, tag = "3")]
    timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
struct V1Metadata {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(string, tag = "2")]
    family: String,
    #[prost(string, tag = "4")]
    help: String,
    #[prost(string, tag = "5")]
    unit: String,
}

#[derive(Clone, PartialEq, Message)]
struct V2Request {
    #[prost(string, repeated, tag = "4")]
    symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    timeseries: Vec<V2Series>,
}

#[derive(Clone, PartialEq, Message)]
struct V2Series {
    #[prost(uint32, repeated, tag = "1")]
    labels: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(bytes = "vec", repeated, tag = "3")]
    histograms: Vec<Vec<u8>>,
    #[prost(message, repeated, tag = "4")]
    exemplars: Vec<V2Exemplar>,
    #[prost(message, optional, tag = "5")]
    metadata: Option<V2Metadata>,
    #[prost(int64, tag = "6")]
    created: i64,
}

#[derive(Clone, PartialEq, Message)]
struct V2Exemplar {
    #[prost(uint32, repeated, tag = "1")]
    labels: Vec<u32>,
    #[prost(double, tag = "2")]
    value: f64,
    #[prost(int64, tag = "3")]
    timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
struct V2Metadata {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(uint32, tag = "3")]
    help: u32,
    #[prost(uint32, tag = "4")]
    unit: u32,
}

fn v1_labels(pairs: &[(&str, &str)]) -> Vec<V1Label> {
    pairs.iter().map(|(name, value)| V1Label { name: (*name).into(), value: (*value).into() }).collect()
}

fn sample(timestamp: i64, value: f64) -> Sample {
    Sample { value, timestamp }
}

fn v1_request() -> V1Request {
    let up = V1Series {
        labels: v1_labels(&[("__name__", "up"), ("job", "x")]),
        samples: vec![sample(1_000, 1.0), sample(2_000, 0.0)],
        exemplars: vec![V1Exemplar {
            labels: v1_labels(&[("trace_id", "abc")]),
            value: 0.5,
            timestamp: 1_500,
        }],
        histograms: vec![vec![8, 1]],
    };
    let down = V1Series {
        labels: v1_labels(&[("__name__", "down")]),
        samples: vec![sample(-3, 2.5)],
        ..Default::default()
    };
    let help = V1Metadata { kind: 2, family: "up".into(), help: "whether".into(), unit: "bool".into() };
    V1Request { timeseries: vec![up, down], metadata: vec![help] }
}

#[test]
fn a_v1_request_becomes_columns_and_its_labels_stay_bytes() {
    let bytes = v1_request().encode_to_vec();
    let columns = decode_v1(&bytes).unwrap();
    assert_eq!(columns.points, [Point::new(1_000, 1.0), Point::new(2_000, 0.0), Point::new(-3, 2.5)]);
    assert_eq!(columns.series.iter().map(|row| row.points).collect::<Vec<_>>(), [2, 1]);
    let up = Labels::new([("__name__", "up"), ("job", "x")]).unwrap();
    assert_eq!(columns.labels(&columns.series[0]), up.canonical(), "what sorted senders send is canonical");
    assert_eq!(labels(columns.labels(&columns.series[1]), None).unwrap().0.metric(), "down");
    let exemplar = ExemplarRow { series: 0, labels: vec![("trace_id", "abc")], value: 0.5, time_ms: 1_500 };
    assert_eq!((columns.exemplars, columns.histograms), (vec![exemplar], 1));
    let row = MetadataRow { family: Ok("up"), kind: 2, help: "whether", unit: "bool" };
    assert_eq!(columns.metadata, [row]);
}

#[test]
fn labels_that_stand_apart_are_gathered() {
    let series = |pairs: &[(&str, &str)], samples: Vec<Sample>| {
        V1Series { labels: v1_labels(pairs), samples, ..Default::default() }.encode_to_vec()
    };
    let inner = [series(&[("b", "2")], vec![sample(7, 1.0)]), series(&[("__name__", "a")], vec![])].concat();
    let mut bytes = vec![0x0a, inner.len() as u8];
    bytes.extend_from_slice(&inner);
    let columns = decode_v1(&bytes).unwrap();
    let spelled = labels(columns.labels(&columns.series[0]), None).unwrap().0;
    assert_eq!((spelled.to_string(), columns.points.len()), (r#"a{b="2"}"#.to_owned(), 1));
}

#[test]
fn a_replica_label_is_taken_out_and_handed_back() {
    let series =
        V1Series { labels: v1_labels(&[("__name__", "up"), ("replica", "b")]), ..Default::default() };
    let bytes = series.encode_to_vec();
    let (set, replica) = labels(&bytes, Some("replica")).unwrap();
    assert_eq!((set.to_string(), replica.as_deref()), ("up".to_owned(), Some("b")));
    assert_eq!(labels(&bytes, None).unwrap().0.to_string(), r#"up{replica="b"}"#);
}

#[test]
fn bad_labels_name_their_fault() {
    let check = |pairs: &[(&str, &str)], expected: LabelError| {
        let series = V1Series { labels: v1_labels(pairs), ..Default::default() };
        assert_eq!(labels(&series.encode_to_vec(), None).unwrap_err(), BadLabels::Labels(expected));
    };
    check(&[], LabelError::NoLabels);
    check(&[("job", "x")], LabelError::NoMetricName);
    check(&[("__name__", "up"), ("", "x")], LabelError::EmptyName);
    check(&[("__name__", "up"), ("a", "1"), ("a", "1")], LabelError::Duplicate("a".into()));
    assert_eq!(labels(b"\x0a\x04\x0a\x02\xff\xff", None).unwrap_err(), BadLabels::Text);
}

fn v2_request() -> V2Request {
    let symbols = ["", "__name__", "hits_total", "job", "x", "how many", "trace_id", "abc", "hits"];
    let series = V2Series {
        labels: vec![1, 2, 3, 4],
        samples: vec![sample(60_000, 5.0)],
        histograms: vec![Vec::new()],
        exemplars: vec![V2Exemplar { labels: vec![6, 7], value: 0.5, timestamp: 1_500 }],
        metadata: Some(V2Metadata { kind: 1, help: 5, unit: 8 }),
        created: 50_000,
    };
    V2Request { symbols: symbols.map(str::to_owned).to_vec(), timeseries: vec![series] }
}

#[test]
fn a_v2_request_spells_its_labels_as_v1_does() {
    let bytes = v2_request().encode_to_vec();
    let columns = decode_v2(&bytes).unwrap();
    let hits = Labels::new([("__name__", "hits_total"), ("job", "x")]).unwrap();
    assert_eq!(columns.labels(&columns.series[0]), hits.canonical());
    let row = MetadataRow { family: Err(0), kind: 1, help: "how many", unit: "hits" };
    assert_eq!((&columns.metadata, columns.histograms), (&vec![row], 1));
    let exemplar = ExemplarRow { series: 0, labels: vec![("trace_id", "abc")], value: 0.5, time_ms: 1_500 };
    assert_eq!(columns.exemplars, [exemplar]);
}

#[test]
fn a_young_counter_began_at_zero() {
    let points = |created, kind| {
        let mut request = v2_request();
        request.timeseries[0].created = created;
        request.timeseries[0].metadata = Some(V2Metadata { kind, help: 0, unit: 0 });
        let bytes = request.encode_to_vec();
        decode_v2(&bytes).unwrap().points
    };
    assert_eq!(points(50_000, 1), [Point::new(60_000, 5.0), Point::new(50_000, 0.0)]);
    assert_eq!(points(50_000, 2), [Point::new(60_000, 5.0)], "a gauge does not start at zero");
    assert_eq!(points(60_000, 1), [Point::new(60_000, 5.0)], "a start is before the first sample");
    assert_eq!(points(-1_000_000, 1).len(), 1, "what began long ago has its zero already");
}

#[test]
fn references_that_lead_nowhere_are_refused() {
    let check = |change: fn(&mut V2Request), expected: &str| {
        let mut request = v2_request();
        change(&mut request);
        let error = decode_v2(&request.encode_to_vec()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(|request| request.timeseries[0].labels = vec![1, 99], "symbol 99");
    check(|request| request.timeseries[0].labels = vec![1, 2, 3], "3 label references");
    check(|request| request.symbols[0] = "x".into(), "empty string");
}

#[test]
fn limits_are_judged_before_memory_is_given() {
    assert!(matches!(unpacked_len(&[0xff, 0xff, 0xff, 0x7f, 0]), Err(Malformed::TooLong(_))));
    assert!(matches!(unpack(&[0xff, 0xff, 0xff, 0x7f, 0]), Err(Malformed::TooLong(_))));
    assert!(matches!(unpack(b"junk"), Err(Malformed::Snappy(_))));
    let many = [0x0a_u8, 0].repeat(BATCH_STREAMS_MAX + 1);
    assert!(matches!(decode_v1(&many), Err(Malformed::Series)));
    let long = V2Request {
        symbols: vec![String::new(), "x".repeat(REQUEST_BYTES_MAX / 2)],
        timeseries: vec![V2Series { labels: vec![1; 64], ..Default::default() }],
    };
    assert!(matches!(decode_v2(&long.encode_to_vec()), Err(Malformed::TooLong(_))));
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(columns) = decode_v1(&bytes) {
            columns.series.iter().for_each(|row| drop(labels(columns.labels(row), Some("a"))));
        }
        if let Ok(columns) = decode_v2(&bytes) {
            columns.series.iter().for_each(|row| drop(labels(columns.labels(row), Some("a"))));
        }
        let _ = unpack(&bytes);
    }

    #[test]
    fn damaged_requests_never_panic(at in 0_usize..400, byte: u8, is_v2: bool) {
        let mut bytes = if is_v2 { v2_request().encode_to_vec() } else { v1_request().encode_to_vec() };
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = if is_v2 { decode_v2(&bytes) } else { decode_v1(&bytes) };
    }
}
