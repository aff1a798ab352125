//! What each kind of data point becomes, and what of it a retry or a neighbour repeats.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality as Temporality, ExponentialHistogram, Gauge, Histogram, HistogramDataPoint,
    NumberDataPoint, Sum, Summary, SummaryDataPoint,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::prelude::*;
use prost::Message;
use shoal_model::{Kind, Point, is_stale, time};

use super::{translate as translate_at, *};

const SECOND: u64 = 1_000_000_000;

fn translate(request: ExportMetricsServiceRequest) -> Translated {
    translate_at(request, 1_000)
}

fn attribute(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Any::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

fn number(start_ns: u64, time_ns: u64, value: f64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: vec![attribute("http.route", "/a")],
        start_time_unix_nano: start_ns,
        time_unix_nano: time_ns,
        value: Some(Value::AsDouble(value)),
        ..NumberDataPoint::default()
    }
}

fn sum(temporality: Temporality, is_monotonic: bool, data_points: Vec<NumberDataPoint>) -> metric::Data {
    metric::Data::Sum(Sum { data_points, aggregation_temporality: temporality.into(), is_monotonic })
}

fn request(name: &str, unit: &str, data: metric::Data) -> ExportMetricsServiceRequest {
    let metric = Metric { name: name.into(), unit: unit.into(), data: Some(data), ..Metric::default() };
    let scope = InstrumentationScope { name: "tests".into(), ..InstrumentationScope::default() };
    let scope_metrics =
        vec![ScopeMetrics { scope: Some(scope), metrics: vec![metric], ..Default::default() }];
    let attributes = vec![
        attribute("service.name", "shop"),
        attribute("service.instance.id", "i1"),
        attribute("host.name", "h"),
    ];
    let resource = Some(Resource { attributes, ..Resource::default() });
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics { resource, scope_metrics, schema_url: String::new() }],
    }
}

/// The points of each series but `target_info`, with their kinds.
fn points(translated: &Translated) -> BTreeMap<String, Vec<(Kind, Point)>> {
    let mut found: BTreeMap<String, Vec<(Kind, Point)>> = BTreeMap::new();
    for (_, part) in translated.parts.iter().filter(|(place, _)| *place != NO_DATA_POINT) {
        let points = part.points.iter().map(|point| (part.stream.kind, *point));
        found.entry(part.stream.labels.to_string()).or_default().extend(points);
    }
    found
}

fn series(name: &str, extra: &str) -> String {
    format!(r#"{name}{{http_route="/a",instance="i1",job="shop"{extra}}}"#)
}

#[test]
fn a_cumulative_sum_counts_by_its_start_and_names_its_resource_once() {
    let data = |start, value| sum(Temporality::Cumulative, true, vec![number(start, 10 * SECOND, value)]);
    let first = translate(request("requests", "1", data(SECOND, 5.0)));
    let counted = Point::new(10_000, 5.0);
    assert_eq!(points(&first), [(series("requests_total", ""), vec![(Kind::Counter, counted)])].into());
    let info = &first.parts.last().unwrap().1;
    assert_eq!(info.stream.labels.to_string(), r#"target_info{host_name="h",instance="i1",job="shop"}"#);
    assert_eq!((info.stream.kind, info.points[0].value), (Kind::Gauge, 1.0));
    let again = translate(request("requests", "1", data(SECOND, 5.0)));
    assert_eq!(again.parts, first.parts, "a retry is the same points of the same streams");
    let restarted = translate(request("requests", "1", data(2 * SECOND, 1.0)));
    assert_ne!(restarted.parts[0].1.stream.writer, first.parts[0].1.stream.writer);
    assert!(first.bases.is_empty() && first.refused.is_empty());
}

#[test]
fn what_had_been_counted_before_is_taken_off() {
    let data = sum(Temporality::Cumulative, true, vec![number(SECOND, SECOND, 1_000.0)]);
    let translated = translate(request("requests", "", data));
    let (_, base) = &translated.bases[0];
    assert_eq!((base.stream.kind, base.points[0].value), (Kind::Delta, -1_000.0));
    assert_eq!(time::millis(Kind::Delta, base.points[0].time), 1_000);
    assert_eq!(base.stream.labels, translated.parts[0].1.stream.labels);
}

#[test]
fn sums_without_start_are_samples_and_those_that_fall_go_on_after_a_restart() {
    let sample =
        translate(request("x", "", sum(Temporality::Cumulative, true, vec![number(0, SECOND, 1.0)])));
    assert_eq!(sample.parts[0].1.stream.kind, Kind::Sample);
    let level = |start| {
        let data = sum(Temporality::Cumulative, false, vec![number(start, 10 * SECOND, -3.0)]);
        translate(request("x", "", data)).parts.remove(0).1.stream
    };
    assert_eq!(level(1).kind, Kind::UpDown);
    assert_eq!(level(1), level(2));
}

#[test]
fn increments_of_a_delta_sum_stay_apart_and_a_retry_falls_on_the_same_place() {
    let steps = vec![number(SECOND, 2 * SECOND, 3.0), number(2 * SECOND, 2 * SECOND + 1, 4.0)];
    let translated = translate(request("clicks", "", sum(Temporality::Delta, true, steps.clone())));
    let again = translate(request("clicks", "", sum(Temporality::Delta, true, steps)));
    assert_eq!(again.parts, translated.parts);
    let found = &points(&translated)[&series("clicks_total", "")];
    assert_eq!(found.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [Kind::Delta, Kind::Delta]);
    assert_eq!(time::millis(Kind::Delta, found[0].1.time), time::millis(Kind::Delta, found[1].1.time));
    assert_ne!(found[0].1.time, found[1].1.time);
}

#[test]
fn a_histogram_becomes_counters_with_le() {
    let point = HistogramDataPoint {
        attributes: vec![attribute("http.route", "/a")],
        start_time_unix_nano: SECOND,
        time_unix_nano: 2 * SECOND,
        count: 6,
        sum: Some(7.5),
        bucket_counts: vec![1, 2, 3],
        explicit_bounds: vec![0.5, 10.0],
        ..HistogramDataPoint::default()
    };
    let data = |point| {
        metric::Data::Histogram(Histogram {
            data_points: vec![point],
            aggregation_temporality: Temporality::Cumulative.into(),
        })
    };
    let translated = translate(request("latency", "s", data(point.clone())));
    let values: Vec<_> =
        points(&translated).into_iter().map(|(series, points)| (series, points[0].1.value)).collect();
    let bucket =
        |le: &str| format!(r#"latency_seconds_bucket{{http_route="/a",instance="i1",job="shop",le="{le}"}}"#);
    let expected = [
        (bucket("+Inf"), 6.0),
        (bucket("0.5"), 1.0),
        (bucket("10"), 3.0),
        (series("latency_seconds_count", ""), 6.0),
        (series("latency_seconds_sum", ""), 7.5),
    ];
    assert_eq!(values, expected);
    let torn =
        translate(request("latency", "s", data(HistogramDataPoint { bucket_counts: vec![1], ..point })));
    assert_eq!((torn.data_points, torn.refused[0].data_points, torn.refused[0].word), (1, 1, "buckets"));
    assert!(points(&torn).is_empty());
}

#[test]
fn a_summary_has_quantiles_sum_and_count() {
    let point = SummaryDataPoint {
        start_time_unix_nano: SECOND,
        time_unix_nano: 2 * SECOND,
        count: 4,
        sum: 2.0,
        quantile_values: vec![ValueAtQuantile { quantile: 0.5, value: 0.4 }],
        ..SummaryDataPoint::default()
    };
    let translated =
        translate(request("wait", "s", metric::Data::Summary(Summary { data_points: vec![point] })));
    let kinds: Vec<_> =
        points(&translated).into_iter().map(|(series, points)| (series, points[0].0)).collect();
    let with = |name: &str, extra: &str| format!(r#"{name}{{instance="i1",job="shop"{extra}}}"#);
    let expected = [
        (with("wait_seconds_count", ""), Kind::Counter),
        (with("wait_seconds_sum", ""), Kind::Counter),
        (with("wait_seconds", r#",quantile="0.5""#), Kind::Gauge),
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn what_cannot_be_kept_is_refused_by_count() {
    let check = |data, count, word| {
        let translated = translate(request("x", "", data));
        assert_eq!((translated.refused[0].data_points, translated.refused[0].word), (count, word));
        assert!(points(&translated).is_empty());
    };
    let exponential = ExponentialHistogram { data_points: vec![Default::default(); 3], ..Default::default() };
    check(metric::Data::ExponentialHistogram(exponential), 3, "histogram");
    check(sum(Temporality::Delta, false, vec![number(1, 2, 1.0)]), 1, "temporality");
    check(sum(Temporality::Unspecified, true, vec![number(1, 2, 1.0)]), 1, "temporality");
}

#[test]
fn a_point_without_a_value_ends_a_gauge_and_no_total() {
    let ended = NumberDataPoint { flags: 1, value: None, ..number(1, SECOND, 0.0) };
    let gauge = metric::Data::Gauge(Gauge { data_points: vec![ended.clone()] });
    let translated = translate(request("x", "", gauge));
    assert!(is_stale(points(&translated)[&series("x", "")][0].1.value));
    let total = translate(request("x", "", sum(Temporality::Cumulative, true, vec![ended])));
    assert!(points(&total).is_empty() && total.refused.is_empty());
}

#[test]
fn attributes_whose_names_become_one_keep_both_values() {
    let mut point = number(1, SECOND, 1.0);
    point.attributes = vec![attribute("a.b", "1"), attribute("a_b", "2"), attribute("le", "x")];
    let translated = translate(request("x", "", metric::Data::Gauge(Gauge { data_points: vec![point] })));
    let found: Vec<_> = points(&translated).into_keys().collect();
    assert_eq!(found, [r#"x{a_b="1;2",instance="i1",job="shop",le="x"}"#]);
}

#[test]
fn json_is_read_as_the_protocol_writes_it() {
    let text = r#"{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},
        "scopeMetrics":[{"scope":{"name":"s"},"metrics":[{"name":"hits","unit":"1","sum":{"aggregationTemporality":2,
        "isMonotonic":true,"dataPoints":[{"asInt":"7","startTimeUnixNano":"1000000","timeUnixNano":"2000000",
        "attributes":[{"key":"n","value":{"intValue":"3"}}]}]}}]}]}]}"#;
    let translated = translate(serde_json::from_str(text).unwrap());
    let expected =
        [(r#"hits_total{job="shop",n="3"}"#.to_owned(), vec![(Kind::Counter, Point::new(2, 7.0))])];
    assert_eq!(points(&translated), expected.into());
}

#[test]
fn one_data_point_cannot_stand_for_more_than_a_write_holds() {
    let histogram = |buckets: usize, attributes: Vec<KeyValue>| {
        let point = HistogramDataPoint {
            attributes,
            time_unix_nano: SECOND,
            start_time_unix_nano: 1,
            count: u64::MAX,
            bucket_counts: vec![u64::MAX; buckets + 1],
            explicit_bounds: (0..buckets).map(|bound| bound as f64).collect(),
            ..HistogramDataPoint::default()
        };
        let aggregation_temporality = Temporality::Cumulative.into();
        let data = metric::Data::Histogram(Histogram { data_points: vec![point], aggregation_temporality });
        translate(request("h", "", data))
    };
    let many = histogram(BATCH_STREAMS_MAX, Vec::new());
    assert_eq!(many.oversize, Some(Oversize::Streams(BATCH_STREAMS_MAX + 1)));
    let long = histogram(10_000, vec![attribute("long", &"x".repeat(15_000))]);
    assert_eq!(long.oversize, Some(Oversize::Labels(LABEL_BYTES_MAX)));
    let fits = histogram(100, vec![attribute("long", &"x".repeat(15_000))]);
    assert_eq!((fits.oversize, fits.refused.len()), (None, 0));
    assert_eq!(points(&fits).len(), 102, "100 bounds, +Inf and the count");
}

/// Any message at all: fields by number with small values, nested.
fn wire(depth: u32) -> BoxedStrategy<Vec<u8>> {
    let leaf = prop_oneof![
        (1_u8..16, any::<u8>()).prop_map(|(number, value)| vec![number << 3, value & 0x7f]),
        (1_u8..16, any::<u64>())
            .prop_map(|(number, value)| { [&[number << 3 | 1][..], &value.to_le_bytes()].concat() }),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let inner = (1_u8..13, prop::collection::vec(wire(depth - 1), 0..4)).prop_map(|(number, parts)| {
        let inner = parts.concat();
        let mut out = vec![number << 3 | 2];
        prost::encoding::encode_varint(inner.len() as u64, &mut out);
        [out, inner].concat()
    });
    prop_oneof![leaf, inner].boxed()
}

proptest! {
    #[test]
    fn hostile_messages_do_not_panic(parts in prop::collection::vec(wire(6), 0..6), path in 0_usize..5) {
        let mut bytes = parts.concat();
        // Far enough in that there is something to translate.
        for number in [1, 2, 2, 9].into_iter().take(path).rev() {
            let mut out = vec![number << 3 | 2];
            prost::encoding::encode_varint(bytes.len() as u64, &mut out);
            bytes = [out, bytes].concat();
        }
        let _ = judge_protobuf(&bytes);
        if let Ok(message) = ExportMetricsServiceRequest::decode(&*bytes) {
            let translated = translate(message);
            let refused: usize = translated.refused.iter().map(|refused| refused.data_points).sum();
            prop_assert!(refused <= translated.data_points);
        }
    }
}
