//! What a node holds in memory is bounded, whatever clients and peers do: requests beyond the budget are refused with
//! a time to come back, and a peer that stands still costs the others nothing.

use std::time::{Duration, Instant};

use futures::future::join_all;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rustix::process::Signal;
use shoal_client::WriteOptions;
use shoal_model::{Batch, Kind, Labels, Point, Stream, StreamPoints, Writer};
use shoal_proto::v1;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;

use crate::harness::{Cluster, Node};

const MIB: usize = 1024 * 1024;
/// What the doors let in at once, and as much again for what allocators and runtimes keep.
const GROWTH_MAX: f64 = 2.0 * 64.0 * MIB as f64;

async fn figure(node: &Node, name: &str) -> f64 {
    let (_, text) = node.get("/metrics").await.expect("the node tells how it fares");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or_default()
}

async fn resident(node: &Node) -> f64 {
    figure(node, "process_resident_memory_bytes").await
}

/// A request whose body stands still after most of it was sent.
struct Stuck {
    stream: TcpStream,
    /// What the node answered before it had the body, if it did.
    answer: String,
}

async fn stuck(node: &Node, mebibytes: usize) -> Stuck {
    let mut stream = TcpStream::connect(node.client).await.unwrap();
    let length = (mebibytes + 3) * MIB;
    let head =
        format!("POST /api/v1/import/prometheus HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let piece = vec![b'#'; MIB];
    let mut answer = String::new();
    for _ in 0..mebibytes {
        // A refused request is answered, and its connection closed, while it is being sent.
        if stream.write_all(&piece).await.is_err() {
            let mut bytes = Vec::new();
            let _ = stream.read_to_end(&mut bytes).await;
            answer = String::from_utf8_lossy(&bytes).into_owned();
            break;
        }
    }
    Stuck { stream, answer }
}

fn large_write() -> v1::WriteRequest {
    let stream = |number: usize| v1::StreamPoints {
        labels: vec![
            v1::Label { name: "__name__".into(), value: "large".into() },
            v1::Label { name: "filling".into(), value: format!("{number:0>1000}") },
        ],
        kind: v1::Kind::Gauge.into(),
        values: vec![1.0],
        ..Default::default()
    };
    v1::WriteRequest { streams: (0..6_000).map(stream).collect(), ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_beyond_the_budget_are_refused_in_their_own_protocol_and_memory_stays_bounded() {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    let before = resident(node).await;
    let mut all = join_all((0..40).map(|_| stuck(node, 12))).await;
    cluster
        .eventually("most of them are refused", async || {
            figure(node, "shoal_requests_refused_total").await >= 30.0
        })
        .await;
    for refused in all.iter().filter(|stuck| !stuck.answer.is_empty()) {
        let answer = refused.answer.to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 429") && answer.contains("retry-after: 1"), "{answer}");
    }
    // How many of the large ones are let in depends on how they meet; smaller ones take what they left.
    while figure(node, "shoal_request_bytes").await < 58.5 * MIB as f64 {
        all.push(stuck(node, 3).await);
    }
    let grown = resident(node).await - before;
    println!("40 requests of 15 MiB stand still: memory grew by {:.0} MiB", grown / MIB as f64);
    assert!(grown < GROWTH_MAX, "{grown} bytes");
    let mut client =
        v1::ingest_client::IngestClient::connect(format!("http://{}", node.client)).await.unwrap();
    let refused = client.write(large_write()).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(node.is_ready().await);
    assert!(
        node.post("/api/v1/import/prometheus", "small 1\n").await.is_some_and(|(status, _)| status == 204)
    );

    drop(all.into_iter().map(|stuck| stuck.stream).collect::<Vec<_>>());
    cluster
        .eventually("there is room again", async || figure(node, "shoal_request_bytes").await < MIB as f64)
        .await;
    assert_eq!(client.write(large_write()).await.unwrap().into_inner().accepted, 6_000);
}

/// Points that compress badly, so that what is queued for a peer would show.
fn noise(rng: &mut SmallRng, first_ms: i64) -> Batch {
    let stream = |number: u32| {
        let number = number.to_string();
        let labels = Labels::new([("__name__", "noise"), ("stream", number.as_str())]).unwrap();
        Stream { labels, writer: Writer::NONE, kind: Kind::Sample }
    };
    let mut points = || (0..100).map(|step| Point::new(first_ms + step, rng.random::<f64>())).collect();
    Batch {
        streams: (0..200).map(|number| StreamPoints { stream: stream(number), points: points() }).collect(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_stands_still_costs_the_others_no_memory_and_no_call() {
    let cluster = Cluster::start(3).await;
    let mut rng = SmallRng::seed_from_u64(4);
    let client = cluster.nodes[0].client();
    let begin_ms = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64 - 600_000;
    let mut written = 0;
    let mut write = async |batches: usize| {
        let mut longest = Duration::ZERO;
        for _ in 0..batches {
            let batch = noise(&mut rng, begin_ms + written * 100);
            let began = Instant::now();
            let receipt = client.write(batch.streams, WriteOptions::default()).await.expect("no call fails");
            assert!(receipt.copies >= 1);
            longest = longest.max(began.elapsed());
            written += 1;
        }
        longest
    };
    write(20).await;
    cluster.all_agree().await;
    cluster.nodes[2].signal(Signal::STOP);
    let before = [resident(&cluster.nodes[0]).await, resident(&cluster.nodes[1]).await];
    let longest = write(60).await;
    for (node, before) in cluster.nodes.iter().zip(before) {
        let grown = resident(node).await - before;
        println!("{} grew by {:.0} MiB, the longest call took {longest:?}", node.name, grown / MIB as f64);
        assert!(grown < GROWTH_MAX, "{} grew by {grown} bytes", node.name);
    }
    let state = cluster.nodes[0].state().await.unwrap();
    let members = state["members"].as_array().cloned().unwrap_or_default();
    let behind = members.iter().find(|member| member["name"] == "n3").unwrap();
    assert!(
        behind["lag_frames"].as_u64() >= Some(60) && behind["lag_bytes"].as_u64() > Some(5_000_000),
        "{behind:#}"
    );
    cluster.nodes[2].signal(Signal::CONT);
    cluster.all_ready().await;
    cluster.all_agree().await;
}
