//! Calls against fake nodes: which node is asked, with what, and what comes back.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::num::NonZeroU32;

use shoal_model::{Labels, Origin, Point, Stream};
use shoal_proto::{Acks, Token};
use tonic::Code;

use super::*;
use crate::fake::{FakeNode, Meeting};

fn client(seeds: &[SocketAddr]) -> Client {
    let seeds = seeds.iter().map(SocketAddr::to_string);
    Client::builder().seeds(seeds).order(NodeOrder::RoundRobin).only_seeds().build().unwrap()
}

fn points(kind: Kind, writer: Writer) -> Vec<StreamPoints> {
    let labels = Labels::new([("__name__", "requests_total"), ("job", "web")]).unwrap();
    vec![StreamPoints { stream: Stream { labels, writer, kind }, points: vec![Point::new(1 << 40, 2.0)] }]
}

fn counter() -> Vec<StreamPoints> {
    points(Kind::Counter, Writer([1; 16]))
}

fn patient() -> WriteOptions {
    WriteOptions { deadline: Duration::from_secs(30), ..WriteOptions::default() }
}

/// An address where nobody listens.
fn closed() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

fn is(node: &Address, fake: &FakeNode) -> bool {
    node.to_string() == fake.address.to_string()
}

#[tokio::test]
async fn a_write_carries_points_and_options_and_brings_the_receipt() {
    let node = FakeNode::accepting();
    let acks = Acks::Count(NonZeroU32::new(3).unwrap());
    let receipt = client(&[node.address]).write(counter(), WriteOptions { acks, ..patient() }).await.unwrap();
    assert_eq!((receipt.copies, receipt.accepted), (2, 1));
    assert_eq!(receipt.token, Some(Token { origin: Origin([5; 16]), seq: 1 }));
    let sent = &node.writes()[0];
    assert_eq!((sent.acks.as_str(), sent.streams[0].times[0]), ("3", 1 << 40));
}

#[tokio::test]
async fn a_refused_connection_moves_on_to_the_next_node() {
    let node = FakeNode::accepting();
    let receipt = client(&[closed(), node.address]).write(counter(), patient()).await.unwrap();
    assert!(is(&receipt.node, &node));
}

#[tokio::test]
async fn a_silent_node_is_hedged_with_the_same_points() {
    let silent = FakeNode::start([], Meeting::Silence);
    let node = FakeNode::accepting();
    let client = client(&[silent.address, node.address]);
    let streams = points(Kind::Delta, Writer::NONE);
    let receipt = client.write(streams, patient()).await.unwrap();
    assert!(is(&receipt.node, &node));
    assert_eq!(silent.saw(1).await, node.writes());
}

#[tokio::test]
async fn a_lost_reply_is_asked_for_again_with_the_same_points() {
    for code in [Code::Unavailable, Code::ResourceExhausted, Code::DeadlineExceeded, Code::Unknown] {
        let node = FakeNode::start([Meeting::Fail(code)], Meeting::Accept);
        let streams = points(Kind::Delta, Writer::NONE);
        client(&[node.address]).write(streams, patient()).await.unwrap();
        let writes = node.writes();
        assert_eq!(writes.len(), 2, "{code:?}");
        assert_eq!(writes[0], writes[1]);
        assert!(!writes[0].streams[0].times.is_empty());
    }
}

#[tokio::test]
async fn a_refusal_is_final() {
    for code in [Code::InvalidArgument, Code::FailedPrecondition, Code::Unauthenticated] {
        let nodes = [(); 2].map(|()| FakeNode::start([], Meeting::Fail(code)));
        let client = client(&[nodes[0].address, nodes[1].address]);
        let refused = client.write(counter(), patient()).await.unwrap_err();
        assert!(matches!(refused, CallError::Refused { code: c, .. } if c == code), "{refused}");
    }
}

#[tokio::test]
async fn nodes_that_fail_to_the_end_are_named() {
    let node = FakeNode::start([], Meeting::Fail(Code::Unavailable));
    let options = WriteOptions { deadline: Duration::from_millis(200), ..WriteOptions::default() };
    let unanswered = client(&[node.address]).write(counter(), options).await.unwrap_err();
    assert!(unanswered.to_string().contains(&node.address.to_string()), "{unanswered}");
}

#[tokio::test]
async fn a_member_that_is_no_seed_takes_the_call_when_the_seed_fails() {
    let member = FakeNode::accepting();
    let seed = FakeNode::start([], Meeting::Fail(Code::Unavailable));
    seed.names(&[seed.address, member.address]);
    let client = Client::connect([seed.address.to_string()]).unwrap();
    let receipt = client.write(counter(), patient()).await.unwrap();
    assert!(is(&receipt.node, &member));
}

#[tokio::test]
async fn round_robin_spreads_calls_over_all_nodes() {
    let nodes = [(); 3].map(|()| FakeNode::accepting());
    let client = client(&[nodes[0].address, nodes[1].address, nodes[2].address]);
    for _ in 0..9 {
        client.write(counter(), patient()).await.unwrap();
    }
    assert!(nodes.iter().all(|node| !node.writes().is_empty()));
}

#[tokio::test]
async fn only_increments_without_a_writer_get_a_key_and_each_call_another() {
    let node = FakeNode::accepting();
    let client = client(&[node.address]);
    for streams in [points(Kind::Delta, Writer::NONE), points(Kind::Delta, Writer::NONE), counter()] {
        client.write(streams, patient()).await.unwrap();
    }
    let given = WriteOptions { idempotency_key: Some(b"mine".to_vec()), ..patient() };
    client.write(points(Kind::Delta, Writer::NONE), given).await.unwrap();
    let keys: Vec<_> = node.writes().into_iter().map(|write| write.idempotency_key).collect();
    assert!(keys[0].len() == 16 && keys[1].len() == 16 && keys[0] != keys[1]);
    assert_eq!(keys[2..], [b"".to_vec(), b"mine".to_vec()]);
}

#[tokio::test]
async fn the_token_goes_with_every_call() {
    let node = FakeNode::accepting();
    let client = Client::builder().seeds([node.address.to_string()]).token("secret").build().unwrap();
    client.write(counter(), patient()).await.unwrap();
    assert_eq!(node.tokens(), ["Bearer secret"]);
}

#[tokio::test]
async fn members_are_told_as_the_node_sees_them() {
    let node = FakeNode::accepting();
    let members = client(&[node.address]).members().await.unwrap();
    assert_eq!(members.members[0].client_address, node.address.to_string());
    assert_eq!((members.members[0].origin, members.frontier), (None, None));
    client(&[node.address]).forget(members.node).await.unwrap();
}

#[test]
fn a_client_says_why_it_cannot_be_made() {
    assert_eq!(Client::connect(["nowhere"]).unwrap_err(), AddressError("nowhere".into()).into());
    assert_eq!(Client::builder().build().unwrap_err(), BuildError::NoSeeds);
    assert_eq!(Client::connect(["node:7400"]).unwrap_err(), BuildError::NoRuntime);
}
