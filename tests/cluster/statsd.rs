//! StatsD lines sprayed over nodes, one of which is killed: one series, the exact sum, on every node.

use tokio::net::UdpSocket;

use crate::harness::{Cluster, Node};

async fn send(node: &Node, datagram: &str) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = node.statsd.expect("the node takes StatsD lines");
    assert_eq!(socket.send_to(datagram.as_bytes(), address).await.unwrap(), datagram.len());
}

async fn cluster_with_statsd(size: usize) -> Cluster {
    let mut cluster = Cluster::empty();
    for index in 0..size {
        cluster.add(&format!("n{}", index + 1), &["--statsd", "127.0.0.1:0", "--statsd-buckets", "0.1,1"]);
        cluster.start_node(index).await;
    }
    cluster.all_ready().await;
    cluster
}

async fn all_read(cluster: &Cluster, selector: &str, expected: f64) {
    cluster
        .eventually(&format!("every node reads {expected} for {selector}"), async || {
            for node in &cluster.nodes {
                if node.value(selector).await != Some(expected) {
                    return false;
                }
            }
            true
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_sprayed_over_nodes_are_one_exact_series_and_a_killed_node_loses_none() {
    let mut cluster = cluster_with_statsd(3).await;
    for round in 0..90 {
        let node = &cluster.nodes[round % 3];
        send(node, "web.hits:1|c|#path:/\nweb.hits:2|c|@0.5|#path:/\nweb.time:250|ms").await;
    }
    all_read(&cluster, r#"web_hits{path="/"}"#, 90.0 * 5.0).await;
    all_read(&cluster, r#"web_time_bucket{le="1"}"#, 90.0).await;
    all_read(&cluster, "web_time_sum", 90.0 * 0.25).await;
    cluster.nodes[1].kill();
    cluster.start_node(1).await;
    cluster.all_ready().await;
    for node in &cluster.nodes {
        send(node, "web.hits:10|c|#path:/").await;
    }
    all_read(&cluster, r#"web_hits{path="/"}"#, 480.0).await;
    cluster.all_agree().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_lines_are_counted_and_what_was_counted_is_written_before_the_end() {
    let mut cluster = cluster_with_statsd(1).await;
    send(&cluster.nodes[0], "a:1|c\nnonsense\na:-1|c\nroom:+2|g\nroom:+1|g").await;
    let refused = r#"shoal_points_refused_total{door="statsd",reason="syntax"} 1"#;
    cluster
        .eventually("the lines are counted", async || {
            let (_, text) = cluster.nodes[0].get("/metrics").await.unwrap();
            text.contains(refused) && text.contains(r#"shoal_points_accepted_total{door="statsd"} 3"#)
        })
        .await;
    assert!(cluster.nodes[0].terminate().await.success());
    cluster.start_node(0).await;
    all_read(&cluster, "a", 1.0).await;
    all_read(&cluster, "room", 3.0).await;
}
