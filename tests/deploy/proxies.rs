//! Three nodes behind each proxy of `deploy/proxies`: two are killed, one after the other, and the third is stopped in order, and no request through
//! the proxy fails; what was acknowledged is there once.

use crate::harness::Cluster;
use crate::proxy::{Kind, Proxy};
use crate::traffic::Traffic;

/// Requests of every kind of client between two steps.
const MUCH: u64 = 60;

async fn nodes_come_and_go_behind(kind: Kind) {
    let mut cluster = Cluster::empty();
    for number in 1..=3 {
        cluster.add(&format!("n{number}"), &["--drain", "5s"]);
    }
    for index in 0..3 {
        cluster.start_node(index).await;
    }
    cluster.all_ready().await;
    let Some(proxy) = Proxy::start(kind, &cluster).await else { return };
    let mut traffic = Traffic::start(proxy.http, proxy.grpc);
    traffic.goes_on(MUCH).await;

    for victim in [2, 1] {
        cluster.nodes[victim].kill();
        traffic.goes_on(MUCH).await;
        cluster.start_node(victim).await;
        cluster.all_ready().await;
        traffic.goes_on(MUCH).await;
    }
    // What Caddy cannot send again its clients do; the others need no such help.
    let repeated = traffic.repeated();
    assert!(kind == Kind::Caddy || repeated == 0, "{repeated} writes were answered 502 or 503");

    let ended = cluster.nodes[0].terminate().await;
    assert!(ended.success(), "{ended}:\n{}", cluster.nodes[0].log_tail());
    traffic.goes_on(MUCH).await;
    cluster.start_node(0).await;
    cluster.all_ready().await;
    traffic.goes_on(MUCH).await;

    assert_eq!(traffic.repeated(), repeated, "a node that stops in order fails nothing");
    let sums = traffic.end().await;
    println!(
        "{kind:?}: {} requests, {repeated} of them sent again, and {} calls of the SDK",
        sums.requests, sums.increments
    );
    cluster.all_agree().await;
    for node in &cluster.nodes {
        let points = sum(node, "sum(count_over_time(proxied[10m]))").await;
        assert_eq!(points, Some(sums.points as f64), "points at {}", node.name);
        assert_eq!(
            node.value("counted_total").await,
            Some(sums.increments as f64),
            "increments at {}",
            node.name
        );
    }
}

async fn sum(node: &crate::harness::Node, query: &str) -> Option<f64> {
    let (_, answer) = node.post_form("/api/v1/query", &format!("query={query}")).await?;
    let body: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
    body["data"]["result"][0]["value"][1].as_str()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_fails_behind_nginx() {
    nodes_come_and_go_behind(Kind::Nginx).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_fails_behind_haproxy() {
    nodes_come_and_go_behind(Kind::Haproxy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_fails_behind_caddy() {
    nodes_come_and_go_behind(Kind::Caddy).await;
}
