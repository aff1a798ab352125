//! Whoever does not belong gets nothing: no key, another key, another cluster, another version, bad manners.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use quinn::{ConnectionError, Endpoint};
use shoal_model::limits::MESSAGE_BYTES_MAX;
use tokio::time::timeout;

use super::rig::{DEADLINE, Node, RawPeer, anonymous_client, config, hello, loopback, open_class, until};
use crate::greeting::Versions;
use crate::handshake::HandshakeError;
use crate::identity::PEER;
use crate::mesh::{Mesh, MeshConfig, Sent};
use crate::{Class, ClusterKeys, Refusal};

/// Both try to talk; neither hears anything, and both count why.
async fn never_talk(ours: MeshConfig, theirs: MeshConfig) {
    let (mut us, mut them) = (Node::start(ours), Node::start(theirs));
    us.send(them.address(), Class::Control, b"secret");
    them.send(us.address(), Class::Control, b"secret");
    let refused = |node: &Node| node.mesh.stats().handshakes_refused > 0;
    until("both refuse", || refused(&us) && refused(&them)).await;
    assert!(us.arrivals.try_recv().is_none());
    assert!(them.arrivals.try_recv().is_none());
    assert_eq!(us.mesh.stats().messages_out + them.mesh.stats().messages_out, 0);
}

#[tokio::test]
async fn another_key_gets_nothing() {
    let other = ClusterKeys::parse(&ClusterKeys::generate()).unwrap();
    never_talk(config(1), MeshConfig { keys: other, ..config(2) }).await;
}

#[tokio::test]
async fn another_cluster_with_the_same_key_gets_nothing() {
    never_talk(config(1), MeshConfig { cluster: "reef".to_owned(), ..config(2) }).await;
}

#[tokio::test]
async fn a_client_without_a_certificate_gets_nothing() {
    let node = Node::start(config(1));
    let client = Endpoint::client(loopback(0)).unwrap();
    let connecting = client.connect_with(anonymous_client(), node.address(), PEER).unwrap();
    if let Ok(connection) = connecting.await {
        let opened = timeout(DEADLINE, connection.accept_uni()).await.unwrap();
        assert!(matches!(opened, Err(ConnectionError::ConnectionClosed(_))), "{opened:?}");
        assert_eq!(connection.stats().frame_rx.stream, 0);
    }
    until("it is counted", || node.mesh.stats().handshakes_refused == 1).await;
}

#[tokio::test]
async fn nodes_of_which_each_trusts_the_others_key_talk() {
    let (one, two) = (ClusterKeys::generate(), ClusterKeys::generate());
    let keys = |text: String| ClusterKeys::parse(&text).unwrap();
    let old = Node::start(MeshConfig { keys: keys(format!("{one}{two}")), ..config(1) });
    let mut new = Node::start(MeshConfig { keys: keys(format!("{two}{one}")), ..config(2) });
    old.send(new.address(), Class::Control, b"rotation");
    assert_eq!(new.receive().await.message, "rotation");
}

#[tokio::test]
async fn the_development_key_does_not_leave_loopback() {
    let node = Node::start(config(1));
    assert_eq!(node.send("192.0.2.1:7401".parse().unwrap(), Class::Control, b""), Sent::Dropped);
    assert_eq!(node.send("[2001:db8::1]:7401".parse().unwrap(), Class::Control, b""), Sent::Dropped);
}

/// An address of this machine beyond loopback, where it has one; nothing is sent to find out.
fn address_beyond_loopback() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_loopback())
}

#[tokio::test]
async fn with_the_development_key_whoever_comes_from_beyond_loopback_is_refused() {
    let Some(beyond) = address_beyond_loopback() else {
        println!("skipped: needs an address beyond loopback");
        return;
    };
    let anywhere = MeshConfig { bind: "0.0.0.0:0".parse().unwrap(), ..config(1) };
    let node = Node::start(MeshConfig { advertise: Some(loopback(9)), ..anywhere });
    let port = node.address().port();
    let stranger = RawPeer::at(SocketAddr::new(beyond, 0), 2);
    let refused = stranger.endpoint.connect(SocketAddr::new(beyond, port), PEER).unwrap().await;
    assert!(matches!(refused, Err(ConnectionError::ConnectionClosed(_))), "{refused:?}");
    assert_eq!(node.mesh.stats().strangers_refused, 1);
    RawPeer::new(3).greet(loopback(port)).await.expect("who comes from loopback is greeted");
    assert_eq!(node.mesh.stats().strangers_refused, 1);
}

#[tokio::test]
async fn garbage_on_the_port_changes_nothing() {
    let (node, mut other) = (Node::start(config(1)), Node::start(config(2)));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut state = 1_u32;
    for length in 0..1200 {
        let garbage = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        let garbage: Vec<u8> = garbage.take(length).collect();
        socket.send_to(&garbage, node.address()).unwrap();
    }
    other.send(node.address(), Class::Control, b"through");
    let mut node = node;
    assert_eq!(node.receive().await.message, "through");
    node.send(other.address(), Class::Control, b"back");
    assert_eq!(other.receive().await.message, "back");
    assert_eq!(node.mesh.stats().handshakes_refused, 0);
    assert_eq!(node.mesh.stats().messages_in, 1);
}

#[tokio::test]
async fn another_version_is_refused_with_the_reason() {
    let node = Node::start(config(1));
    let (later, _arrivals) = Mesh::bind_speaking(config(2), Versions { min: 2, max: 3 }).unwrap();
    later.send(node.address(), Class::Control, "no state for them".into());
    let refused = || node.mesh.stats().greetings_refused[&Refusal::Version] > 0;
    until("it is counted", refused).await;
    until("the dialler knows", || later.stats().dials_failed > 0).await;
    assert_eq!(later.stats().messages_out, 0);

    let mut raw = RawPeer::new(3);
    raw.greeting.versions = Versions { min: 2, max: 2 };
    let outcome = raw.greet(node.address()).await.map(drop);
    assert!(matches!(outcome, Err(HandshakeError::RefusedByPeer(Refusal::Version))), "{outcome:?}");
}

#[tokio::test]
async fn neighbouring_releases_talk_in_the_newest_version_that_both_know() {
    let mut old = Node::start(config(1));
    let (mesh, arrivals) = Mesh::bind_speaking(config(2), Versions { min: 1, max: 2 }).unwrap();
    let mut new = Node { mesh, arrivals };
    old.send(new.address(), Class::Control, b"from the old");
    assert_eq!(new.receive().await.message, "from the old");
    new.send(old.address(), Class::Control, b"from the new");
    assert_eq!(old.receive().await.message, "from the new");
    for node in [&old, &new] {
        assert_eq!(node.mesh.stats().versions, [(1, 1)].into());
    }
}

#[tokio::test]
async fn a_greeting_must_be_ones_own_and_readable() {
    let node = Node::start(config(1));
    let expect = async |raw: RawPeer, refusal: Refusal| {
        let outcome = raw.greet(node.address()).await.map(drop);
        let why = matches!(outcome, Err(HandshakeError::RefusedByPeer(why)) if why == refusal);
        assert!(why, "{refusal}: {outcome:?}");
        assert_eq!(node.mesh.stats().greetings_refused[&refusal], 1);
    };
    let mut raw = RawPeer::new(2);
    raw.greeting.hello.node = hello(3, 1).node;
    expect(raw, Refusal::Identity).await;
    let mut raw = RawPeer::new(2);
    raw.greeting.cluster = "reef".to_owned();
    expect(raw, Refusal::Cluster).await;
    expect(RawPeer::new(1), Refusal::Oneself).await;
    let mut raw = RawPeer::new(2);
    raw.greeting.address = "0.0.0.0:1".parse().unwrap();
    expect(raw, Refusal::Malformed).await;
}

#[tokio::test]
async fn bytes_that_are_no_greeting_are_refused() {
    let node = Node::start(config(1));
    for garbage in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], b"SHOL\x01\0\x01\0\xff\xff", b"SHOL\x01\0\x01\0\x01\0\xff"]
    {
        let connection = RawPeer::new(2).connect(node.address()).await;
        let (mut send, _receive) = connection.open_bi().await.unwrap();
        send.write_all(garbage).await.unwrap();
        send.finish().unwrap();
        let closed = timeout(DEADLINE, connection.closed()).await.unwrap();
        let expected = Refusal::Malformed.close_code();
        assert!(matches!(closed, ConnectionError::ApplicationClosed(c) if c.error_code == expected));
    }
    assert_eq!(node.mesh.stats().greetings_refused[&Refusal::Malformed], 3);
}

#[tokio::test]
async fn a_peer_that_breaks_the_rules_of_streams_is_closed() {
    let node = Node::start(config(1));
    let expect_close = async |connection: quinn::Connection| {
        let closed = timeout(DEADLINE, connection.closed()).await.unwrap();
        assert!(matches!(closed, ConnectionError::ApplicationClosed(_)), "{closed}");
    };
    let connection = RawPeer::new(2).greet(node.address()).await.unwrap();
    let mut stream = open_class(&connection, Class::Frames).await;
    let beyond = u32::try_from(MESSAGE_BYTES_MAX + 1).unwrap();
    stream.write_all(&beyond.to_le_bytes()).await.unwrap();
    expect_close(connection).await;

    let connection = RawPeer::new(2).greet(node.address()).await.unwrap();
    let _first = open_class(&connection, Class::Control).await;
    let _second = open_class(&connection, Class::Control).await;
    expect_close(connection).await;

    let connection = RawPeer::new(2).greet(node.address()).await.unwrap();
    let mut unknown = connection.open_uni().await.unwrap();
    unknown.write_all(&[9]).await.unwrap();
    expect_close(connection).await;
    assert_eq!(node.mesh.stats().messages_in, 0);
}
