//! A snapshot of a running node brings back all that was acknowledged before it, and the restored node is one
//! of the cluster again; snapshots of all nodes bring back a whole cluster.

use std::fs;
use std::path::{Path, PathBuf};
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
fn snapshot(node: &Node, name: &str) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shoal"));
    let output = command.args(["snapshot", name, "--node", &node.client.to_string()]).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// Counts through a node until it is told to stop.
fn noise(node: &Node) -> (Arc<AtomicBool>, tokio::task::JoinHandle<()>) {
    let (stop, session) = (Arc::new(AtomicBool::new(false)), session(node));
    let is_over = stop.clone();
    let load = tokio::spawn(async move {
        let meanwhile = session.counter("meanwhile_total", &[]);
        while !is_over.load(Ordering::Relaxed) {
            meanwhile.add(1.0);
            session.flush().await.unwrap();
        }
    });
    (stop, load)
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
    let (stop, load) = noise(&cluster.nodes[0]);
    let told = tokio::task::block_in_place(|| snapshot(&cluster.nodes[0], "backup")).unwrap();
    let made = cluster.nodes[0].data.join("snapshots/backup");
    assert!(told.starts_with(&format!("{}: ", made.display())) && told.contains("copied"), "{told}");
    let again = tokio::task::block_in_place(|| snapshot(&cluster.nodes[0], "backup")).unwrap_err();
    assert!(again.contains("not empty"), "{again}");
    for elsewhere in ["/tmp/backup", "../backup", ".backup", "a/b", ""] {
        let refused = tokio::task::block_in_place(|| snapshot(&cluster.nodes[0], elsewhere)).unwrap_err();
        assert!(refused.contains("no name of a snapshot"), "{refused}");
    }
    stop.store(true, Ordering::Relaxed);
    load.await.unwrap();
    let backup = cluster.path("backup");
    fs::rename(made, &backup).unwrap();
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

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_cluster_is_restored_from_snapshots_taken_under_load() {
    let mut cluster = Cluster::empty();
    let backups = cluster.path("backups");
    for name in ["n1", "n2", "n3"] {
        let below = backups.join(name).display().to_string();
        let node = cluster.add(name, &["--snapshots", &below]);
        cluster.start_node(node).await;
    }
    cluster.all_ready().await;
    let counted = session(&cluster.nodes[1]);
    let before = counted.counter("before_total", &[]);
    for _ in 0..50 {
        before.add(1.0);
        counted.flush().await.unwrap();
    }
    let (stop, load) = noise(&cluster.nodes[2]);
    for node in &cluster.nodes {
        let told = tokio::task::block_in_place(|| snapshot(node, "today")).unwrap();
        assert!(told.starts_with(&format!("{}/{}/today: ", backups.display(), node.name)), "{told}");
    }
    stop.store(true, Ordering::Relaxed);
    load.await.unwrap();

    for node in &mut cluster.nodes {
        node.kill();
        fs::remove_dir_all(&node.data).unwrap();
        node.data = restorable(&backups, &node.name);
    }
    for index in 0..3 {
        cluster.start_node(index).await;
    }
    cluster.all_ready().await;
    cluster.all_agree().await;
    for node in &cluster.nodes {
        assert_eq!(node.value("before_total").await, Some(50.0), "at {}", node.name);
    }
    let warnings = cluster.nodes[0].field("warnings").await;
    assert_eq!(warnings, "[]", "nothing is missing");
    let after = session(&cluster.nodes[0]);
    after.counter("after_total", &[]).add(1.0);
    after.flush().await.unwrap();
    cluster.all_agree().await;
}

/// A copy of a node's snapshot, so that the snapshot can be used again.
fn restorable(backups: &Path, name: &str) -> PathBuf {
    let copy = backups.join(format!("{name}-restored"));
    let from = backups.join(name).join("today");
    let copied = Command::new("cp").arg("-a").arg(from).arg(&copy).status().unwrap();
    assert!(copied.success());
    copy
}
