//! What short jobs push: increments add up over nodes and retries, OpenMetrics is read, bad texts end nothing.

use crate::harness::Cluster;

const INCREMENT: &str = "/api/v1/import/prometheus?mode=increment&job=batch";
const REPLACE: &str = "/api/v1/import/prometheus?mode=replace&job=batch";

#[tokio::test(flavor = "multi_thread")]
async fn increments_pushed_to_any_node_add_up() {
    let cluster = Cluster::start(3).await;
    for round in 0..9 {
        let body = format!("# TYPE runs counter\nruns_total {round}\n# TYPE last gauge\nlast {round}\n");
        let (status, answer) = cluster.nodes[round % 3].post(INCREMENT, &body).await.unwrap();
        assert_eq!(status, 204, "{answer}");
    }
    cluster.all_agree().await;
    for node in &cluster.nodes {
        assert_eq!(node.value("runs_total{job=\"batch\"}").await, Some(36.0));
        assert_eq!(node.value("last").await, Some(8.0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_push_is_told_and_ends_nothing() {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    assert_eq!(node.post(REPLACE, "a 1\nb 2\n").await.unwrap().0, 204);
    let (status, answer) = node.post(REPLACE, "a 3\nb{ 4\n").await.unwrap();
    assert!(status == 400 && answer.contains("1 refused, 1 stored") && answer.contains("line 2"), "{answer}");
    assert_eq!((node.value("a").await, node.value("b").await), (Some(3.0), Some(2.0)));
    assert_eq!(node.post(REPLACE, "a 5\n").await.unwrap().0, 204);
    assert_eq!((node.value("a").await, node.value("b").await), (Some(5.0), None));
    for (path, part) in [
        ("/metrics/job/a/b", "has no value"),
        ("/api/v1/import/prometheus?mode=replace", "begins with its job"),
        ("/api/v1/import/prometheus?mode=x&job=a", "none of replace and increment"),
    ] {
        let (status, answer) = node.post(path, "a 1\n").await.unwrap();
        assert!(status == 400 && answer.contains(part), "{path}: {answer}");
    }
}
