//! Remote write and OTLP as doors: what is refused, with which answer, and that the rest of a request is stored.
//! Requests are written by the field numbers of the specifications.

use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;
use serde_json::Value;

use crate::harness::{Cluster, Node};

#[derive(Clone, PartialEq, Message)]
struct V1 {
    #[prost(message, repeated, tag = "1")]
    series: Vec<V1Series>,
}

#[derive(Clone, PartialEq, Message)]
struct V1Series {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(bytes = "vec", tag = "1")]
    name: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    time: i64,
}

#[derive(Clone, PartialEq, Message)]
struct V2 {
    #[prost(string, repeated, tag = "4")]
    symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    series: Vec<V2Series>,
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
}

#[derive(Clone, PartialEq, Message)]
struct V2Exemplar {
    #[prost(uint32, repeated, tag = "1")]
    labels: Vec<u32>,
    #[prost(double, tag = "2")]
    value: f64,
    #[prost(int64, tag = "3")]
    time: i64,
}

#[derive(Clone, PartialEq, Message)]
struct V2Metadata {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(uint32, tag = "3")]
    help: u32,
}

const PATH: &str = "/api/v1/write";
const V1_TYPE: (&str, &str) = ("content-type", "application/x-protobuf");
const V2_TYPE: (&str, &str) = ("content-type", "application/x-protobuf;proto=io.prometheus.write.v2.Request");
const SNAPPY: (&str, &str) = ("content-encoding", "snappy");

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

fn series(pairs: &[(&[u8], &[u8])], samples: &[(i64, f64)]) -> V1Series {
    let label = |(name, value): &(&[u8], &[u8])| Label { name: name.to_vec(), value: value.to_vec() };
    let samples = samples.iter().map(|(time, value)| Sample { value: *value, time: *time }).collect();
    V1Series { labels: pairs.iter().map(label).collect(), samples }
}

fn packed(message: &impl Message) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(&message.encode_to_vec()).unwrap()
}

async fn post(node: &Node, headers: &[(&str, &str)], body: &[u8]) -> (u16, String) {
    node.post_bytes(PATH, headers, body).await.unwrap()
}

fn header(answer: &str, name: &str) -> Option<String> {
    let line = answer.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}: ")))?;
    Some(line.split_once(": ")?.1.trim().to_owned())
}

async fn value(node: &Node, query: &str) -> Option<String> {
    let (_, answer) = node.post_form("/api/v1/query", &format!("query={query}")).await?;
    let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
    Some(body["data"]["result"][0]["value"][1].as_str()?.to_owned())
}

async fn metrics(node: &Node) -> String {
    node.get("/metrics").await.unwrap().1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_series_or_sample_refuses_itself_and_the_rest_is_stored() {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    let now = now_ms();
    let name = |text: &'static str| (b"__name__".as_slice(), text.as_bytes());
    let request = V1 {
        series: vec![
            series(&[name("good")], &[(now - 1_000, 1.0), (now, 2.0)]),
            series(&[name("twice"), (b"a", b"1"), (b"a", b"2")], &[(now, 1.0)]),
            series(&[name("empty"), (b"", b"1")], &[(now, 1.0)]),
            series(&[(b"job", b"nameless")], &[(now, 1.0)]),
            series(&[name("latin"), (b"a", b"\xe9")], &[(now, 1.0)]),
            series(&[name("times")], &[(now - 3_600_000_000, 1.0), (now + 3_600_000, 1.0), (now, 7.0)]),
        ],
    };
    for round in 0..2 {
        let (status, answer) = post(node, &[V1_TYPE, SNAPPY], &packed(&request)).await;
        assert_eq!(status, 400, "round {round}: {answer}");
        assert!(answer.contains("6 refused, 3 stored"), "{answer}");
        assert!(answer.contains("label \\\"a\\\" is given twice"), "the first reason is told: {answer}");
        assert_eq!(header(&answer, "shoal-copies").as_deref(), Some("1"), "{answer}");
    }
    assert_eq!(value(node, "count_over_time(good[1m])").await.as_deref(), Some("2"));
    assert_eq!(value(node, "times").await.as_deref(), Some("7"));
    let metrics = metrics(node).await;
    for (reason, count) in [("labels", 8), ("too_old", 2), ("future", 2)] {
        let line = format!("door=\"remote_write\",reason=\"{reason}\"}} {count}");
        assert!(metrics.contains(&line), "{line} is not in {metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_is_refused_whole_by_its_kind() {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    let good = packed(&V1 { series: vec![series(&[(b"__name__", b"x")], &[(now_ms(), 1.0)])] });
    let bomb = [0xff, 0xff, 0xff, 0x7f, 0];
    let check = async |headers: &[(&str, &str)], body: &[u8], status: u16| {
        let (found, answer) = post(node, headers, body).await;
        assert_eq!(found, status, "{answer}");
    };
    check(&[V1_TYPE, SNAPPY], &bomb, 400).await;
    check(&[V1_TYPE, SNAPPY], &good[..good.len() - 3], 400).await;
    check(&[V1_TYPE, SNAPPY], b"junk", 400).await;
    check(&[("content-type", "text/plain"), SNAPPY], &good, 415).await;
    check(&[("content-type", "application/x-protobuf;proto=a.B"), SNAPPY], &good, 415).await;
    check(&[V1_TYPE, ("content-encoding", "gzip")], &good, 415).await;
    check(&[V1_TYPE, SNAPPY, ("shoal-writer", "me")], &good, 400).await;
    check(&[V1_TYPE, SNAPPY, ("shoal-acks", "none")], &good, 400).await;
    check(&[V1_TYPE, SNAPPY, ("shoal-acks", "2")], &good, 503).await;
    check(&[V1_TYPE, SNAPPY], &vec![0; 17 << 20], 413).await;
    assert_eq!(value(node, "x").await, None);
    check(&[V1_TYPE, SNAPPY], &good, 204).await;
    assert_eq!(value(node, "x").await.as_deref(), Some("1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn version_two_tells_what_it_wrote_and_finds_the_series_of_version_one() {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    let now = now_ms();
    let one = V1 { series: vec![series(&[(b"__name__", b"hits"), (b"job", b"x")], &[(now - 1_000, 1.0)])] };
    assert_eq!(post(node, &[V1_TYPE, SNAPPY], &packed(&one)).await.0, 204);
    let symbols = ["", "__name__", "hits", "job", "x", "native"].map(str::to_owned).to_vec();
    let sample = Sample { value: 2.0, time: now };
    let hits = V2Series { labels: vec![1, 2, 3, 4], samples: vec![sample.clone()], ..V2Series::default() };
    let native = V2Series { labels: vec![1, 5], histograms: vec![vec![]], ..V2Series::default() };
    let both = V2 { symbols: symbols.clone(), series: vec![hits.clone(), native] };
    let (status, answer) = post(node, &[V2_TYPE, SNAPPY], &packed(&both)).await;
    assert_eq!(status, 400, "a native histogram is refused: {answer}");
    assert_eq!(header(&answer, "x-prometheus-remote-write-samples-written").as_deref(), Some("1"));
    assert_eq!(header(&answer, "x-prometheus-remote-write-histograms-written").as_deref(), Some("0"));
    let alone = V2 { symbols, series: vec![hits] };
    let (status, answer) = post(node, &[V2_TYPE, SNAPPY], &packed(&alone)).await;
    assert_eq!(status, 204, "{answer}");
    assert!(header(&answer, "shoal-token").is_some(), "{answer}");
    assert_eq!(value(node, "count_over_time(hits[1m])").await.as_deref(), Some("2"));
    let (status, answer) = post(node, &[V2_TYPE, SNAPPY], b"junk").await;
    assert_eq!(
        (status, header(&answer, "x-prometheus-remote-write-samples-written").as_deref()),
        (400, Some("0"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_writer_is_another_stream_of_the_same_series() {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    let request = packed(&V1 { series: vec![series(&[(b"__name__", b"x")], &[(now_ms(), 1.0)])] });
    for writer in ["1", "2", "1"] {
        let headers = [V1_TYPE, SNAPPY, ("shoal-writer", &*writer.repeat(32))];
        assert_eq!(post(node, &headers, &request).await.0, 204);
    }
    assert_eq!((node.field("streams").await, node.field("series").await), ("2".to_owned(), "1".to_owned()));
    assert_eq!(value(node, "count_over_time(x[1m])").await.as_deref(), Some("1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn descriptions_and_exemplars_are_answered_by_every_node_and_after_a_kill() {
    let mut cluster = Cluster::start(2).await;
    let now = now_ms();
    let long = "x".repeat(200);
    let symbols = ["", "__name__", "wait_bucket", "le", "1", "how long", "trace_id", "abc", &long];
    let exemplar = |label| V2Exemplar { labels: vec![6, label], value: 0.5, time: now };
    let wait = V2Series {
        labels: vec![1, 2, 3, 4],
        samples: vec![Sample { value: 2.0, time: now }],
        exemplars: vec![exemplar(7), exemplar(8)],
        metadata: Some(V2Metadata { kind: 3, help: 5 }),
        ..V2Series::default()
    };
    let request = packed(&V2 { symbols: symbols.map(str::to_owned).to_vec(), series: vec![wait] });
    for _ in 0..2 {
        let (status, answer) = post(&cluster.nodes[0], &[V2_TYPE, SNAPPY], &request).await;
        assert_eq!(status, 204, "{answer}");
        assert_eq!(header(&answer, "x-prometheus-remote-write-exemplars-written").as_deref(), Some("1"));
    }
    cluster.nodes[0].kill();
    cluster.start_node(0).await;
    cluster.all_ready().await;
    let found = "\"seriesLabels\":{\"__name__\":\"wait_bucket\",\"le\":\"1\"}";
    for node in &cluster.nodes {
        let (_, meant) = node.get("/api/v1/metadata").await.unwrap();
        let expected = "{\"wait\":[{\"help\":\"how long\",\"type\":\"histogram\",\"unit\":\"\"}]}";
        assert!(meant.contains(expected), "{}: {meant}", node.name);
        let query = "/api/v1/query_exemplars?query=rate(wait_bucket[5m])";
        let (_, shown) = node.get(query).await.unwrap();
        assert!(shown.contains(found) && shown.contains("\"labels\":{\"trace_id\":\"abc\"}"), "{shown}");
        assert_eq!(shown.matches("trace_id").count(), 1, "once, and none that is too long: {shown}");
        let (_, none) = node.get("/api/v1/query_exemplars?query=up").await.unwrap();
        assert!(none.contains("\"data\":[]"), "{none}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn otlp_by_http_answers_in_its_own_form() {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    let export = async |kind: &str, body: &str| {
        node.post_bytes("/v1/metrics", &[("content-type", kind)], body.as_bytes()).await.unwrap()
    };
    let nanos = now_ms() as u64 * 1_000_000;
    let body = |name: &str, kind: &str| {
        format!(
            r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"{name}","{kind}":{{"aggregationTemporality":2,
            "isMonotonic":true,"dataPoints":[{{"asInt":"7","count":"7","startTimeUnixNano":"{}","timeUnixNano":"{nanos}"}}]}}}}]}}]}}]}}"#,
            nanos - 1_000_000_000
        )
    };
    let (status, answer) = export("application/json", &body("hits", "sum")).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(value(node, "hits_total").await.as_deref(), Some("7"));
    let (status, answer) = export("application/json", &body("wide", "exponentialHistogram")).await;
    assert!(status == 200 && answer.contains("rejectedDataPoints"), "{status} {answer}");
    let (status, answer) = export("application/json", &body("hits_total", "gauge")).await;
    assert!(status == 200 && answer.contains("cannot be a gauge too"), "mixed kinds: {status} {answer}");
    assert_eq!(export("application/json", "{").await.0, 400);
    assert_eq!(export("application/x-protobuf", "junk").await.0, 400);
    assert_eq!(export("text/plain", "").await.0, 415);
    let metrics = metrics(node).await;
    for reason in ["histogram", "family", "syntax", "header"] {
        assert!(metrics.contains(&format!("door=\"otlp\",reason=\"{reason}\"")), "{reason}: {metrics}");
    }
}
