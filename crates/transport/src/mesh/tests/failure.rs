//! Peers that die, come back, or are cut off for a while.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::rig::{DEADLINE, Node, config, hello, until};
use crate::Class;
use crate::mesh::MeshConfig;

/// Less than the idle timeout, by which a stale connection would end anyway.
const AT_ONCE: Duration = Duration::from_secs(2);

/// A node in a runtime of its own, which can be killed without a word to its peers.
struct Process {
    runtime: Option<Runtime>,
    node: Node,
}

impl Process {
    fn start(life: u8, bind: SocketAddr) -> Process {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let guard = runtime.enter();
        let node = Node::start(MeshConfig { bind, greeting: hello(2, life), ..config(2) });
        drop(guard);
        Process { runtime: Some(runtime), node }
    }

    /// The tasks go first, so that nothing is left which could say goodbye.
    async fn kill(mut self) -> SocketAddr {
        let address = self.node.address();
        let runtime = self.runtime.take().unwrap();
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(DEADLINE)).await.unwrap();
        drop(self);
        until("the port is free", || std::net::UdpSocket::bind(address).is_ok()).await;
        address
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[tokio::test]
async fn a_restarted_node_that_was_dialled_is_reached_at_once() {
    let survivor = Node::start(config(1));
    let mut first = Process::start(1, "127.0.0.1:0".parse().unwrap());
    survivor.reach(&mut first.node, b"first life").await;
    let address = first.kill().await;
    let mut second = Process::start(2, address);
    let began = Instant::now();
    survivor.reach(&mut second.node, b"second life").await;
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_restarted_node_that_had_dialled_is_heard_and_answered_at_once() {
    let mut survivor = Node::start(config(1));
    let first = Process::start(1, "127.0.0.1:0".parse().unwrap());
    first.node.reach(&mut survivor, b"first life").await;
    let address = first.kill().await;
    let mut second = Process::start(2, address);
    let began = Instant::now();
    second.node.reach(&mut survivor, b"second life").await;
    survivor.reach(&mut second.node, b"welcome back").await;
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
}

/// Passes datagrams between one client and a target, while the road is open.
struct Relay {
    front: UdpSocket,
    back: UdpSocket,
    open: Arc<AtomicBool>,
}

impl Relay {
    async fn bind() -> Relay {
        let front = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let back = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        Relay { front, back, open: Arc::new(AtomicBool::new(true)) }
    }

    async fn run(self, target: SocketAddr) {
        self.back.connect(target).await.unwrap();
        let (mut there, mut here) = (vec![0; 65_536], vec![0; 65_536]);
        let mut client = None;
        loop {
            tokio::select! {
                Ok((length, from)) = self.front.recv_from(&mut there) => {
                    client = Some(from);
                    if self.open.load(Ordering::Relaxed) {
                        let _ = self.back.send(&there[..length]).await;
                    }
                }
                Ok(length) = self.back.recv(&mut here) => if let Some(client) = client
                    && self.open.load(Ordering::Relaxed)
                {
                    let _ = self.front.send_to(&here[..length], client).await;
                },
            }
        }
    }
}

/// Cuts the road for a while under steady traffic, and returns how long after the healing a message arrives.
async fn heals_after(cut: Duration) -> Duration {
    let relay = Relay::bind().await;
    let (road, open) = (relay.front.local_addr().unwrap(), relay.open.clone());
    let mut far = Node::start(MeshConfig { advertise: Some(road), ..config(2) });
    tokio::spawn(relay.run(far.address()));
    let near = Node::start(config(1));
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let mut heard = async |message: &[u8], limit: Duration| {
        let talk = async {
            loop {
                tokio::select! {
                    arrival = far.arrivals.recv() => if arrival.unwrap().message == message { return },
                    _ = tick.tick() => { near.send(road, Class::Gossip, message); }
                }
            }
        };
        timeout(limit, talk).await.is_ok()
    };
    assert!(heard(b"before", DEADLINE).await);
    open.store(false, Ordering::Relaxed);
    assert!(!heard(b"cut", cut).await, "the road is closed");
    open.store(true, Ordering::Relaxed);
    let began = Instant::now();
    assert!(heard(b"healed", DEADLINE).await);
    began.elapsed()
}

#[tokio::test]
async fn a_short_cut_heals_through_the_connection() {
    let took = heals_after(Duration::from_secs(2)).await;
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn a_long_cut_heals_by_a_new_dial() {
    let took = heals_after(Duration::from_secs(7)).await;
    assert!(took < Duration::from_millis(2500), "{took:?}");
}
