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
        Self::start_with(size, &[]).await
    }

    /// The same with further flags.
    pub async fn start_with(size: usize, flags: &[&str]) -> Self {
        let (mut cluster, switch) = (Cluster::empty(), Arc::new(Mutex::new(Switch::default())));
        let mut relays = Vec::new();
        for index in 0..size {
            let relay = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
            let address = relay.local_addr().unwrap();
            let address_text = address.to_string();
            let own = [&["--advertise-peer", &address_text], flags].concat();
            cluster.add(&format!("n{}", index + 1), &own);
            let join: Vec<_> = relays.to_vec();
            cluster.nodes[index].start(&join).await;
            relays.push(address);
            let peer = cluster.nodes[index].peer;
            switch.lock().unwrap().nodes.insert(peer, index);
            tokio::spawn(carry_to(relay, peer, switch.clone()));
        }
        cluster.all_ready().await;
        Self { cluster, switch }
    }

    /// Drops everything between two nodes, both ways.
    pub fn cut(&self, a: usize, b: usize) {
        self.cut_one_way(a, b);
        self.cut_one_way(b, a);
    }

    /// Drops everything that one node sends to another.
    pub fn cut_one_way(&self, from: usize, to: usize) {
        self.switch.lock().unwrap().cut.insert((from, to));
    }

    /// Drops everything between the nodes of one side and those of the other.
    pub fn split(&self, one: &[usize], other: &[usize]) {
        one.iter().for_each(|a| other.iter().for_each(|b| self.cut(*a, *b)));
    }

    /// Lets everything pass again.
    pub fn heal(&self) {
        self.switch.lock().unwrap().cut.clear();
    }
}

impl Switch {
    /// A socket that is nobody's yet is that of a node which is just starting.
    fn passes(&self, from: SocketAddr, to: SocketAddr) -> bool {
        match (self.nodes.get(&from), self.nodes.get(&to)) {
            (Some(from), Some(to)) => !self.cut.contains(&(*from, *to)),
            _ => true,
        }
    }
}

/// Carries datagrams for one node, each sender through a socket of its own, so that answers find their way back.
async fn carry_to(relay: Arc<UdpSocket>, peer: SocketAddr, switch: Arc<Mutex<Switch>>) {
    let mut sessions: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
    while let Ok((len, source)) = relay.recv_from(&mut datagram).await {
        if !switch.lock().unwrap().passes(source, peer) {
            continue;
        }
        let session = match sessions.entry(source) {
            Entry::Occupied(session) => session.into_mut(),
            Entry::Vacant(vacant) => {
                let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
                socket.connect(peer).await.unwrap();
                tokio::spawn(carry_back(socket.clone(), relay.clone(), source, peer, switch.clone()));
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
    peer: SocketAddr,
    switch: Arc<Mutex<Switch>>,
) {
    let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        // A refused datagram is an error of the next receive; the socket stays good.
        let Ok(len) = socket.recv(&mut datagram).await else { continue };
        if switch.lock().unwrap().passes(peer, source) {
            let _ = relay.send_to(&datagram[..len], source).await;
        }
    }
}
