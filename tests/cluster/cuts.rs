//! Cuts of every shape: each node writes meanwhile, and once all links are back every node holds the same points
//! and gives the same answer, with nothing done by hand.

use shoal_client::{Session, SessionConfig};

use crate::harness::Node;
use crate::relay::RelayedCluster;

/// What node `index` adds to the counter: each digit of the sum tells which of them arrived.
fn share(index: usize) -> f64 {
    10_f64.powi(index as i32)
}

async fn count(node: &Node, value: f64) {
    let session = Session::new(node.client(), SessionConfig::default());
    session.counter("shares_total", &[]).add(value);
    session.flush().await.expect("every side takes writes");
}

async fn every_node_writes(relayed: &RelayedCluster) {
    for (index, node) in relayed.cluster.nodes.iter().enumerate() {
        count(node, share(index)).await;
    }
}

/// Waits until a node has left the links to these others and to no more.
async fn noticed(relayed: &RelayedCluster, node: usize, lost: &[usize]) {
    let cluster = &relayed.cluster;
    cluster
        .eventually("the cut is noticed", async || {
            for (index, other) in cluster.nodes.iter().enumerate() {
                let reaches = index == node || cluster.nodes[node].reaches(&other.name).await;
                if reaches == lost.contains(&index) {
                    return false;
                }
            }
            true
        })
        .await;
}

/// All links are back: everything is everywhere.
async fn heals(relayed: &RelayedCluster) {
    relayed.heal();
    relayed.cluster.all_ready().await;
    all_is_everywhere(relayed).await;
}

async fn all_is_everywhere(relayed: &RelayedCluster) {
    relayed.cluster.all_agree().await;
    let sum: f64 = (0..relayed.cluster.nodes.len()).map(share).sum();
    let values = relayed.cluster.all_answer_alike("sum(shares_total)").await;
    assert_eq!(values.last().map(String::as_str), Some(sum.to_string().as_str()), "{values:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn half_and_half() {
    let relayed = RelayedCluster::start(4).await;
    relayed.split(&[0, 1], &[2, 3]);
    noticed(&relayed, 0, &[2, 3]).await;
    noticed(&relayed, 3, &[0, 1]).await;
    every_node_writes(&relayed).await;
    heals(&relayed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_alone() {
    let relayed = RelayedCluster::start(3).await;
    relayed.split(&[2], &[0, 1]);
    noticed(&relayed, 2, &[0, 1]).await;
    noticed(&relayed, 0, &[2]).await;
    every_node_writes(&relayed).await;
    heals(&relayed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_way_is_no_way_but_a_third_node_relays() {
    let relayed = RelayedCluster::start(3).await;
    relayed.cut_one_way(0, 1);
    noticed(&relayed, 0, &[1]).await;
    noticed(&relayed, 1, &[0]).await;
    every_node_writes(&relayed).await;
    all_is_everywhere(&relayed).await;
    heals(&relayed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_middle_of_a_chain_relays_between_its_ends() {
    let relayed = RelayedCluster::start(3).await;
    relayed.cut(0, 2);
    noticed(&relayed, 0, &[2]).await;
    noticed(&relayed, 2, &[0]).await;
    noticed(&relayed, 1, &[]).await;
    every_node_writes(&relayed).await;
    all_is_everywhere(&relayed).await;
    heals(&relayed).await;
}

/// Where gossip knows a member to be, as a node sees it; empty once gossip has forgotten the member.
async fn address_of(node: &Node, member: &str) -> String {
    let state = node.state().await.unwrap_or_default();
    let members = state["members"].as_array().cloned().unwrap_or_default();
    let found = members.iter().find(|known| known["name"] == member);
    found.and_then(|known| known["peer_address"].as_str().map(str::to_owned)).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_that_gossip_does_not_remember() {
    let relayed = RelayedCluster::start_with(3, &["--gossip-grace", "2s"]).await;
    let nodes = &relayed.cluster.nodes;
    assert!(!address_of(&nodes[0], "n2").await.is_empty());
    relayed.split(&[0], &[1, 2]);
    relayed
        .cluster
        .eventually("both sides have forgotten each other's addresses", async || {
            address_of(&nodes[0], "n2").await.is_empty()
                && address_of(&nodes[0], "n3").await.is_empty()
                && address_of(&nodes[1], "n1").await.is_empty()
                && address_of(&nodes[2], "n1").await.is_empty()
        })
        .await;
    let warnings = nodes[0].field("warnings").await;
    assert!(warnings.contains("n2") && warnings.contains("n3"), "they still belong: {warnings}");
    every_node_writes(&relayed).await;
    heals(&relayed).await;
}
