//! Rot on disk: pulled from a peer; alone, the node stays up and reports the hole.

use std::fs;

use shoal_client::{Session, SessionConfig};

use crate::harness::{Cluster, Node};

async fn fill(node: &Node) {
    let session = Session::new(node.client(), SessionConfig::default());
    let counter = session.counter("kept_total", &[]);
    for _ in 0..50 {
        counter.add(1.0);
        session.flush().await.unwrap();
    }
}

/// Flips a bit in the points of a frame in the middle of the first segment.
fn rot(node: &Node) {
    let mut segments: Vec<_> =
        fs::read_dir(node.data.join("journal")).unwrap().map(|e| e.unwrap().path()).collect();
    segments.sort();
    let mut bytes = fs::read(&segments[0]).unwrap();
    let middle = bytes.len() / 2;
    let frame = bytes[middle..].windows(4).position(|four| four == b"SHF\x01").expect("a frame begins there");
    bytes[middle + frame + 56] ^= 0x10;
    fs::write(&segments[0], bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn rot_is_pulled_from_a_peer() {
    let mut cluster = Cluster::start(2).await;
    fill(&cluster.nodes[0]).await;
    cluster.all_agree().await;
    cluster.nodes[0].kill();
    rot(&cluster.nodes[0]);
    cluster.start_node(0).await;
    cluster.all_ready().await;
    cluster.all_agree().await;
    assert_eq!(cluster.nodes[0].field("holes").await, "[]");
    assert_eq!(cluster.nodes[0].value("kept_total").await, Some(50.0));
    assert!(fs::read_to_string(cluster.nodes[0].log()).unwrap().contains("rotted"));
}

#[tokio::test(flavor = "multi_thread")]
async fn alone_the_node_stays_up_and_reports_the_hole() {
    let mut cluster = Cluster::start(1).await;
    fill(&cluster.nodes[0]).await;
    cluster.nodes[0].kill();
    rot(&cluster.nodes[0]);
    cluster.start_node(0).await;
    cluster.all_ready().await;
    let state = cluster.nodes[0].state().await.unwrap();
    assert_eq!(state["holes"].as_array().map(Vec::len), Some(1), "{state:#}");
    assert!(state["warnings"].to_string().contains("missing here"), "{state:#}");
    assert_eq!(cluster.nodes[0].value("kept_total").await, Some(50.0), "what came later still reads");
}
