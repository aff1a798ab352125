//! Benchmark: what replication costs. The same load goes to one node alone and to one of three; each process' CPU
//! time and the bytes between peers are charged to the points. Prints figures, asserts nothing about them:
//! `cargo bench -p shoal-node --bench replication`.

#[path = "cluster/harness.rs"]
#[expect(dead_code, reason = "the cluster tests use the rest")]
mod harness;

use shoal_proto::v1;

use harness::{Cluster, Node};

/// Streams, all of which get a point in each round.
const STREAMS: usize = 20_000;
const STREAMS_PER_CALL: usize = 1_000;
const ROUNDS: usize = 40;
/// Rounds before the count begins: they define the streams.
const WARM_UP: usize = 2;
/// The figure of what a node sent to its peers.
const SENT: &str = "shoal_peer_bytes_total{direction=\"out\"}";

fn labels(stream: usize) -> Vec<v1::Label> {
    let pairs = [
        ("__name__", format!("work_{}_total", stream % 200)),
        ("instance", format!("10.0.{}.{}:9100", stream / 200 / 250, stream / 200 % 250)),
        ("job", "load".to_owned()),
        ("zone", format!("z{}", stream % 3)),
    ];
    pairs.map(|(name, value)| v1::Label { name: name.into(), value }).into()
}

fn request(first: usize, round: usize, now_ms: i64) -> v1::WriteRequest {
    let stream = |number: usize| v1::StreamPoints {
        labels: labels(number),
        writer: vec![1; 16],
        kind: v1::Kind::Counter.into(),
        times: vec![now_ms + round as i64 * 15_000],
        values: vec![(round * (number % 97 + 1)) as f64],
        starts: vec![],
    };
    v1::WriteRequest {
        streams: (first..first + STREAMS_PER_CALL).map(stream).collect(),
        ..Default::default()
    }
}

/// A figure of a node's own metrics.
async fn figure(node: &Node, name: &str) -> f64 {
    let (_, text) = node.get("/metrics").await.expect("the node answers");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or_default()
}

/// CPU seconds of every node so far.
async fn cpu_seconds(cluster: &Cluster) -> Vec<f64> {
    let mut seconds = Vec::new();
    for node in &cluster.nodes {
        seconds.push(figure(node, "process_cpu_seconds_total").await);
    }
    seconds
}

async fn run_rounds(node: &Node, rounds: std::ops::Range<usize>, now_ms: i64) {
    let mut client = v1::ingest_client::IngestClient::connect(format!("http://{}", node.client))
        .await
        .expect("it listens");
    for round in rounds {
        for first in (0..STREAMS).step_by(STREAMS_PER_CALL) {
            let reply = client.write(request(first, round, now_ms)).await.expect("the write is acknowledged");
            assert_eq!(reply.into_inner().refused_points, 0);
        }
    }
}

async fn measure(size: usize) -> f64 {
    let cluster = Cluster::start(size).await;
    let now_ms = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_millis() as i64 - 700_000;
    run_rounds(&cluster.nodes[0], 0..WARM_UP, now_ms).await;
    let before = cpu_seconds(&cluster).await;
    let bytes_before = figure(&cluster.nodes[0], SENT).await;
    run_rounds(&cluster.nodes[0], WARM_UP..ROUNDS, now_ms).await;
    let bytes = figure(&cluster.nodes[0], SENT).await - bytes_before;
    let points = ((ROUNDS - WARM_UP) * STREAMS) as f64;
    let after = cpu_seconds(&cluster).await;
    let used: Vec<f64> = after.iter().zip(&before).map(|(after, before)| after - before).collect();
    for (number, seconds) in used.iter().enumerate() {
        println!("{size} node(s), node {}: {:>7.0} ns CPU a point", number + 1, seconds * 1e9 / points);
    }
    if size > 1 {
        println!("{size} node(s): {:>24.2} bytes a point and peer", bytes / points / (size - 1) as f64);
    }
    used.iter().sum::<f64>() * 1e9 / points
}

#[tokio::main]
async fn main() {
    println!(
        "{STREAMS} streams, {} points a call over gRPC, two synced copies where there are peers",
        STREAMS_PER_CALL
    );
    let (one, three) = (measure(1).await, measure(3).await);
    println!("CPU of three nodes together against one: {:.2}", three / one);
}
