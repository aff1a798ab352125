//! What was acknowledged with two copies outlives any one node, directory included.

use shoal_client::{Acks, ReadOptions, Session, SessionConfig, WriteOptions};
use shoal_model::{Kind, Labels, Point, Stream, StreamPoints, Writer};
use shoal_proto::v1;

use crate::harness::Cluster;

async fn count(cluster: &Cluster, index: usize, name: &str, copies: u32) {
    let acks = Acks::Count(std::num::NonZeroU32::new(copies).unwrap());
    let write = WriteOptions { acks, ..WriteOptions::default() };
    let session =
        Session::new(cluster.nodes[index].client(), SessionConfig { write, ..SessionConfig::default() });
    session.counter(name, &[]).add(5.0);
    let flush = session.flush().await.expect("the write is acknowledged");
    assert!(flush.copies >= Some(copies), "{flush:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_with_two_copies_outlives_its_node_and_the_node_comes_back_empty_under_its_name() {
    let mut cluster = Cluster::start(3).await;
    count(&cluster, 2, "first_total", 2).await;
    let old = cluster.nodes[2].state().await.unwrap()["node"].clone();
    cluster.nodes[2].kill();
    std::fs::remove_dir_all(&cluster.nodes[2].data).unwrap();
    for survivor in [0, 1] {
        cluster
            .eventually("the survivors read it", async || {
                cluster.nodes[survivor].value("first_total").await == Some(5.0)
            })
            .await;
    }
    cluster.start_node(2).await;
    cluster.all_ready().await;
    assert_ne!(cluster.nodes[2].state().await.unwrap()["node"], old, "a wiped directory is a new node");
    count(&cluster, 2, "second_total", 2).await;
    cluster
        .eventually("the old node is forgotten by all", async || {
            let mut forgotten = true;
            for node in &cluster.nodes {
                let state = node.state().await.unwrap_or_default();
                let members = state["members"].as_array().cloned().unwrap_or_default();
                forgotten &= members.iter().any(|m| m["node"] == old && m["state"] == "forgotten");
            }
            forgotten
        })
        .await;
    cluster.all_agree().await;
    for node in &cluster.nodes {
        assert_eq!(node.value("first_total").await, Some(5.0), "at {}", node.name);
        assert_eq!(node.value("second_total").await, Some(5.0), "at {}", node.name);
    }
    let told = std::fs::read_to_string(cluster.nodes[2].log()).unwrap();
    assert!(told.contains("what only it held may be lost"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_with_a_token_sees_that_write_on_any_node() {
    let cluster = Cluster::start(3).await;
    for round in 1..=60 {
        let labels = Labels::new([("__name__", "marked")]).unwrap();
        let stream = Stream { labels, writer: Writer::NONE, kind: Kind::Gauge };
        let now_ms = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64;
        let points = vec![Point::new(now_ms, f64::from(round))];
        let write = WriteOptions { acks: Acks::Count(std::num::NonZeroU32::MIN), ..WriteOptions::default() };
        let writer = cluster.nodes[round as usize % 3].client();
        let receipt = writer.write(vec![StreamPoints { stream, points }], write).await.unwrap();
        let tokens = receipt.token.into_iter().collect();
        let reader = cluster.nodes[(round as usize + 1) % 3].client();
        let answer = reader.read("marked", ReadOptions { tokens, ..ReadOptions::default() }).await.unwrap();
        assert!(answer.series[0].value >= f64::from(round), "{answer:?}");
    }
    let uri = format!("http://{}", cluster.nodes[0].client);
    let mut client = v1::query_client::QueryClient::connect(uri).await.unwrap();
    let never = v1::Token { origin: vec![7; 16], seq: 1 };
    let request = v1::ReadRequest { selector: "marked".into(), tokens: vec![never], ..Default::default() };
    let error = client.read(request.clone()).await.unwrap_err();
    assert!(
        error.code() == tonic::Code::Unavailable && error.message().contains("has not arrived here"),
        "{error}"
    );
    let mut lenient = tonic::Request::new(request);
    lenient.metadata_mut().insert("shoal-token-late", "warn".parse().unwrap());
    let answer = client.read(lenient).await.unwrap().into_inner();
    assert!(answer.warnings.iter().any(|warning| warning.contains("has not arrived here")), "{answer:?}");
    assert_eq!(answer.series.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_that_cannot_be_had_are_refused_and_a_newcomer_waits_for_its_cluster() {
    let mut cluster = Cluster::start(2).await;
    let client = cluster.nodes[0].client();
    let acks = Acks::Count(std::num::NonZeroU32::new(3).unwrap());
    let session = Session::new(
        client,
        SessionConfig { write: WriteOptions { acks, ..Default::default() }, ..Default::default() },
    );
    session.gauge("level", &[]).set(1.0);
    let error = session.flush().await.unwrap_err().to_string();
    assert!(error.contains("of the 3 copies asked for"), "{error}");

    let lost = cluster.add("n9", &[]);
    cluster.nodes[lost].start(&["127.0.0.1:9".parse().unwrap()]).await;
    assert!(!cluster.nodes[lost].is_ready().await);
    let (status, answer) = cluster.nodes[lost].post("/api/v1/import/prometheus", "up 1\n").await.unwrap();
    assert_eq!(status, 503, "{answer}");
    assert!(answer.contains("127.0.0.1:9") && answer.contains("retry-after"), "{answer}");
}
