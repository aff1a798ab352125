//! What each door refuses of one request: the bad part with a count and the first reason, counted by door and reason,
//! and the rest is stored. Remote write has a file of its own.

use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::net::UdpSocket;

use crate::harness::{Cluster, Node};

const IMPORT: &str = "/api/v1/import/prometheus";
const OPENMETRICS: (&str, &str) = ("content-type", "application/openmetrics-text; version=1.0.0");
const GZIP: (&str, &str) = ("content-encoding", "gzip");
const JSON: (&str, &str) = ("content-type", "application/json");
/// More than a request may have once it is unpacked.
const BOMB_BYTES: usize = 17 << 20;

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

async fn assert_counted(node: &Node, door: &str, reasons: &[(&str, u64)]) {
    let (_, metrics) = node.get("/metrics").await.unwrap();
    for (reason, count) in reasons {
        let line = format!("shoal_points_refused_total{{door=\"{door}\",reason=\"{reason}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line} is not in {metrics}");
    }
}

async fn node_with(extra: &[&str]) -> Cluster {
    let mut cluster = Cluster::empty();
    cluster.add("n1", extra);
    cluster.start_node(0).await;
    cluster.all_ready().await;
    cluster
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_text_each_bad_line_refuses_itself() {
    let cluster = node_with(&["--future", "1m"]).await;
    let node = &cluster.nodes[0];
    let now = now_ms();
    let mut text = format!(
        "good 1 {now}\ntwice{{a=\"1\",a=\"2\"}} 1\nempty{{\"\"=\"1\"}} 1\nold 1 {}\nahead 1 {}\nnear 2 {}\n",
        now - 20 * 86_400_000,
        now + 120_000,
        now + 30_000,
    )
    .into_bytes();
    text.extend_from_slice(b"latin{a=\"\xe9\"} 1\nlast 3\n");
    let (status, answer) = node.post_bytes(IMPORT, &[GZIP], &gzipped(&text)).await.unwrap();
    assert_eq!(status, 400, "{answer}");
    assert!(answer.contains("5 refused, 3 stored") && answer.contains("given twice"), "{answer}");
    assert_eq!((node.value("good").await, node.value("last").await), (Some(1.0), Some(3.0)));
    assert_counted(node, "import", &[("syntax", 3), ("too_old", 1), ("future", 1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_kinds_of_one_series_the_later_is_refused() {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    let increment = format!("{IMPORT}?mode=increment&job=a");
    let (status, answer) =
        node.post(&increment, "# TYPE runs counter\nruns_total 1\nother 1\n").await.unwrap();
    assert_eq!(status, 204, "{answer}");
    let (status, answer) = node.post(IMPORT, "runs_total{job=\"a\"} 5\nfree 1\n").await.unwrap();
    assert!(status == 400 && answer.contains("1 refused, 1 stored"), "{answer}");
    assert!(answer.contains("cannot be a sample too"), "{answer}");
    assert_eq!((node.value("runs_total").await, node.value("free").await), (Some(1.0), Some(1.0)));
    assert_counted(node, "import", &[("family", 1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_cannot_be_unpacked_or_is_too_much_is_refused_whole() {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    let good = gzipped(b"x 1\n");
    let check = async |headers: &[(&str, &str)], body: &[u8], status: u16, part: &str| {
        let (found, answer) = node.post_bytes(IMPORT, headers, body).await.unwrap();
        assert!(found == status && answer.contains(part), "{found} instead of {status}: {answer}");
    };
    check(&[GZIP], &good[..good.len() - 9], 400, "gzip").await;
    check(&[GZIP], b"junk", 400, "gzip").await;
    check(&[GZIP], &gzipped(&vec![b'\n'; BOMB_BYTES]), 400, "limit").await;
    check(&[("content-encoding", "zstd")], &good, 400, "zstd").await;
    check(&[], &vec![b'\n'; BOMB_BYTES], 413, "").await;
    let many: String = (0..50_010).map(|n| format!("n{n} 1\n")).collect();
    check(&[], many.as_bytes(), 400, "over the limit of 50000").await;
    check(&[], "x 1\n".repeat(200_010).as_bytes(), 400, "over the limit of 200000").await;
    assert_eq!(node.value("x").await, None);
    assert_counted(node, "import", &[("encoding", 4), ("oversize", 2)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pushed_openmetrics_brings_exemplars_and_descriptions_to_every_node() {
    let cluster = Cluster::start(2).await;
    let long = "x".repeat(200);
    let text = format!(
        "# HELP runs How often.\n# TYPE runs counter\n# UNIT runs times\nruns_total 1 # {{trace_id=\"abc\"}} 0.5\n\
         walks_total 2 # {{trace_id=\"{long}\"}} 1\nsits_total 3 # nonsense\nfar_total 4 # {{trace_id=\"def\"}} 1 99999999999\n# EOF\n"
    );
    for (path, node) in [(IMPORT.to_owned(), 0), (format!("{IMPORT}?mode=replace&job=batch"), 1)] {
        let (status, answer) =
            cluster.nodes[node].post_bytes(&path, &[OPENMETRICS], text.as_bytes()).await.unwrap();
        assert_eq!(status, 204, "a bad exemplar is no reason to refuse its sample: {answer}");
        assert_counted(&cluster.nodes[node], "import", &[("exemplar", 3)]).await;
    }
    cluster.all_agree().await;
    for node in &cluster.nodes {
        let (_, shown) = node.get("/api/v1/query_exemplars?query=runs_total").await.unwrap();
        assert_eq!(shown.matches("\"trace_id\":\"abc\"").count(), 2, "of both series: {shown}");
        assert!(shown.contains("\"value\":\"0.5\"") && shown.contains("\"job\":\"batch\""), "{shown}");
        let (_, none) =
            node.get("/api/v1/query_exemplars?query=%7B__name__%3D~%22.%2Bs_total%22%7D").await.unwrap();
        assert_eq!(none.matches("trace_id").count(), 2, "{none}");
        let (_, meant) = node.get("/api/v1/metadata").await.unwrap();
        let expected = "\"runs\":[{\"help\":\"How often.\",\"type\":\"counter\",\"unit\":\"times\"}]";
        assert!(meant.contains(expected), "{meant}");
    }
}

/// A request of one gauge for each (name, attributes, time in ms).
fn gauges(points: &[(&str, &str, i64)]) -> String {
    let metrics: Vec<_> = points
        .iter()
        .map(|(name, attributes, ms)| {
            format!(
                "{{\"name\":\"{name}\",\"gauge\":{{\"dataPoints\":[{{\"asDouble\":1,\"timeUnixNano\":\"{ms}000000\",\
                 \"attributes\":[{attributes}]}}]}}}}"
            )
        })
        .collect();
    format!("{{\"resourceMetrics\":[{{\"scopeMetrics\":[{{\"metrics\":[{}]}}]}}]}}", metrics.join(","))
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_export_each_bad_data_point_is_rejected() {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    let export = async |headers: &[(&str, &str)], body: &[u8]| {
        node.post_bytes("/v1/metrics", headers, body).await.unwrap()
    };
    let now = now_ms();
    let long = format!("{{\"key\":\"k\",\"value\":{{\"stringValue\":\"{}\"}}}}", "v".repeat(20_000));
    let points = [
        ("good", "", now),
        ("old", "", now - 20 * 86_400_000),
        ("ahead", "", now + 3_600_000),
        ("long", &long, now),
        ("", "", now),
        ("also_good", "", now),
    ];
    let (status, answer) = export(&[JSON], gauges(&points).as_bytes()).await;
    assert!(
        status == 200 && answer.replace("\":\"", "\":").contains("rejectedDataPoints\":4"),
        "{status} {answer}"
    );
    assert!(answer.contains("labels of"), "the first reason is told: {answer}");
    assert_eq!((node.value("good").await, node.value("also_good").await), (Some(1.0), Some(1.0)));
    assert_counted(node, "otlp", &[("labels", 2), ("too_old", 1), ("future", 1)]).await;

    let good = gzipped(gauges(&points[..1]).as_bytes());
    assert_eq!(export(&[JSON, GZIP], &good).await.0, 200);
    for bad in [&good[..good.len() - 9], b"junk", &gzipped(&vec![b' '; BOMB_BYTES])] {
        let (status, answer) = export(&[JSON, GZIP], bad).await;
        assert_eq!(status, 400, "{answer}");
    }
    assert_eq!(export(&[JSON, ("content-encoding", "zstd")], &good).await.0, 400);
    let latin = gauges(&[("latin_x", "", now)]).replace("latin_x", "\u{e9}").into_bytes();
    let latin: Vec<u8> = latin.into_iter().filter(|byte| *byte != 0xc3).collect();
    assert_eq!(export(&[JSON], &latin).await.0, 400, "a text that is not UTF-8 is no JSON");
    assert_counted(node, "otlp", &[("syntax", 1), ("encoding", 4)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_datagrams_each_bad_line_is_dropped() {
    let cluster = node_with(&["--statsd", "127.0.0.1:0"]).await;
    let node = &cluster.nodes[0];
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let long = format!("{}:1|c", "x".repeat(20_000));
    let bad: [(&[u8], &str); 8] = [
        (b"hits:1|c\nnonsense\nhits:1|c", "syntax"),
        (b"hits:1|c\nhits:1|q", "type"),
        (b"hits:1|c|@0\nhits:1|c", "rate"),
        (b"hits:x|c\nhits:1|c", "value"),
        (b"hits:-1|c\nhits:1|c", "value"),
        (b"hits:nan|c\nhits:1|c", "value"),
        (b"_e{1,1}:a|b\nhits:1|c", "no_metric"),
        (long.as_bytes(), "labels"),
    ];
    for (datagram, _) in bad {
        socket.send_to(datagram, node.statsd.unwrap()).await.unwrap();
    }
    cluster.eventually("the good lines count", async || node.value("hits").await == Some(8.0)).await;
    let counted = ["syntax", "type", "rate", "no_metric", "labels"].map(|reason| (reason, 1));
    assert_counted(node, "statsd", &counted).await;
    assert_counted(node, "statsd", &[("value", 3)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_full_takes_points_of_the_series_it_has() {
    let cluster = node_with(&["--series-max", "3", "--statsd", "127.0.0.1:0"]).await;
    let node = &cluster.nodes[0];
    let (status, answer) = node.post(IMPORT, "a 1\nb 1\nc 1\nd 1\n").await.unwrap();
    assert!(status == 400 && answer.contains("1 refused, 3 stored"), "{status} {answer}");
    assert!(answer.contains("series d is new, and --series-max 3"), "{answer}");
    let (status, answer) = node.post(IMPORT, "a 2\nb 2\nc 2\n").await.unwrap();
    assert_eq!(status, 204, "{answer}");
    let (status, answer) = node.post(IMPORT, "e 1\nf 1\n").await.unwrap();
    assert!(status == 429 && answer.to_ascii_lowercase().contains("retry-after: 1"), "{status} {answer}");
    let now = now_ms();
    let (status, answer) =
        node.post_bytes("/v1/metrics", &[JSON], gauges(&[("g", "", now)]).as_bytes()).await.unwrap();
    assert!(status == 200 && answer.contains("--series-max 3"), "{answer}");
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(b"s:1|c", node.statsd.unwrap()).await.unwrap();
    cluster
        .eventually("StatsD's new series is refused too", async || {
            let (_, metrics) = node.get("/metrics").await.unwrap();
            metrics.contains("door=\"statsd_totals\",reason=\"series_limit\"")
        })
        .await;
    assert_eq!(node.field("streams").await, "3");
    assert_eq!((node.value("a").await, node.value("d").await), (Some(2.0), None));
    assert_counted(node, "import", &[("series_limit", 3)]).await;
    assert_counted(node, "otlp", &[("series_limit", 1)]).await;
}
