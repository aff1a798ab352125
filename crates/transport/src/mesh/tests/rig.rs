//! What the tests stand on: a mesh with its arrivals, deadlines, a raw peer that can misbehave.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quinn::{Connection, Endpoint, SendStream};
use shoal_model::{Incarnation, NodeId, Origin};
use tokio::time::timeout;

use crate::arrivals::{Arrival, Arrivals};
use crate::greeting::{Greeting, Hello, VERSIONS};
use crate::handshake::{HandshakeError, greet};
use crate::identity::{Identity, PEER};
use crate::mesh::{Mesh, MeshConfig, Sent};
use crate::{Class, ClusterKeys, endpoint};

/// Long enough for a busy machine; nothing waits for it in the good case.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);

pub(super) struct Node {
    pub(super) mesh: Mesh,
    pub(super) arrivals: Arrivals,
}

pub(super) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

pub(super) fn hello(node: u8, life: u8) -> Hello {
    let origin = Origin([life; 16]);
    Hello { node: NodeId([node; 16]), incarnation: Incarnation(u64::from(life)), origin }
}

pub(super) fn config(node: u8) -> MeshConfig {
    MeshConfig {
        bind: loopback(0),
        cluster: "shoal".to_owned(),
        keys: ClusterKeys::development(),
        greeting: hello(node, 1),
        advertise: None,
    }
}

impl Node {
    pub(super) fn start(config: MeshConfig) -> Node {
        let (mesh, arrivals) = Mesh::bind(config).unwrap();
        Node { mesh, arrivals }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.mesh.local_addr()
    }

    pub(super) fn send(&self, to: SocketAddr, class: Class, message: &[u8]) -> Sent {
        self.mesh.send(to, class, Bytes::copy_from_slice(message))
    }

    pub(super) async fn receive(&mut self) -> Arrival {
        timeout(DEADLINE, self.arrivals.recv()).await.expect("nothing arrived in time").unwrap()
    }

    /// Sends again and again, as gossip does, until one arrives at the other.
    pub(super) async fn reach(&self, other: &mut Node, message: &[u8]) -> Arrival {
        let attempts = async {
            loop {
                self.send(other.address(), Class::Control, message);
                if let Ok(arrival) = timeout(Duration::from_millis(50), other.arrivals.recv()).await {
                    let arrival = arrival.unwrap();
                    if arrival.message == message {
                        return arrival;
                    }
                }
            }
        };
        timeout(DEADLINE, attempts).await.expect("the other was never reached")
    }
}

pub(super) async fn until(what: &str, condition: impl Fn() -> bool) {
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    let polled = async {
        while !condition() {
            tick.tick().await;
        }
    };
    timeout(DEADLINE, polled).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// A peer that speaks QUIC and TLS well and the rest as the test wants.
pub(super) struct RawPeer {
    pub(super) endpoint: Endpoint,
    pub(super) greeting: Greeting,
}

impl RawPeer {
    pub(super) fn new(node: u8) -> RawPeer {
        RawPeer::at(loopback(0), node)
    }

    pub(super) fn at(bind: SocketAddr, node: u8) -> RawPeer {
        let identity = Identity::issue(&ClusterKeys::development(), "shoal", NodeId([node; 16])).unwrap();
        let endpoint = endpoint::open(bind, &identity).unwrap();
        let address = endpoint.local_addr().unwrap();
        let greeting =
            Greeting { versions: VERSIONS, cluster: "shoal".to_owned(), hello: hello(node, 1), address };
        RawPeer { endpoint, greeting }
    }

    pub(super) async fn connect(&self, to: SocketAddr) -> Connection {
        self.endpoint.connect(to, PEER).unwrap().await.unwrap()
    }

    pub(super) async fn greet(&self, to: SocketAddr) -> Result<Connection, HandshakeError> {
        let connection = self.connect(to).await;
        greet(&connection, &self.greeting).await?;
        Ok(connection)
    }
}

pub(super) async fn open_class(connection: &Connection, class: Class) -> SendStream {
    let mut stream = connection.open_uni().await.unwrap();
    stream.write_all(&[class.byte()]).await.unwrap();
    stream
}

/// A client without a certificate that trusts whatever it meets.
pub(super) fn anonymous_client() -> quinn::ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    let key = ClusterKeys::development();
    roots.add(crate::authority::Authority::derive(key.issuing(), "shoal").unwrap().certificate()).unwrap();
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"shoal/1".to_vec()];
    let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(tls).unwrap();
    quinn::ClientConfig::new(Arc::new(crypto))
}
