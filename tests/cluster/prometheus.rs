//! The Prometheus HTTP API: what a dashboard asks for, by GET and by POST, and how bad questions are refused.

use serde_json::{Value, json};
use shoal_proto::v1;
use shoal_proto::v1::query_client::QueryClient;

use crate::harness::{Cluster, Node};

const DATA: &str =
    "up{job=\"x\"} 1\nhttp_total{job=\"x\",path=\"/\"} 5\nhttp_total{job=\"x\",path=\"/a\"} 7\n";

async fn node_with_data() -> Cluster {
    let cluster = Cluster::start(1).await;
    let (status, answer) = cluster.nodes[0].post("/api/v1/import/prometheus", DATA).await.unwrap();
    assert_eq!(status, 204, "{answer}");
    cluster
}

fn body(answer: &str) -> Value {
    let text = answer.split_once("\r\n\r\n").unwrap().1;
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

async fn data(node: &Node, path: &str) -> Value {
    let (status, answer) = node.get(&format!("/api/v1/{path}")).await.unwrap();
    let body = body(&answer);
    assert_eq!((status, &body["status"]), (200, &json!("success")), "{path}: {answer}");
    body["data"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_answered_by_get_and_by_post() {
    let cluster = node_with_data().await;
    let node = &cluster.nodes[0];
    let sum = data(node, "query?query=sum(http_total)").await;
    assert_eq!(sum["resultType"], "vector");
    assert_eq!(sum["result"][0]["value"][1], "12");
    let (status, posted) =
        node.post_form("/api/v1/query", "query=sum%28http_total%29&limit=1").await.unwrap();
    assert_eq!((status, &body(&posted)["data"]["result"][0]["value"][1]), (200, &json!("12")));
    let range = "query=up&start=0&end=2&step=1s";
    let (status, posted) = node.post_form("/api/v1/query_range", range).await.unwrap();
    assert_eq!((status, &body(&posted)["data"]), (200, &json!({"resultType": "matrix", "result": []})));
    let scalar = data(node, "query?query=1%2B1&time=1970-01-01T00:00:10Z").await;
    assert_eq!(scalar, json!({"resultType": "scalar", "result": [10, "2"]}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_source_finds_what_there_is() {
    let cluster = node_with_data().await;
    let node = &cluster.nodes[0];
    assert_eq!(data(node, "series?match[]=up").await, json!([{"__name__": "up", "job": "x"}]));
    assert_eq!(data(node, "labels?match[]=http_total").await, json!(["__name__", "job", "path"]));
    assert_eq!(data(node, "label/path/values?match[]=http_total").await, json!(["/", "/a"]));
    assert_eq!(data(node, "label/path/values?match[]=http_total&limit=1").await, json!(["/"]));
    assert_eq!(data(node, "format_query?query=sum(up)by(job)").await, json!("sum by (job) (up)"));
    assert_eq!(data(node, "parse_query?query=up").await["type"], "vectorSelector");
    assert!(data(node, "status/buildinfo").await["version"].is_string());
    assert_eq!(data(node, "metadata").await, json!({}));
    assert_eq!(data(node, "query_exemplars?query=up").await, json!([]));
    assert_eq!(data(node, "rules").await, json!({"groups": []}));
    assert_eq!(data(node, "alerts").await, json!({"alerts": []}));
    assert!(data(node, "status/runtimeinfo").await["storageRetention"].is_string());
    assert_eq!(data(node, "status/config").await, json!({"yaml": ""}));
    assert_eq!(data(node, "status/flags").await, json!({}));
    assert_eq!(data(node, "targets").await["activeTargets"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn series_and_labels_are_those_with_points_in_the_range() {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    let now = now_seconds();
    let (old, new) = (now - 7_200, now - 60);
    let text = format!("gone{{a=\"1\"}} 1 {}\nhere{{b=\"2\"}} 2 {}\n", old * 1_000, new * 1_000);
    let (status, answer) = node.post("/api/v1/import/prometheus", &text).await.unwrap();
    assert_eq!(status, 204, "{answer}");
    let names = "label/__name__/values";
    assert_eq!(data(node, names).await, json!(["gone", "here"]));
    assert_eq!(data(node, &format!("{names}?start={}", now - 600)).await, json!(["here"]));
    assert_eq!(data(node, &format!("{names}?end={}", now - 600)).await, json!(["gone"]));
    let range = format!("start={}&end={now}", now - 600);
    assert_eq!(data(node, &format!("labels?{range}")).await, json!(["__name__", "b"]));
    let all = "match[]=%7B__name__%3D~%22.%2B%22%7D";
    assert_eq!(data(node, &format!("series?{all}&{range}")).await, json!([{"__name__": "here", "b": "2"}]));
    assert_eq!(data(node, &format!("series?{all}&limit=1")).await.as_array().unwrap().len(), 1);
    let (status, _) = node.get("/api/v1/labels?start=10&end=5").await.unwrap();
    assert_eq!(status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_says_what_was_applied_and_waits_for_a_token() {
    let cluster = Cluster::start(2).await;
    let (writer, reader) = (&cluster.nodes[0], &cluster.nodes[1]);
    let (status, written) = writer.post("/api/v1/import/prometheus", DATA).await.unwrap();
    assert_eq!(status, 204, "{written}");
    let token = header(&written, "shoal-token").unwrap().to_owned();
    for path in [
        "query?query=up",
        "labels",
        "series?match[]=up",
        "label/job/values",
        "query_range?query=up&start=0&end=1&step=1",
    ] {
        let (status, answer) =
            reader.get_with(&format!("/api/v1/{path}"), &[("shoal-token", &token)]).await.unwrap();
        assert_eq!(status, 200, "{path}: {answer}");
        assert_eq!(header(&answer, "shoal-frontier").map(str::len), Some(32), "{path}: {answer}");
    }
    let answer = reader.get_with("/api/v1/query?query=up", &[("shoal-token", &token)]).await.unwrap().1;
    assert_eq!(body(&answer)["data"]["result"][0]["value"][1], "1");
    let (status, answer) = reader.get_with("/api/v1/labels", &[("shoal-token", "no")]).await.unwrap();
    assert_eq!((status, &body(&answer)["errorType"]), (400, &json!("bad_data")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_reply_is_packed_for_who_reads_that_and_explained_on_demand() {
    let cluster = node_with_data().await;
    let node = &cluster.nodes[0];
    let path = "/api/v1/query_range?query=vector(time())&start=0&end=5000&step=1";
    let plain = node.get(path).await.unwrap().1;
    assert_eq!(
        (
            header(&plain, "content-encoding"),
            body(&plain)["data"]["result"][0]["values"].as_array().unwrap().len()
        ),
        (None, 5001)
    );
    let (head, packed) = node.get_bytes(path, &[("accept-encoding", "gzip")]).await.unwrap();
    assert_eq!(header(&head, "content-encoding"), Some("gzip"), "{head}");
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(packed.as_slice()), &mut text).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), body(&plain));

    let explained = body(&node.get("/api/v1/query?query=sum(http_total)&explain=1").await.unwrap().1);
    assert_eq!(explained["data"]["result"][0]["value"][1], "12");
    assert_eq!(
        (&explained["explain"]["series"], &explained["explain"]["points"]),
        (&json!(2), &json!(2)),
        "{explained}"
    );
    assert!(explained["explain"]["evaluate_ms"].is_number());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_prometheus_can_federate() {
    let cluster = node_with_data().await;
    let node = &cluster.nodes[0];
    let (status, answer) = node.get("/federate?match[]=http_total&match[]=up&match[]=up").await.unwrap();
    let text = answer.split_once("\r\n\r\n").unwrap().1;
    let lines: Vec<&str> =
        text.lines().map(|line| line.rsplit_once(' ').map_or(line, |(text, _)| text)).collect();
    let expected = [
        "# TYPE http_total",
        "http_total{job=\"x\",path=\"/\"} 5",
        "http_total{job=\"x\",path=\"/a\"} 7",
        "# TYPE up",
        "up{job=\"x\"} 1",
    ];
    assert_eq!((status, lines), (200, expected.to_vec()), "{answer}");
    assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
    assert_eq!(node.get("/federate").await.unwrap().0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expression_can_be_asked_and_watched_by_grpc() {
    let cluster = node_with_data().await;
    let address = format!("http://{}", cluster.nodes[0].client);
    let mut client = QueryClient::connect(address).await.unwrap();
    let ask = |query: &str| v1::QueryRequest { query: query.to_owned(), ..Default::default() };
    let reply = client.query(ask("sum(http_total)")).await.unwrap().into_inner();
    assert_eq!((reply.r#type(), &reply.series[0].values), (v1::ResultType::Vector, &vec![12.0]));
    let range =
        v1::QueryRangeRequest { query: "time()".to_owned(), start: 0, end: 2_000, step: 1_000, terms: None };
    let reply = client.query_range(range).await.unwrap().into_inner();
    assert_eq!((reply.r#type(), &reply.series[0].values), (v1::ResultType::Matrix, &vec![0.0, 1.0, 2.0]));
    let refused = client.query(ask("sum(")).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{refused}");

    let watch = v1::WatchRequest { query: "sum(http_total)".to_owned(), interval: 100, terms: None };
    let mut changes = client.watch(watch).await.unwrap().into_inner();
    assert_eq!(changes.message().await.unwrap().unwrap().series[0].values, [12.0]);
    cluster.nodes[0].post("/api/v1/import/prometheus", "http_total{path=\"/b\"} 30\n").await.unwrap();
    assert_eq!(changes.message().await.unwrap().unwrap().series[0].values, [42.0]);
    let bad = v1::WatchRequest { query: "sum(".to_owned(), interval: 0, terms: None };
    assert_eq!(client.watch(bad).await.unwrap_err().code(), tonic::Code::InvalidArgument);
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split_once("\r\n\r\n").map_or(answer, |(head, _)| head);
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn now_seconds() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_secs()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_question_is_refused_in_prometheus_form() {
    let cluster = node_with_data().await;
    let node = &cluster.nodes[0];
    let questions = [
        ("query", 400, "bad_data"),
        ("query?query=sum(", 400, "bad_data"),
        ("query?query=up&time=noon", 400, "bad_data"),
        ("query?query=limitk(1,up)", 400, "bad_data"),
        ("query_range?query=up&start=0&end=1", 400, "bad_data"),
        ("query_range?query=up&start=0&end=1000000&step=1", 400, "bad_data"),
        ("query?query=abs(http_total)%2Bon()http_total", 422, "execution"),
        ("query?query=up&timeout=0", 503, "timeout"),
        ("query?query=up&lookback_delta=x", 400, "bad_data"),
        ("query?query=up&limit=x", 400, "bad_data"),
        ("query?query=info(up)", 400, "bad_data"),
        ("format_query?query=sum(", 400, "bad_data"),
        ("series", 400, "bad_data"),
        ("labels?match[]=%7B", 400, "bad_data"),
    ];
    for (path, status, kind) in questions {
        let (found, answer) = node.get(&format!("/api/v1/{path}")).await.unwrap();
        assert_eq!((found, &body(&answer)["errorType"]), (status, &json!(kind)), "{path}: {answer}");
    }
    let (status, _) = node.post("/api/v1/write", "this is no snappy block").await.unwrap();
    assert_eq!(status, 400);
}
