//! Messages arrive: every class, in order, of any size, and without making the sender wait.

use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::timeout;

use super::rig::{DEADLINE, Node, config, until};
use crate::mesh::{Mesh, MeshConfig, Sent};
use crate::{BindError, Class};

#[tokio::test]
async fn three_meshes_exchange_messages_of_every_class() {
    let mut nodes = [1, 2, 3].map(|node| Node::start(config(node)));
    let addresses = [0, 1, 2].map(|index: usize| nodes[index].address());
    for (from, node) in nodes.iter().enumerate() {
        for (to, address) in addresses.iter().enumerate().filter(|(to, _)| *to != from) {
            for class in Class::ALL {
                let message = [from as u8 + 1, to as u8 + 1, class.byte()];
                assert_eq!(node.send(*address, class, &message), Sent::Queued);
            }
        }
    }
    for (to, node) in nodes.iter_mut().enumerate() {
        let mut seen = BTreeSet::new();
        while seen.len() < 2 * Class::ALL.len() {
            let arrival = node.receive().await;
            let from = arrival.from.0[0];
            assert_eq!(arrival.address, addresses[usize::from(from) - 1]);
            assert_eq!(*arrival.message, [from, to as u8 + 1, arrival.class.byte()]);
            seen.insert((from, arrival.class));
        }
    }
}

#[tokio::test]
async fn an_answer_takes_the_connection_that_the_question_came_by() {
    let (asker, mut answerer) = (Node::start(config(1)), Node::start(config(2)));
    let mut asker = asker;
    asker.send(answerer.address(), Class::Control, b"question");
    let question = answerer.receive().await;
    answerer.send(question.address, Class::Control, b"answer");
    assert_eq!(asker.receive().await.message, "answer");
    assert_eq!(asker.mesh.stats().connections, 1);
    assert_eq!(answerer.mesh.stats().connections, 1);
}

#[tokio::test]
async fn order_within_a_class_is_kept() {
    let (sender, mut receiver) = (Node::start(config(1)), Node::start(config(2)));
    for number in 0..600_u32 {
        for class in [Class::Control, Class::Frames, Class::Repair] {
            let length = 4 + (number as usize * 37) % 1500;
            let mut message = vec![0; length];
            message[..4].copy_from_slice(&number.to_le_bytes());
            assert_eq!(sender.send(receiver.address(), class, &message), Sent::Queued);
        }
    }
    let mut next = [0_u32; 4];
    for _ in 0..1800 {
        let arrival = receiver.receive().await;
        let number = u32::from_le_bytes(arrival.message[..4].try_into().unwrap());
        assert_eq!(number, next[arrival.class.index()], "{:?}", arrival.class);
        next[arrival.class.index()] += 1;
    }
}

#[tokio::test]
async fn messages_beyond_a_datagram_and_beyond_all_windows_arrive() {
    let (sender, mut receiver) = (Node::start(config(1)), Node::start(config(2)));
    let gossip = vec![7; 60_000];
    sender.send(receiver.address(), Class::Gossip, &gossip);
    assert_eq!(receiver.receive().await.message, gossip);
    let frame: Vec<u8> = (0..20_000_000_u32).map(|number| number as u8).collect();
    sender.send(receiver.address(), Class::Frames, &frame);
    sender.send(receiver.address(), Class::Control, b"urgent");
    let (first, second) = (receiver.receive().await, receiver.receive().await);
    assert_eq!(first.message, "urgent", "control does not wait behind frames");
    assert!(second.message == frame);
    let empty = sender.send(receiver.address(), Class::Control, b"");
    assert_eq!((empty, receiver.receive().await.message), (Sent::Queued, Bytes::new()));
    let beyond = Bytes::from(vec![0; shoal_model::limits::MESSAGE_BYTES_MAX + 1]);
    assert_eq!(sender.mesh.send(receiver.address(), Class::Frames, beyond), Sent::Dropped);
}

#[tokio::test]
async fn simultaneous_dials_lose_nothing_and_end_in_one_connection() {
    let (mut low, mut high) = (Node::start(config(1)), Node::start(config(2)));
    let (at_low, at_high) = (low.address(), high.address());
    for number in 0..100 {
        low.send(at_high, Class::Control, &[number]);
        high.send(at_low, Class::Control, &[number]);
    }
    for node in [&mut low, &mut high] {
        let mut seen = BTreeSet::new();
        while seen.len() < 100 {
            seen.insert(node.receive().await.message[0]);
        }
    }
    let lines = |node: &Node| node.mesh.stats().connections;
    until("one connection", || lines(&low) == 1 && lines(&high) == 1).await;
    low.send(at_high, Class::Control, b"still there");
    assert_eq!(high.receive().await.message, "still there");
}

#[tokio::test]
async fn a_seed_address_leads_to_the_address_that_its_node_advertises() {
    let seed = Node::start(config(1));
    let mut node = Node::start(MeshConfig { advertise: Some("127.0.0.2:9".parse().unwrap()), ..config(2) });
    seed.send(node.address(), Class::Control, b"by the seed's address");
    assert_eq!(node.receive().await.message, "by the seed's address");
    seed.send("127.0.0.2:9".parse().unwrap(), Class::Control, b"by its own");
    assert_eq!(node.receive().await.message, "by its own");
    assert_eq!(seed.mesh.stats().connections, 1);
}

#[tokio::test]
async fn full_queues_drop_and_count_and_sending_never_waits() {
    let node = Node::start(config(1));
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = silent.local_addr().unwrap();
    let frame = Bytes::from(vec![0; 1024 * 1024]);
    let began = Instant::now();
    let sent: Vec<_> = (0..40).map(|_| node.mesh.send(to, Class::Frames, frame.clone())).collect();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(sent.iter().filter(|sent| **sent == Sent::Queued).count(), 16);
    assert_eq!(node.mesh.stats().dropped_out, 24);
    until("the dial fails", || node.mesh.stats().dials_failed == 1).await;
    assert_eq!(node.mesh.stats().dropped_out, 40);
    assert_eq!(node.send(to, Class::Frames, b"a moment later"), Sent::Dropped);
}

#[tokio::test]
async fn a_receiver_that_does_not_take_stops_streams_and_loses_gossip_only() {
    let (sender, mut receiver) = (Node::start(config(1)), Node::start(config(2)));
    let to = receiver.address();
    let mut queued = 0;
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    let filled = async {
        while sender.send(to, Class::Repair, &[1; 256 * 1024]) == Sent::Queued {
            queued += 1;
            tick.tick().await;
        }
    };
    timeout(DEADLINE, filled).await.expect("the queue fills because the receiver does not take");
    for _ in 0..4000 {
        sender.send(to, Class::Gossip, b"gossip");
        tokio::task::yield_now().await;
    }
    until("gossip is dropped", || {
        receiver.mesh.stats().dropped_in > 0 || sender.mesh.stats().dropped_out > 1
    })
    .await;
    let mut taken = 0;
    while taken < queued {
        if receiver.receive().await.class == Class::Repair {
            taken += 1;
        }
    }
}

#[tokio::test]
async fn what_is_urgent_overtakes_repair_that_a_slow_receiver_has_not_taken() {
    let (sender, mut receiver) = (Node::start(config(1)), Node::start(config(2)));
    let to = receiver.address();
    let mut waiting = 0;
    while sender.send(to, Class::Repair, &[1; 256 * 1024]) == Sent::Queued {
        waiting += 1;
    }
    until("the receiver reads until its lane is full", || receiver.mesh.stats().messages_in >= 3).await;
    for class in [Class::Frames, Class::Control] {
        assert_eq!(sender.send(to, class, b"urgent"), Sent::Queued);
    }
    until("both got through beside it", || receiver.mesh.stats().messages_in >= 5).await;
    let order = [receiver.receive().await.class, receiver.receive().await.class];
    assert_eq!(order, [Class::Control, Class::Frames]);
    for _ in 0..waiting {
        assert_eq!(receiver.receive().await.class, Class::Repair);
    }
}

#[tokio::test]
async fn a_stop_delivers_what_waits_and_ends_connections_at_once() {
    let (sender, mut receiver) = (Node::start(config(1)), Node::start(config(2)));
    sender.send(receiver.address(), Class::Control, b"first");
    assert_eq!(receiver.receive().await.message, "first");
    for number in 0..50 {
        sender.send(receiver.address(), Class::Frames, &vec![number; 100_000]);
    }
    let stopping = tokio::spawn(async move {
        sender.mesh.shutdown().await;
        assert_eq!(sender.send("127.0.0.1:9".parse().unwrap(), Class::Control, b"late"), Sent::Dropped);
    });
    for number in 0..50 {
        assert_eq!(receiver.receive().await.message[0], number);
    }
    timeout(DEADLINE, stopping).await.unwrap().unwrap();
    until("the connection is gone", || receiver.mesh.stats().connections == 0).await;
}

#[tokio::test]
async fn a_mesh_dropped_frees_its_port() {
    let (node, mut peer) = (Node::start(config(1)), Node::start(config(2)));
    let address = node.address();
    node.reach(&mut peer, b"connected").await;
    drop(node);
    until("the port is free", || UdpSocket::bind(address).is_ok()).await;
    until("the peer knows", || peer.mesh.stats().connections == 0).await;
}

#[tokio::test]
async fn what_peers_could_not_use_is_not_bound() {
    let wildcard = MeshConfig { bind: "0.0.0.0:0".parse().unwrap(), ..config(1) };
    assert!(matches!(Mesh::bind(wildcard).map(drop), Err(BindError::Advertise(_))));
    let nameless = MeshConfig { cluster: String::new(), ..config(1) };
    assert!(matches!(Mesh::bind(nameless).map(drop), Err(BindError::Cluster)));
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let again = MeshConfig { bind: taken.local_addr().unwrap(), ..config(1) };
    assert!(matches!(Mesh::bind(again).map(drop), Err(BindError::Socket { .. })));
}
