//! Benchmark: how long after a write is sent it can be read on every one of three nodes, on loopback. Prints
//! figures, asserts nothing about them: `cargo bench -p shoal-node --bench freshness`.

#[path = "cluster/harness.rs"]
#[expect(dead_code, reason = "the cluster tests use the rest")]
mod harness;

use std::time::{Duration, Instant};

use futures::future::join_all;
use shoal_client::{Client, ReadOptions, Session, SessionConfig};

use harness::Cluster;

const WRITES: usize = 600;
const WARM_UP: usize = 30;

/// Asks one node again and again until it shows the value; how long that took.
async fn seen(client: &Client, value: f64, since: Instant) -> Duration {
    loop {
        let answer = client.read("mark", ReadOptions::default()).await.expect("the node answers");
        if answer.series.first().is_some_and(|series| series.value == value) {
            return since.elapsed();
        }
    }
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

fn print(what: &str, mut took: Vec<Duration>) {
    took.drain(..WARM_UP);
    took.sort();
    let [p50, p99, max] = [50, 99, 100].map(|percent| percentile(&took, percent));
    println!("{what:<40} p50 {p50:>9.2?}  p99 {p99:>9.2?}  max {max:>9.2?}");
}

#[tokio::main]
async fn main() {
    let cluster = Cluster::start(3).await;
    let clients: Vec<_> = cluster.nodes.iter().map(harness::Node::client).collect();
    let sessions: Vec<_> =
        clients.iter().map(|client| Session::new(client.clone(), SessionConfig::default())).collect();
    let (mut acknowledged, mut everywhere) = (Vec::new(), Vec::new());
    for write in 0..WRITES {
        let session = &sessions[write % sessions.len()];
        let value = write as f64 + 1.0;
        session.gauge("mark", &[]).set(value);
        let sent = Instant::now();
        let (flushed, readers) =
            tokio::join!(session.flush(), join_all(clients.iter().map(|client| seen(client, value, sent))));
        flushed.expect("the write is acknowledged");
        everywhere.push(readers.into_iter().max().expect("there are nodes"));
        let again = Instant::now();
        session.gauge("other", &[]).set(value);
        session.flush().await.expect("the write is acknowledged");
        acknowledged.push(again.elapsed());
    }
    println!("three nodes on loopback, {WRITES} writes, two synced copies each");
    print("write acknowledged after", acknowledged);
    print("write readable on all nodes after", everywhere);
}
