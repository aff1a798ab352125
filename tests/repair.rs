//! Benchmark: a node of three loses its directory and fetches everything from the others, while writes go on. Prints
//! how long that took, what it cost each node, and how long the writes took before and meanwhile; asserts nothing
//! about it: `cargo bench -p shoal-node --bench repair [-- STREAMS POINTS]`.

#[path = "cluster/harness.rs"]
#[expect(dead_code, reason = "the cluster tests use the rest")]
mod harness;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use shoal_client::{Client, Session, SessionConfig, WriteOptions};
use shoal_model::{Kind, Labels, Point, Stream, StreamPoints, Writer};

use harness::{Cluster, Node};

const STREAMS_PER_CALL: usize = 1_000;
/// Points of a stream in one call.
const POINTS_PER_CALL: usize = 100;
const STEP_MS: i64 = 15_000;
/// Writes that are timed before the node is wiped.
const WRITES: usize = 300;

fn stream(number: usize) -> Stream {
    let pairs = [
        ("__name__", format!("work_{}_total", number % 200)),
        ("instance", format!("10.0.{}.{}:9100", number / 200 / 250, number / 200 % 250)),
        ("job", "load".to_owned()),
    ];
    let labels = Labels::new(pairs.iter().map(|(name, value)| (*name, value.as_str()))).expect("labels");
    Stream { labels, writer: Writer([1; 16]), kind: Kind::Counter }
}

async fn load(node: &Node, streams: usize, points: usize) {
    let client = node.client();
    let now_ms = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_millis() as i64;
    let begin_ms = now_ms - points as i64 * STEP_MS;
    for from in (0..points).step_by(POINTS_PER_CALL) {
        for first in (0..streams).step_by(STREAMS_PER_CALL) {
            let point = |number: usize, at: usize| {
                Point::new(begin_ms + at as i64 * STEP_MS, (at * (number % 97 + 1)) as f64)
            };
            let part = |number: usize| StreamPoints {
                stream: stream(number),
                points: (from..points.min(from + POINTS_PER_CALL)).map(|at| point(number, at)).collect(),
            };
            let batch = (first..streams.min(first + STREAMS_PER_CALL)).map(part).collect();
            client.write(batch, WriteOptions::default()).await.expect("the write is acknowledged");
        }
    }
}

/// How long each write of a session took, until it is told to end.
async fn write_on(client: Client, writes: usize, ends: Arc<AtomicBool>) -> Vec<Duration> {
    let session = Session::new(client, SessionConfig::default());
    let counter = session.counter("meanwhile_total", &[]);
    let (mut tick, mut took) = (tokio::time::interval(Duration::from_millis(10)), Vec::new());
    while !ends.load(Ordering::Relaxed) && took.len() < writes {
        counter.add(1.0);
        let began = Instant::now();
        session.flush().await.expect("the write is acknowledged");
        took.push(began.elapsed());
        tick.tick().await;
    }
    took
}

fn print(what: &str, mut took: Vec<Duration>) {
    took.sort();
    let [p50, p99] = [50, 99].map(|percent| took[(took.len() * percent / 100).min(took.len() - 1)]);
    println!("{what:<32} p50 {p50:>9.2?}  p99 {p99:>9.2?}  of {}", took.len());
}

/// A figure of a node's own metrics.
async fn figure(node: &Node, name: &str) -> f64 {
    let Some((_, text)) = node.get("/metrics").await else { return 0.0 };
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or_default()
}

#[tokio::main]
async fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let (streams, points) =
        (numbers.first().copied().unwrap_or(100_000), numbers.get(1).copied().unwrap_or(100));
    let mut cluster = Cluster::empty();
    for name in ["n1", "n2", "n3"] {
        cluster.add(name, &["--journal", "4M"]);
    }
    for index in 0..3 {
        cluster.start_node(index).await;
    }
    cluster.all_ready().await;
    load(&cluster.nodes[0], streams, points).await;
    let ends = Arc::new(AtomicBool::new(false));
    let before = write_on(cluster.nodes[0].client(), WRITES, Arc::clone(&ends)).await;
    let cpu = "process_cpu_seconds_total";
    let cpu_before = [figure(&cluster.nodes[0], cpu).await, figure(&cluster.nodes[1], cpu).await];
    cluster.nodes[2].kill();
    std::fs::remove_dir_all(&cluster.nodes[2].data).expect("the directory can be removed");
    let writing = tokio::spawn(write_on(cluster.nodes[0].client(), usize::MAX, Arc::clone(&ends)));
    let began = Instant::now();
    cluster.start_node(2).await;
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    while !cluster.nodes[2].is_ready().await {
        tick.tick().await;
    }
    let took = began.elapsed();
    ends.store(true, Ordering::Relaxed);
    let meanwhile = writing.await.expect("no panic");
    let lent = figure(&cluster.nodes[0], cpu).await - cpu_before[0] + figure(&cluster.nodes[1], cpu).await
        - cpu_before[1];
    let fetched = figure(&cluster.nodes[2], cpu).await;
    let all = (streams * points) as f64;
    println!("{streams} streams of {points} points: whole again after {:.1} s", took.as_secs_f64());
    println!("CPU of the one that fetched      {:>7.0} ns a point", fetched * 1e9 / all);
    println!("CPU of the others meanwhile      {:>7.0} ns a point", lent * 1e9 / all);
    print("a write before", before);
    print("a write meanwhile", meanwhile);
    cluster.all_agree().await;
    println!("the digests of all three nodes are equal");
}
