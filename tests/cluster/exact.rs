//! Counting is exact: through kills and restarts, retries and lost replies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use shoal_client::{Client, NodeOrder, Session, SessionConfig, WriteOptions};
use shoal_model::{Kind, Labels, Point, Stream, StreamPoints, Writer, time};
use shoal_proto::v1;
use tokio::io::copy;
use tokio::net::{TcpListener, TcpStream};

use crate::harness::Cluster;

const SESSIONS: usize = 8;
const ADDS_PER_SESSION: usize = 11_000;
const DELTAS: usize = 100_000 - SESSIONS * ADDS_PER_SESSION;
const KILLS: usize = 10;

fn client(seeds: &[String]) -> Client {
    Client::builder().seeds(seeds.to_vec()).order(NodeOrder::RoundRobin).build().unwrap()
}

struct Tally {
    calls: usize,
    longest: Duration,
}

impl Tally {
    fn add(&mut self, took: Duration) {
        self.calls += 1;
        self.longest = self.longest.max(took);
    }
}

/// Adds in small steps until all is added and the killing is over.
async fn count(seeds: Vec<String>, number: usize, killing: Arc<AtomicBool>) -> Tally {
    let session = Session::new(client(&seeds), SessionConfig::default());
    let (counter, gauge) =
        (session.counter("hits_total", &[]), session.gauge("level", &[("session", &number.to_string())]));
    let mut tally = Tally { calls: 0, longest: Duration::ZERO };
    let mut added = 0;
    while added < ADDS_PER_SESSION || killing.load(Ordering::SeqCst) {
        let step = (ADDS_PER_SESSION - added).min(10);
        (0..step).for_each(|_| counter.add(1.0));
        added += step;
        gauge.set((tally.calls % 100) as f64);
        let began = Instant::now();
        session.flush().await.expect("no call of the SDK fails");
        tally.add(began.elapsed());
    }
    gauge.set(1_000.0 + number as f64);
    session.finish().await.expect("no call of the SDK fails");
    tally
}

/// A writer of raw increments, each with a place of its own.
async fn increment(seeds: Vec<String>) -> Tally {
    let client = client(&seeds);
    let labels = Labels::new([("__name__", "hits_total")]).unwrap();
    let stream = Stream { labels, writer: Writer::random(&mut rand::rng()), kind: Kind::Delta };
    let began_ms = now_ms() - DELTAS as i64;
    let mut tally = Tally { calls: 0, longest: Duration::ZERO };
    for first in (0..DELTAS).step_by(20) {
        let place = |i: usize| time::delta_time(0, began_ms + i as i64, b"").unwrap();
        let points = (first..(first + 20).min(DELTAS)).map(|i| Point::new(place(i), 1.0)).collect();
        let began = Instant::now();
        let part = StreamPoints { stream: stream.clone(), points };
        let receipt =
            client.write(vec![part], WriteOptions::default()).await.expect("no call of the SDK fails");
        assert_eq!(receipt.refused_points, 0);
        tally.add(began.elapsed());
    }
    tally
}

fn now_ms() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_increments_through_ten_kills_count_exactly() {
    let mut cluster = Cluster::start(3).await;
    let killing = Arc::new(AtomicBool::new(true));
    let mut tasks: Vec<_> =
        (0..SESSIONS).map(|n| tokio::spawn(count(cluster.seeds(), n, killing.clone()))).collect();
    tasks.push(tokio::spawn(increment(cluster.seeds())));

    for kill in 0..KILLS {
        let victim = kill % 3;
        cluster.nodes[victim].kill();
        let others: Vec<_> = (0..3).filter(|i| *i != victim).collect();
        cluster
            .eventually("the others go on without it", async || {
                let mut gone = true;
                for other in &others {
                    gone &= !cluster.nodes[*other].reaches(&cluster.nodes[victim].name).await;
                }
                gone
            })
            .await;
        cluster.start_node(victim).await;
        cluster.all_ready().await;
    }
    killing.store(false, Ordering::SeqCst);

    let mut tally = Tally { calls: 0, longest: Duration::ZERO };
    for task in tasks {
        let one = task.await.expect("no session fails");
        tally.calls += one.calls;
        tally.longest = tally.longest.max(one.longest);
    }
    assert!(tally.calls >= 5_000, "{} calls", tally.calls);
    println!("{} calls, none failed; the longest took {:?}", tally.calls, tally.longest);
    cluster.all_agree().await;
    for node in &cluster.nodes {
        assert_eq!(node.value("hits_total").await, Some(100_000.0), "at {}", node.name);
        for session in 0..SESSIONS {
            let level = node.value(&format!(r#"level{{session="{session}"}}"#)).await;
            assert_eq!(level, Some(1_000.0 + session as f64), "at {}", node.name);
        }
    }
}

/// Carries what a client says to a node, and nothing back.
async fn mute_proxy(node: std::net::SocketAddr) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let node = TcpStream::connect(node).await.unwrap();
                let ((mut said, _muted), (mut dropped, mut heard)) = (client.into_split(), node.into_split());
                let mut nowhere = tokio::io::sink();
                let _ = tokio::join!(copy(&mut said, &mut heard), copy(&mut dropped, &mut nowhere));
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn an_increment_whose_reply_was_lost_counts_once_when_sent_to_another_node() {
    let cluster = Cluster::start(3).await;
    let request = v1::WriteRequest {
        streams: vec![v1::StreamPoints {
            labels: vec![v1::Label { name: "__name__".into(), value: "orders_total".into() }],
            writer: vec![],
            kind: v1::Kind::Delta.into(),
            times: vec![now_ms()],
            values: vec![7.0],
            starts: vec![now_ms() - 1_000],
        }],
        acks: String::new(),
        idempotency_key: b"order 4711".to_vec(),
    };
    let mute = mute_proxy(cluster.nodes[0].client).await;
    let send = async |to: std::net::SocketAddr| {
        let mut client = v1::ingest_client::IngestClient::connect(format!("http://{to}")).await.unwrap();
        client.write(request.clone()).await
    };
    let lost = tokio::spawn({
        let request = request.clone();
        async move {
            let mut client =
                v1::ingest_client::IngestClient::connect(format!("http://{mute}")).await.unwrap();
            client.write(request).await
        }
    });
    cluster
        .eventually("the first copy counts", async || {
            cluster.nodes[0].value("orders_total").await == Some(7.0)
        })
        .await;
    assert!(!lost.is_finished(), "its reply was dropped");
    lost.abort();
    let reply = send(cluster.nodes[1].client).await.unwrap().into_inner();
    assert_eq!((reply.accepted, reply.refused_points), (1, 0));
    cluster.all_agree().await;
    for node in &cluster.nodes {
        assert_eq!(node.value("orders_total").await, Some(7.0), "at {}", node.name);
    }
}
