//! What is under way when a node is told to end: a request that has begun to arrive is answered, and what would go on
//! without an end is ended, with a word that sends its client elsewhere.

use rustix::process::Signal;
use shoal_proto::v1;
use shoal_proto::v1::query_client::QueryClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Cluster, PATIENCE};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_has_begun_is_answered_before_the_node_ends() {
    let mut cluster = Cluster::start(1).await;
    let address = cluster.nodes[0].client;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let body = "slow 1\n";
    let head = format!(
        "POST /api/v1/import/prometheus HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body[..3]).as_bytes()).await.unwrap();
    // The node has the first part once it counts the request as one in work.
    cluster
        .eventually("the request is in work", async || {
            let (_, text) = cluster.nodes[0].get("/metrics").await.unwrap_or_default();
            text.lines().any(|line| line.starts_with("shoal_request_bytes ") && !line.ends_with(" 0"))
        })
        .await;
    cluster.nodes[0].signal(Signal::TERM);
    cluster.eventually("the doors close", async || TcpStream::connect(address).await.is_err()).await;
    stream.write_all(&body.as_bytes()[3..]).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    assert!(cluster.nodes[0].ended().await.success());
    cluster.start_node(0).await;
    cluster.all_ready().await;
    assert_eq!(cluster.nodes[0].value("slow").await, Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_watches_a_node_that_ends_is_sent_elsewhere() {
    let mut cluster = Cluster::start(1).await;
    let mut client = QueryClient::connect(format!("http://{}", cluster.nodes[0].client)).await.unwrap();
    let watch = v1::WatchRequest { query: "vector(1)".to_owned(), interval: 600_000, terms: None };
    let mut changes = client.watch(watch).await.unwrap().into_inner();
    assert!(changes.message().await.unwrap().is_some());
    cluster.nodes[0].signal(Signal::TERM);
    let ended = tokio::time::timeout(PATIENCE, changes.message()).await.unwrap();
    assert_eq!(ended.unwrap_err().code(), tonic::Code::Unavailable);
    assert!(cluster.nodes[0].ended().await.success());
    let log = cluster.nodes[0].log_tail();
    assert!(!log.contains("cut off"), "{log}");
}
