//! A snapshot of a running node brings back all that was acknowledged before it, and the restored node is one
//! of the cluster again.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use shoal_client::{Acks, Session, SessionConfig, WriteOptions};

use crate::harness::{Cluster, Node};

fn session(node: &Node) -> Session {
    let write = WriteOptions { acks: Acks::All, ..WriteOptions::default() };
    Session::new(node.client(), SessionConfig { write, ..SessionConfig::default() })
}

/// `shoal snapshot`, and what it says.
fn snapshot(node: &Node, directory: &str) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shoal"));
    let output = command.args(["snapshot", directory, "--node", &node.client.to_string()]).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_restored_from_a_snapshot_has_what_was_acknowledged_and_joins_again() {
    let mut cluster = Cluster::start(2).await;
    let counted = session(&cluster.nodes[0]);
    let before = counted.counter("before_total", &[]);
    for _ in 0..50 {
        before.add(1.0);
        counted.flush().await.unwrap();
    }
    let (stop, noise) = (Arc::new(AtomicBool::new(false)), session(&cluster.nodes[0]));
    let is_over = stop.clone();
    let load = tokio::spawn(async move {
        let meanwhile = noise.counter("meanwhile_total", &[]);
        while !is_over.load(Ordering::Relaxed) {
            meanwhile.add(1.0);
            noise.flush().await.unwrap();
        }
    });
    let backup = cluster.path("backup").display().to_string();
    let told = tokio::task::block_in_place(|| snapshot(&cluster.nodes[0], &backup)).unwrap();
    assert!(told.contains("bytes copied"), "{told}");
    let again = tokio::task::block_in_place(|| snapshot(&cluster.nodes[0], &backup)).unwrap_err();
    assert!(again.contains("not empty"), "{again}");
    let relative = tokio::task::block_in_place(|| snapshot(&cluster.nodes[0], "backup")).unwrap_err();
    assert!(relative.contains("absolute path"), "{relative}");
    stop.store(true, Ordering::Relaxed);
    load.await.unwrap();
    let node = cluster.nodes[0].state().await.unwrap()["node"].clone();

    // The other node is away, so that what is read comes from the snapshot.
    cluster.nodes.iter_mut().for_each(Node::kill);
    fs::remove_dir_all(&cluster.nodes[0].data).unwrap();
    fs::rename(&backup, &cluster.nodes[0].data).unwrap();
    cluster.start_node(0).await;
    cluster.eventually("the restored node is in service", async || cluster.nodes[0].is_ready().await).await;
    assert_eq!(cluster.nodes[0].value("before_total").await, Some(50.0));
    assert_eq!(cluster.nodes[0].state().await.unwrap()["node"], node, "it is the same node");

    cluster.start_node(1).await;
    cluster.all_ready().await;
    cluster.all_agree().await;
    for node in &cluster.nodes {
        assert_eq!(node.value("before_total").await, Some(50.0), "at {}", node.name);
    }
    let after = session(&cluster.nodes[0]);
    after.counter("after_total", &[]).add(1.0);
    after.flush().await.unwrap();
    cluster.all_agree().await;
}
