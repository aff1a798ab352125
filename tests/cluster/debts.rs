//! What no journal holds any more is fetched window by window: a wiped node, and one that was away for longer than
//! the journals reach, come back to the same points with nobody's help, while the others go on.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use shoal_client::{Client, Session, SessionConfig, WriteOptions};
use shoal_model::{Kind, Labels, Point, Stream, StreamPoints, Writer};

use crate::harness::{Cluster, Node};

/// Far less than what is written.
const JOURNAL: [&str; 2] = ["--journal", "1M"];
/// Streams of one write.
const STREAMS: usize = 20_000;

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_millis() as i64
}

async fn cluster() -> Cluster {
    let mut cluster = Cluster::empty();
    for name in ["n1", "n2", "n3"] {
        cluster.add(name, &JOURNAL);
    }
    for index in 0..3 {
        cluster.start_node(index).await;
    }
    cluster.all_ready().await;
    cluster
}

/// Writes points of many streams, each at these times.
async fn write_many(node: &Node, streams: usize, times: &[i64]) {
    let client = node.client();
    for first in (0..streams).step_by(STREAMS) {
        for times in times.chunks(5) {
            let part = |number: usize| {
                let text = number.to_string();
                let labels = Labels::new([("__name__", "load"), ("zone", "a"), ("stream", text.as_str())]);
                let stream = Stream { labels: labels.unwrap(), writer: Writer::NONE, kind: Kind::Sample };
                let points = times.iter().map(|time| Point::new(*time, (number % 97) as f64 + *time as f64));
                StreamPoints { stream, points: points.collect() }
            };
            let batch: Vec<_> = (first..streams.min(first + STREAMS)).map(part).collect();
            let receipt = client.write(batch, WriteOptions::default()).await.expect("the write is taken");
            assert_eq!(receipt.refused_points, 0);
        }
    }
}

/// Five times in windows that are over, five in the one that is open.
fn times(shift: i64) -> Vec<i64> {
    let now = now_ms();
    let past = (1..=5).map(|n| now - n * 9_000_000 - shift);
    past.chain((1..=5).map(|n| now - n * 1_000 - shift)).collect()
}

/// Counts on while the cluster heals; how far it came.
async fn count(seeds: Vec<String>, ends: Arc<AtomicBool>) -> u32 {
    let client = Client::builder().seeds(seeds).build().unwrap();
    let session = Session::new(client, SessionConfig::default());
    let counter = session.counter("meanwhile_total", &[]);
    let (mut tick, mut counted) = (tokio::time::interval(Duration::from_millis(50)), 0);
    while !ends.load(Ordering::Relaxed) {
        counter.add(1.0);
        session.flush().await.expect("some node takes it");
        counted += 1;
        tick.tick().await;
    }
    counted
}

fn log(node: &Node) -> String {
    fs::read_to_string(node.log()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_node_comes_back_to_equal_digests_while_the_others_go_on() {
    let mut cluster = cluster().await;
    write_many(&cluster.nodes[0], 100_000, &times(0)).await;
    cluster.nodes[2].kill();
    fs::remove_dir_all(&cluster.nodes[2].data).unwrap();
    let ends = Arc::new(AtomicBool::new(false));
    let counting = tokio::spawn(count(cluster.seeds()[..2].to_vec(), Arc::clone(&ends)));
    cluster.start_node(2).await;
    cluster
        .eventually("the wiped node has fetched what it missed", async || {
            assert!(
                cluster.nodes[0].value("load{stream=\"7\"}").await.is_some(),
                "the others answer meanwhile"
            );
            log(&cluster.nodes[2]).contains("what was missing is here") && cluster.nodes[2].is_ready().await
        })
        .await;
    ends.store(true, Ordering::Relaxed);
    let counted = counting.await.unwrap();
    cluster.all_agree().await;
    assert_eq!(cluster.nodes[2].value("meanwhile_total").await, Some(f64::from(counted)));
    assert_eq!(cluster.nodes[2].field("repair").await, "null");
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_missed_beyond_the_journals_heal_in_sealed_and_open_windows() {
    let mut cluster = cluster().await;
    write_many(&cluster.nodes[0], 20_000, &times(0)).await;
    cluster.all_agree().await;
    cluster.nodes[2].kill();
    write_many(&cluster.nodes[0], 60_000, &times(500)).await;
    write_many(&cluster.nodes[1], 10_000, &times(700)).await;
    cluster.start_node(2).await;
    write_many(&cluster.nodes[0], 5_000, &times(900)).await;
    cluster.all_agree().await;
    assert!(log(&cluster.nodes[2]).contains("what was missing is here"));
}
