//! Partitions: both sides work on, and agree soon after.

use std::time::{Duration, Instant};

use shoal_client::{Session, SessionConfig};

use crate::harness::Node;
use crate::relay::RelayedCluster;

async fn count(node: &Node, value: f64) {
    let session = Session::new(node.client(), SessionConfig::default());
    session.counter("sides_total", &[]).add(value);
    session.flush().await.expect("each side takes writes");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_of_a_partition_write_and_read_and_agree_after_healing() {
    let relayed = RelayedCluster::start(3).await;
    let nodes = &relayed.cluster.nodes;
    relayed.cut(0, 1);
    relayed.cut(0, 2);
    let noticed = relayed
        .cluster
        .eventually("both sides see the cut", async || {
            !nodes[0].reaches("n2").await && !nodes[0].reaches("n3").await && !nodes[1].reaches("n1").await
        })
        .await;
    count(&nodes[0], 1.0).await;
    count(&nodes[1], 10.0).await;
    count(&nodes[2], 100.0).await;
    assert_eq!(nodes[0].value("sides_total").await, Some(1.0));
    relayed
        .cluster
        .eventually("the larger side agrees", async || nodes[1].value("sides_total").await == Some(110.0))
        .await;
    let warnings = nodes[0].field("warnings").await;
    assert!(warnings.contains("n2") && warnings.contains("unreachable"), "{warnings}");

    relayed.heal();
    let healed = Instant::now();
    relayed.cluster.all_agree().await;
    let took = healed.elapsed();
    println!("cut noticed after {noticed:?}, agreement {took:?} after healing");
    assert!(took < Duration::from_secs(25), "the aim is 5 s");
    for node in nodes {
        assert_eq!(node.value("sides_total").await, Some(111.0), "at {}", node.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn complete_until_stands_still_while_a_member_is_cut_off_and_then_goes_on() {
    let relayed = RelayedCluster::start(3).await;
    let nodes = &relayed.cluster.nodes;
    let until = async || nodes[0].state().await.and_then(|state| state["complete_until"].as_i64());
    relayed.cluster.eventually("the members have told", async || until().await.is_some()).await;
    relayed.cut(0, 1);
    relayed.cut(0, 2);
    relayed
        .cluster
        .eventually("the cut is seen", async || {
            !nodes[0].reaches("n2").await && !nodes[0].reaches("n3").await
        })
        .await;
    let stood = until().await;
    count(&nodes[1], 5.0).await;
    assert_eq!(until().await, stood);
    relayed.heal();
    relayed.cluster.eventually("it goes on", async || until().await > stood).await;
    assert_eq!(nodes[0].value("sides_total").await, Some(5.0), "what came before that time is here");
}
