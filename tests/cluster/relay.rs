//! UDP relays in front of the nodes, which can drop what passes between two of them: a partition for peers, while
//! clients still reach every node.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;

use crate::harness::Cluster;

const DATAGRAM_BYTES_MAX: usize = 65_535;

#[derive(Default)]
struct Switch {
    nodes: HashMap<SocketAddr, usize>,
    cut: BTreeSet<(usize, usize)>,
}

/// A cluster whose peers talk through relays.
pub struct RelayedCluster {
    /// The cluster.
    pub cluster: Cluster,
    switch: Arc<Mutex<Switch>>,
}

impl RelayedCluster {
    /// Nodes that reach one another through relays only.
    pub async fn start(size: usize) -> Self {
        let (mut cluster, switch) = (Cluster::empty(), Arc::new(Mutex::new(Switch::default())));
        let mut relays = Vec::new();
        for index in 0..size {
            let relay = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
            let address = relay.local_addr().unwrap();
            cluster.add(&format!("n{}", index + 1), &["--advertise-peer", &address.to_string()]);
            let join: Vec<_> = relays.to_vec();
            cluster.nodes[index].start(&join).await;
            relays.push(address);
            let peer = cluster.nodes[index].peer;
            switch.lock().unwrap().nodes.insert(peer, index);
            tokio::spawn(carry_to(relay, index, peer, switch.clone()));
        }
        cluster.all_ready().await;
        Self { cluster, switch }
    }

    /// Drops everything between two nodes, both ways.
    pub fn cut(&self, a: usize, b: usize) {
        self.switch.lock().unwrap().cut.extend([(a, b), (b, a)]);
    }

    /// Lets everything pass again.
    pub fn heal(&self) {
        self.switch.lock().unwrap().cut.clear();
    }
}

impl Switch {
    fn passes(&self, from: Option<usize>, to: usize) -> bool {
        from.is_none_or(|from| !self.cut.contains(&(from, to)))
    }
}

/// Carries datagrams for one node, each sender through a socket of its own, so that answers find their way back.
async fn carry_to(relay: Arc<UdpSocket>, node: usize, peer: SocketAddr, switch: Arc<Mutex<Switch>>) {
    let mut sessions: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
    while let Ok((len, source)) = relay.recv_from(&mut datagram).await {
        let from = switch.lock().unwrap().nodes.get(&source).copied();
        if !switch.lock().unwrap().passes(from, node) {
            continue;
        }
        let session = match sessions.entry(source) {
            Entry::Occupied(session) => session.into_mut(),
            Entry::Vacant(vacant) => {
                let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
                socket.connect(peer).await.unwrap();
                tokio::spawn(carry_back(socket.clone(), relay.clone(), source, (node, from), switch.clone()));
                vacant.insert(socket)
            }
        };
        let _ = session.send(&datagram[..len]).await;
    }
}

async fn carry_back(
    socket: Arc<UdpSocket>,
    relay: Arc<UdpSocket>,
    source: SocketAddr,
    (node, to): (usize, Option<usize>),
    switch: Arc<Mutex<Switch>>,
) {
    let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        // A refused datagram is an error of the next receive; the socket stays good.
        let Ok(len) = socket.recv(&mut datagram).await else { continue };
        if to.is_none_or(|to| switch.lock().unwrap().passes(Some(node), to)) {
            let _ = relay.send_to(&datagram[..len], source).await;
        }
    }
}
