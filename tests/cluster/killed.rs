//! `kill -9` at any moment of a load that flushes and merges: what was acknowledged is there after each restart, to
//! the last point, and nothing that was never sent.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use shoal_client::WriteOptions;
use shoal_merge::{Digest, StreamMix};
use shoal_model::{Kind, Labels, Point, Stream, StreamPoints, Writer};

use crate::harness::Cluster;

const STREAMS: usize = 5_000;
/// Points of a batch: half of the streams, each some times.
const POINTS_PER_STREAM: usize = 40;
/// Together twice what a memtable holds.
const BATCHES: usize = 12;
const KILLS: usize = 5;

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_millis() as i64
}

fn stream(number: usize) -> Stream {
    let number = number.to_string();
    let labels = Labels::new([("__name__", "load"), ("zone", "a"), ("stream", number.as_str())]).unwrap();
    Stream { labels, writer: Writer::NONE, kind: Kind::Sample }
}

/// The batch of a number: its points stand in windows that are over and in ones that are not.
fn batch(number: usize, begin_ms: i64) -> Vec<StreamPoints> {
    let streams = (0..STREAMS).filter(|stream| (stream + number).is_multiple_of(2));
    let time = |index: usize| begin_ms - ((index * 17 + number) as i64) * 30_000;
    let points = |stream: usize| {
        let one = |index: usize| Point::new(time(index), (stream * 31 + index * 7 + number) as f64);
        (0..POINTS_PER_STREAM).map(one).collect()
    };
    streams.map(|number| StreamPoints { stream: stream(number), points: points(number) }).collect()
}

/// The digest of a batch's points.
pub fn digest(batch: &[StreamPoints]) -> Digest {
    let mut digest = Digest::default();
    for part in batch {
        let mix = StreamMix::new(&part.stream.id());
        part.points.iter().for_each(|point| digest.add(mix, *point));
    }
    digest
}

/// The digest of both, as a node tells it.
pub fn joined(a: Digest, b: Digest) -> String {
    let mut sum = a;
    sum.merge(b);
    format!("{:032x}", sum.0)
}

/// Writes a batch unless the node is killed within a while; whether it was acknowledged.
async fn write(cluster: &Cluster, batch: &[StreamPoints], killed_within: Option<Duration>) -> bool {
    let client = cluster.nodes[0].client();
    let write = client.write(batch.to_vec(), WriteOptions::default());
    match killed_within {
        None => {
            let receipt = write.await.expect("a node that is up takes a write");
            assert_eq!(receipt.refused_points, 0);
            true
        }
        Some(patience) => tokio::time::timeout(patience, write).await.is_ok_and(|done| done.is_ok()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_killed_at_any_moment_has_all_that_it_acknowledged_and_nothing_else() {
    let mut rng = SmallRng::seed_from_u64(7);
    let mut cluster = Cluster::start(1).await;
    let begin_ms = now_ms();
    let (mut acknowledged, mut kills) = (Digest::default(), 0);
    for number in 0..BATCHES {
        let batch = batch(number, begin_ms);
        let sent = digest(&batch);
        let is_killed = kills < KILLS && rng.random_bool(0.6);
        let moment = is_killed.then(|| Duration::from_millis(rng.random_range(1..1_500)));
        let mut is_acknowledged = write(&cluster, &batch, moment).await;
        if is_killed {
            kills += 1;
            cluster.nodes[0].kill();
            cluster.start_node(0).await;
            cluster.all_ready().await;
            let with = joined(acknowledged, sent);
            let allowed = if is_acknowledged {
                vec![with]
            } else {
                vec![joined(acknowledged, Digest::default()), with]
            };
            let found = held(&cluster).await;
            assert!(
                allowed.contains(&found),
                "kill {kills} in batch {number}: {found} is none of {allowed:?}"
            );
        }
        if !is_acknowledged {
            is_acknowledged = write(&cluster, &batch, None).await;
        }
        assert!(is_acknowledged);
        acknowledged.merge(sent);
    }
    assert_eq!(kills, KILLS);
    assert_eq!(held(&cluster).await, joined(acknowledged, Digest::default()));
    assert!(cluster.nodes[0].data.join("blocks").read_dir().unwrap().count() > 2, "memtables were flushed");
}

/// The digest of every point that the node reads.
async fn held(cluster: &Cluster) -> String {
    let mut found = String::new();
    cluster
        .eventually("the node tells its digest", async || {
            cluster.nodes[0].state_with_digest().await.is_some()
        })
        .await;
    if let Some(Value::String(digest)) =
        cluster.nodes[0].state_with_digest().await.map(|s| s["digest"].clone())
    {
        found = digest;
    }
    found
}
