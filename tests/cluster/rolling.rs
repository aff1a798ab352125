//! Every node of a loaded cluster is restarted in turn, as an upgrade does: no SDK call fails, no ready node fails a
//! query, and no series has a gap.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, UNIX_EPOCH};

use rustix::process::Signal;
use shoal_client::{Client, WriteOptions};
use shoal_model::{Kind, Labels, Point, Stream, StreamPoints, Writer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::harness::Cluster;
use crate::load::Load;

/// How long the nodes of the rolling restart drain.
const DRAIN: Duration = Duration::from_secs(5);

fn flag() -> (Arc<AtomicBool>, Arc<AtomicBool>) {
    let flag = Arc::new(AtomicBool::new(false));
    (flag.clone(), flag)
}

/// Writes one point at each whole second, by the SDK; the first second and the last.
fn pulse(cluster: &Cluster, stop: Arc<AtomicBool>) -> JoinHandle<(i64, i64)> {
    let client = Client::connect(cluster.seeds()).unwrap();
    tokio::spawn(async move {
        let labels = Labels::new([("__name__", "pulse")]).unwrap();
        let stream = Stream { labels, writer: Writer::NONE, kind: Kind::Sample };
        let mut second = UNIX_EPOCH.elapsed().unwrap().as_secs() as i64;
        let first = second + 1;
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        while !stop.load(Ordering::Relaxed) {
            tick.tick().await;
            // What a slow moment has held up is written with its own time all the same.
            if UNIX_EPOCH.elapsed().unwrap().as_secs() as i64 > second {
                second += 1;
                let points = vec![Point::new(second * 1000, 1.0)];
                let part = StreamPoints { stream: stream.clone(), points };
                client.write(vec![part], WriteOptions::default()).await.expect("no write fails");
            }
        }
        (first, second)
    })
}

/// One request over HTTP; its status, or `None` where the connection failed.
async fn status_of(node: std::net::SocketAddr, path: &str) -> Option<u16> {
    status_until_closed(node, path, "connection: close\r\n").await
}

/// The same with headers; it ends when the node closes the connection.
async fn status_until_closed(node: std::net::SocketAddr, path: &str, headers: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(node).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    String::from_utf8_lossy(&answer).split(' ').nth(1)?.parse().ok()
}

/// Asks a node as a load balancer does that looks once a second whether it is ready, and goes by what it saw last.
/// How many questions were answered.
fn questions(node: std::net::SocketAddr, stop: Arc<AtomicBool>) -> JoinHandle<u64> {
    tokio::spawn(async move {
        let (mut answered, mut is_ready, mut looked) = (0, false, None::<Instant>);
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        while !stop.load(Ordering::Relaxed) {
            tick.tick().await;
            if looked.is_none_or(|looked| looked.elapsed() > Duration::from_secs(1)) {
                looked = Some(Instant::now());
                is_ready = status_of(node, "/-/ready").await == Some(200);
            }
            if is_ready {
                let status = status_of(node, "/api/v1/query?query=sum(calls_total)").await;
                // A machine that is busy may take longer to ask than a node drains.
                let since = looked.map(|looked| looked.elapsed()).unwrap_or_default();
                assert!(status == Some(200) || since >= DRAIN, "{node} was ready {since:?} ago: {status:?}");
                answered += 1;
            }
        }
        answered
    })
}

/// The one value that a node answers to an instant query, once it finds the time.
async fn value(cluster: &Cluster, node: usize, query: &str, at: i64) -> String {
    let form = format!("query={query}&time={at}");
    let answer = std::cell::RefCell::new(String::new());
    cluster
        .eventually("a query is answered", async || {
            let answered = cluster.nodes[node].post_form("/api/v1/query", &form).await;
            let Some((200, text)) = answered else { return false };
            answer.replace(text);
            true
        })
        .await;
    let answer = answer.into_inner();
    let data: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    data["data"]["result"][0]["value"][1].as_str().unwrap_or("nothing").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_is_restarted_in_turn_and_nothing_fails_or_is_missing() {
    let mut cluster = Cluster::empty();
    for name in ["n1", "n2", "n3"] {
        let node = cluster.add(name, &["--drain", &format!("{}s", DRAIN.as_secs())]);
        cluster.start_node(node).await;
    }
    cluster.all_ready().await;
    let ids = cluster.nodes[0].state().await.unwrap()["members"].as_array().unwrap().len();
    let (stop, stopped) = flag();
    let load = Load::start(&cluster);
    let pulse = pulse(&cluster, stopped.clone());
    let asked: Vec<_> = cluster.nodes.iter().map(|node| questions(node.client, stopped.clone())).collect();
    load.goes_on(&cluster, 40).await;
    for node in 0..3 {
        let before = cluster.nodes[node].field("node").await;
        let began = Instant::now();
        let ended = cluster.nodes[node].terminate().await;
        assert!(ended.success(), "{ended}:\n{}", cluster.nodes[node].log_tail());
        let (away, began) = (began.elapsed(), Instant::now());
        load.goes_on(&cluster, 20).await;
        cluster.start_node(node).await;
        cluster.eventually("it is back", async || cluster.nodes[node].is_ready().await).await;
        println!("{}: {away:?} to drain and leave, ready again {:?} after", node, began.elapsed());
        assert_eq!(cluster.nodes[node].field("node").await, before, "it keeps its place");
        cluster.all_ready().await;
        load.goes_on(&cluster, 20).await;
    }
    stop.store(true, Ordering::Relaxed);
    let (calls, (first, last)) = (load.stop().await, pulse.await.expect("no write failed"));
    for asked in asked {
        assert!(asked.await.expect("no query failed at a ready node") > 0);
    }
    cluster.all_agree().await;
    let seconds = last - first + 1;
    for node in 0..3 {
        let count = value(&cluster, node, &format!("count_over_time(pulse[{seconds}s])"), last).await;
        assert_eq!(count, seconds.to_string(), "a point a second at node {node}");
        let resets = value(&cluster, node, &format!("resets(calls_total[{seconds}s])"), last).await;
        assert_eq!(resets, "0", "at node {node}");
        assert_eq!(value(&cluster, node, "sum(calls_total)", last + 60).await, calls.to_string());
        let members = cluster.nodes[node].state().await.unwrap()["members"].as_array().unwrap().clone();
        assert!(members.len() == ids && members.iter().all(|member| member["state"] == "joined"));
    }
    println!("{calls} calls over {seconds} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_drains_is_not_ready_and_serves_until_a_second_signal() {
    let mut cluster = Cluster::empty();
    for name in ["n1", "n2"] {
        let node = cluster.add(name, &["--drain", "10m"]);
        cluster.start_node(node).await;
    }
    cluster.all_ready().await;
    let watched = cluster.nodes[1].client();
    cluster.nodes[1].signal(Signal::TERM);
    let not_ready = async || cluster.nodes[1].get("/-/ready").await.is_some_and(|(status, _)| status == 503);
    cluster.eventually("it says that it is not ready", not_ready).await;
    cluster
        .eventually("the other knows", async || {
            let state = cluster.nodes[0].state().await.unwrap_or_default();
            let members = state["members"].as_array().cloned().unwrap_or_default();
            members.iter().any(|member| member["name"] == "n2" && member["phase"] == "leaving")
        })
        .await;
    let (status, answer) = cluster.nodes[1].post("/api/v1/import/prometheus", "late 1\n").await.unwrap();
    assert_eq!(status, 204, "{answer}");
    assert_eq!(watched.members().await.unwrap().members.len(), 2);
    let closed = status_until_closed(cluster.nodes[1].client, "/-/healthy", "");
    let closed = tokio::time::timeout(crate::harness::PATIENCE, closed).await;
    assert_eq!(closed, Ok(Some(200)), "a connection that HTTP/1 would keep is closed");
    cluster.nodes[1].signal(Signal::TERM);
    let ended = cluster.nodes[1].ended().await;
    assert_eq!(ended.code(), Some(1), "{ended}");
    cluster.start_node(1).await;
    cluster.all_ready().await;
    cluster.all_agree().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_company_does_not_drain() {
    let mut cluster = Cluster::empty();
    let node = cluster.add("n1", &["--drain", "10m"]);
    cluster.start_node(node).await;
    cluster.all_ready().await;
    assert!(cluster.nodes[0].terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_was_stopped_whole_is_there_again() {
    let mut cluster = Cluster::start(3).await;
    let load = Load::start(&cluster);
    load.goes_on(&cluster, 20).await;
    let calls = load.stop().await;
    for node in 0..3 {
        assert!(cluster.nodes[node].terminate().await.success());
    }
    for node in [1, 2, 0] {
        cluster.start_node(node).await;
    }
    cluster.all_ready().await;
    cluster.all_agree().await;
    let now = UNIX_EPOCH.elapsed().unwrap().as_secs() as i64;
    for node in 0..3 {
        assert_eq!(value(&cluster, node, "sum(calls_total)", now).await, calls.to_string());
        assert_eq!(cluster.nodes[node].field("warnings").await, "[]");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_ended_at_a_keyboard_does_not_drain() {
    let mut cluster = Cluster::empty();
    for name in ["n1", "n2"] {
        let node = cluster.add(name, &["--drain", "10m"]);
        cluster.start_node(node).await;
    }
    cluster.all_ready().await;
    cluster.nodes[1].signal(Signal::INT);
    assert!(cluster.nodes[1].ended().await.success());
    cluster
        .eventually("it has left", async || {
            let state = cluster.nodes[0].state().await.unwrap_or_default();
            let members = state["members"].as_array().cloned().unwrap_or_default();
            members.iter().any(|member| member["name"] == "n2" && member["state"] == "left")
        })
        .await;
}
