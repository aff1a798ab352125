//! Nodes that die, stall and leave: seen soon, and no call fails.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use shoal_client::{Client, NodeOrder, Session, SessionConfig};

use crate::harness::{Cluster, Node};

async fn alive_by_gossip(node: &Node, name: &str) -> bool {
    node.get("/metrics").await.is_some_and(|(_, text)| {
        text.lines().any(|line| {
            line.starts_with("shoal_member_alive{")
                && line.contains(&format!("\"{name}\""))
                && line.ends_with(" 1")
        })
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_is_suspected_by_all_survivors_and_its_link_is_left_before() {
    let mut cluster = Cluster::start(3).await;
    cluster
        .eventually("gossip holds all for alive", async || {
            alive_by_gossip(&cluster.nodes[0], "n3").await && alive_by_gossip(&cluster.nodes[1], "n3").await
        })
        .await;
    cluster.nodes[2].kill();
    let killed = Instant::now();
    let links = cluster
        .eventually("the links are left", async || {
            !cluster.nodes[0].reaches("n3").await && !cluster.nodes[1].reaches("n3").await
        })
        .await;
    cluster
        .eventually("all survivors suspect it", async || {
            !alive_by_gossip(&cluster.nodes[0], "n3").await && !alive_by_gossip(&cluster.nodes[1], "n3").await
        })
        .await;
    println!("links left after {links:?} (aim 1 s), suspected by all after {:?} (aim 3 s)", killed.elapsed());
    assert!(links < Duration::from_secs(5) && killed.elapsed() < Duration::from_secs(15));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_node_costs_no_call_and_no_point_and_heals_by_itself() {
    let cluster = Cluster::start(3).await;
    let client = Client::builder().seeds(cluster.seeds()).order(NodeOrder::RoundRobin).build().unwrap();
    let session = Session::new(client, SessionConfig::default());
    let counter = session.counter("ticks_total", &[]);
    let (mut calls, mut longest) = (0, Duration::ZERO);
    let mut tick = async || {
        counter.add(1.0);
        let began = Instant::now();
        session.flush().await.expect("no call fails");
        longest = longest.max(began.elapsed());
        calls += 1;
    };
    tick().await;
    cluster.nodes[1].signal(Signal::STOP);
    let paused = Instant::now();
    while paused.elapsed() < Duration::from_secs(5) {
        tick().await;
    }
    assert!(!cluster.nodes[0].reaches("n2").await);
    cluster.nodes[1].signal(Signal::CONT);
    let woken = Instant::now();
    cluster.all_ready().await;
    tick().await;
    println!(
        "{calls} calls over a pause of 5 s, the longest took {longest:?}; healed after {:?}",
        woken.elapsed()
    );
    cluster.all_agree().await;
    for node in &cluster.nodes {
        assert_eq!(node.value("ticks_total").await, Some(f64::from(calls)), "at {}", node.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_leaves_says_so_and_no_longer_counts() {
    let mut cluster = Cluster::start(3).await;
    let session = Session::new(cluster.nodes[2].client(), SessionConfig::default());
    session.counter("last_words_total", &[]).add(1.0);
    session.flush().await.unwrap();
    let status = cluster.nodes[2].terminate().await;
    assert!(status.success(), "{status}");
    assert!(!cluster.nodes[2].data.join("addresses").exists());
    for index in [0, 1] {
        cluster
            .eventually("the others know that it left", async || {
                let state = cluster.nodes[index].state().await.unwrap_or_default();
                let members = state["members"].as_array().cloned().unwrap_or_default();
                members.iter().any(|m| m["name"] == "n3" && m["state"] == "left")
            })
            .await;
        assert_eq!(cluster.nodes[index].value("last_words_total").await, Some(1.0));
        assert_eq!(cluster.nodes[index].field("warnings").await, "[]");
    }
    cluster.start_node(2).await;
    cluster.all_ready().await;
    cluster.all_agree().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_learns_that_every_other_is_ready() {
    let cluster = Cluster::start(3).await;
    for node in &cluster.nodes {
        cluster
            .eventually("gossip tells the phases", async || {
                let state = node.state().await.unwrap_or_default();
                let members = state["members"].as_array().cloned().unwrap_or_default();
                members.len() == 3 && members.iter().all(|member| member["phase"] == "ready")
            })
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_member_is_forgotten_on_request_and_answers_go_on_naming_it() {
    let mut cluster = Cluster::start(3).await;
    let node = cluster.nodes[2].client().members().await.unwrap().node;
    let refused = cluster.nodes[0].client().forget(node).await.unwrap_err().to_string();
    assert!(refused.contains("stop it first"), "{refused}");
    cluster.nodes[2].kill();
    cluster.eventually("it is unreachable", async || !cluster.nodes[0].reaches("n3").await).await;
    cluster.nodes[0].client().forget(node).await.unwrap();
    cluster
        .eventually("the other knows", async || {
            let warnings = cluster.nodes[1].field("warnings").await;
            warnings.contains("n3") && warnings.contains("forgotten")
        })
        .await;
}
