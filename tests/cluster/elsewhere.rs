//! What a node tells of itself, and of another member in its own words.

use serde_json::Value;

use crate::harness::{Cluster, Node};

fn body(answer: &str) -> Value {
    let text = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    // A chunked body has its length in a line of its own.
    serde_json::from_str(&text[text.find('{').unwrap()..=text.rfind('}').unwrap()]).unwrap()
}

async fn id(node: &Node) -> String {
    node.state().await.unwrap()["node"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_tells_what_it_uses_and_what_came_in() {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    let (status, answer) = node.post("/api/v1/import/prometheus", "a 1\nb 2\nc{ 3\n").await.unwrap();
    assert_eq!(status, 400, "{answer}");
    // The system counts in hundredths of a second; a quick node has not used one yet.
    let used = |state: Value| state["usage"]["cpu_seconds"].as_f64().is_some_and(|seconds| seconds > 0.0);
    cluster.eventually("it has used some CPU", async || node.state().await.is_some_and(used)).await;
    let state = node.state().await.unwrap();
    let usage = &state["usage"];
    let number = |field: &str| usage[field].as_f64().unwrap_or_default();
    let now = state["time_ms"].as_f64().unwrap();
    assert!(number("started_ms") > now - 600_000.0 && number("started_ms") <= now + 1000.0, "{state:#}");
    for field in
        ["cpu_seconds", "resident_bytes", "memory_bytes", "journal_bytes", "disk_bytes", "retention_ms"]
    {
        assert!(number(field) > 0.0, "{field}: {state:#}");
    }
    let import = &state["doors"]["import"];
    assert_eq!(import["accepted"], 2, "{state:#}");
    let refused = import["refused"].as_object().unwrap();
    assert_eq!(refused.values().filter_map(Value::as_u64).sum::<u64>(), 1, "{state:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_asked_through_another() {
    let mut cluster = Cluster::start(2).await;
    let [first, second] = &cluster.nodes[..] else { panic!("two nodes") };
    let (asked, own) = (id(second).await, id(first).await);
    let (status, answer) = first.get(&format!("/api/v1/members/{asked}/cluster")).await.unwrap();
    assert_eq!((status, body(&answer)["node"].as_str()), (200, Some(asked.as_str())), "{answer}");

    first.post("/api/v1/import/prometheus", "steps 7 1000\n").await.unwrap();
    let (status, answer) = first.post("/api/v1/import/prometheus", "steps 7\n").await.unwrap();
    assert_eq!(status, 204, "{answer}");
    cluster.all_agree().await;
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() + 1;
    let form = format!("query=steps&time={now}");
    let mut answers = Vec::new();
    for node in [&own, &asked] {
        let path = format!("/api/v1/members/{node}/query");
        let (status, answer) = cluster.nodes[0].post_form(&path, &form).await.unwrap();
        assert_eq!(status, 200, "{answer}");
        assert!(answer.contains("shoal-frontier: "), "{answer}");
        answers.push(body(&answer)["data"].to_string());
    }
    assert!(answers[0] == answers[1] && answers[0].contains("steps"), "{answers:?}");

    cluster.nodes[1].kill();
    let (status, answer) = cluster.nodes[0].get(&format!("/api/v1/members/{asked}/cluster")).await.unwrap();
    assert_eq!((status, body(&answer)["errorType"].as_str()), (502, Some("unavailable")), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_but_members_and_nothing_but_what_tells() {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    let own = id(node).await;
    let refused = [
        format!("/api/v1/members/{own}/write"),
        format!("/api/v1/members/{own}/..%2f..%2fmetrics"),
        "/api/v1/members/00000000000000000000000000000000/cluster".to_owned(),
        "/api/v1/members/127.0.0.1:80/cluster".to_owned(),
    ];
    for path in refused {
        let (status, answer) = node.get(&path).await.unwrap();
        assert_eq!(status, 404, "{path}: {answer}");
    }
}
