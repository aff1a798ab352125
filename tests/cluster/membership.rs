//! Nodes come and go under load, and no SDK call fails: a fourth is added, one leaves, one dies and is forgotten.
//! What was counted is counted once, on every node that is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use shoal_client::{Client, NodeOrder, Session, SessionConfig};

use crate::harness::Cluster;

/// Applications that count, each through a session of its own.
const APPLICATIONS: usize = 4;

/// A load that goes on until it is stopped, and fails with the first call that does.
struct Load {
    stop: Arc<AtomicBool>,
    calls: Arc<AtomicU64>,
    tasks: Vec<tokio::task::JoinHandle<u64>>,
}

impl Load {
    fn start(cluster: &Cluster) -> Self {
        let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let task = |_| {
            let client =
                Client::builder().seeds(cluster.seeds()).order(NodeOrder::RoundRobin).build().unwrap();
            let (stop, calls) = (stop.clone(), calls.clone());
            tokio::spawn(async move {
                let session = Session::new(client, SessionConfig::default());
                let counter = session.counter("calls_total", &[]);
                let mut counted = 0;
                while !stop.load(Ordering::Relaxed) {
                    counter.add(1.0);
                    session.flush().await.expect("no call fails");
                    calls.fetch_add(1, Ordering::Relaxed);
                    counted += 1;
                }
                counted
            })
        };
        Self { tasks: (0..APPLICATIONS).map(task).collect(), stop, calls }
    }

    /// Waits until so many more calls have been answered.
    async fn goes_on(&self, cluster: &Cluster, calls: u64) {
        let until = self.calls.load(Ordering::Relaxed) + calls;
        cluster
            .eventually("the load goes on", async || {
                self.calls.load(Ordering::Relaxed) >= until
                    || self.tasks.iter().any(|task| task.is_finished())
            })
            .await;
        assert!(self.tasks.iter().all(|task| !task.is_finished()), "a call failed");
    }

    /// How many calls there were, all of them answered.
    async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let mut counted = 0;
        for task in self.tasks {
            counted += task.await.expect("no call failed");
        }
        counted
    }
}

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
