//! Only who holds the cluster's key is a peer; and clients need a token where one is asked for.

use std::fs;
use std::process::Command;

use crate::harness::{Cluster, Node};

fn keygen() -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_shoal")).arg("keygen").output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

async fn refused_peers(node: &Node) -> f64 {
    let (_, text) = node.get("/metrics").await.unwrap();
    let lines = text.lines().filter(|line| line.starts_with("shoal_peer_connections_refused_total"));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_another_key_or_none_gets_no_state() {
    let mut cluster = Cluster::empty();
    for name in ["right.key", "wrong.key"] {
        fs::write(cluster.path(name), keygen()).unwrap();
    }
    let (right, wrong) = (cluster.path("right.key"), cluster.path("wrong.key"));
    let first = cluster.add("n1", &["--cluster-key", right.to_str().unwrap()]);
    cluster.start_node(first).await;
    cluster.eventually("it is ready", async || cluster.nodes[first].is_ready().await).await;
    cluster.nodes[first].post("/api/v1/import/prometheus", "secret_figure 42\n").await.unwrap();

    let other_key = cluster.add("n2", &["--cluster-key", wrong.to_str().unwrap()]);
    let no_key = cluster.add("n3", &[]);
    let other_cluster = cluster.add("n4", &["--cluster-key", right.to_str().unwrap(), "--cluster", "other"]);
    let peer = cluster.nodes[first].peer;
    for index in [other_key, no_key, other_cluster] {
        cluster.nodes[index].start(&[peer]).await;
    }
    cluster
        .eventually("the strangers were refused again and again", async || {
            refused_peers(&cluster.nodes[first]).await >= 6.0
        })
        .await;
    for index in [other_key, no_key, other_cluster] {
        let state = cluster.nodes[index].state().await.unwrap();
        assert!(!cluster.nodes[index].is_ready().await);
        assert_eq!(
            (state["points"].as_u64(), state["members"].as_array().map(Vec::len)),
            (Some(0), Some(1)),
            "{state:#}"
        );
    }
    let state = cluster.nodes[first].state().await.unwrap();
    assert_eq!(state["members"].as_array().map(Vec::len), Some(1), "{state:#}");

    let friend = cluster.add("n5", &["--cluster-key", right.to_str().unwrap()]);
    cluster.nodes[friend].start(&[peer]).await;
    cluster
        .eventually("a node with the key is let in", async || {
            cluster.nodes[friend].is_ready().await
                && cluster.nodes[friend].value("secret_figure").await == Some(42.0)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_the_token_is_refused_in_its_own_protocol() {
    let mut cluster = Cluster::empty();
    fs::write(cluster.path("tokens"), "open-sesame\n").unwrap();
    let tokens = cluster.path("tokens");
    let node = cluster.add("n1", &["--token-file", tokens.to_str().unwrap()]);
    cluster.start_node(node).await;
    let node = &cluster.nodes[node];
    cluster.eventually("health needs no token", async || node.is_ready().await).await;
    let (status, answer) = node.get("/api/v1/cluster").await.unwrap();
    assert_eq!(status, 401, "{answer}");
    assert!(answer.contains(r#""errorType":"unauthorized""#), "{answer}");
    let refused = node.client().members().await.unwrap_err().to_string();
    assert!(refused.contains("bearer token"), "{refused}");
    let builder = shoal_client::Client::builder().seeds([node.client.to_string()]).only_seeds();
    assert!(builder.token("open-sesame").build().unwrap().members().await.is_ok());
}
