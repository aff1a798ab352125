//! The Prometheus HTTP API: what a dashboard asks for, by GET and by POST, and how bad questions are refused.

use serde_json::{Value, json};

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
    assert_eq!(data(node, "targets").await["activeTargets"], json!([]));
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
