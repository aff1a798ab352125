//! Nodes come and go under load, and no SDK call fails: a fourth is added, one leaves, one dies and is forgotten.
//! What was counted is counted once, on every node that is left.

use crate::harness::Cluster;
use crate::load::Load;

/// What a node takes a member for.
async fn state_of(cluster: &Cluster, node: usize, member: &str) -> String {
    let state = cluster.nodes[node].state().await.unwrap_or_default();
    let members = state["members"].as_array().cloned().unwrap_or_default();
    let found = members.iter().find(|known| known["name"] == member);
    found.and_then(|known| known["state"].as_str().map(str::to_owned)).unwrap_or_default()
}

/// All nodes that still run agree, and each has counted every call once.
async fn everything_counts_once(cluster: &mut Cluster, gone: &str, calls: u64) {
    cluster.nodes.retain(|node| node.name != gone);
    cluster.all_ready().await;
    cluster.all_agree().await;
    let values = cluster.all_answer_alike("sum(calls_total)").await;
    assert_eq!(values.last(), Some(&calls.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fourth_node_comes_and_another_leaves_under_load_and_no_call_fails() {
    let mut cluster = Cluster::start(3).await;
    let load = Load::start(&cluster);
    load.goes_on(&cluster, 20).await;
    let fourth = cluster.add("n4", &[]);
    cluster.start_node(fourth).await;
    cluster.all_ready().await;
    load.goes_on(&cluster, 40).await;
    let ended = cluster.nodes[1].terminate().await;
    assert!(ended.success(), "{ended}");
    load.goes_on(&cluster, 40).await;
    for node in [0, 2, 3] {
        cluster.eventually("it has left", async || state_of(&cluster, node, "n2").await == "left").await;
    }
    let calls = load.stop().await;
    assert_eq!(cluster.nodes[0].field("warnings").await, "[]", "nothing of it can be missing");
    everything_counts_once(&mut cluster, "n2", calls).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_dies_and_is_forgotten_under_load_and_no_call_fails() {
    let mut cluster = Cluster::start(3).await;
    let fourth = cluster.add("n4", &[]);
    cluster.start_node(fourth).await;
    cluster.all_ready().await;
    let victim = cluster.nodes[2].client().members().await.unwrap().node;
    let load = Load::start(&cluster);
    load.goes_on(&cluster, 20).await;
    cluster.nodes[2].kill();
    load.goes_on(&cluster, 20).await;
    cluster.eventually("it is missed", async || !cluster.nodes[0].reaches("n3").await).await;
    cluster.nodes[0].client().forget(victim).await.unwrap();
    for node in [0, 1, 3] {
        cluster
            .eventually("it is forgotten", async || state_of(&cluster, node, "n3").await == "forgotten")
            .await;
        let warnings = cluster.nodes[node].field("warnings").await;
        assert!(warnings.contains("n3") && warnings.contains("forgotten"), "{warnings}");
    }
    load.goes_on(&cluster, 40).await;
    let calls = load.stop().await;
    everything_counts_once(&mut cluster, "n3", calls).await;
}
