//! The mesh: opaque messages to and from the cluster's other nodes. The public face of the crate.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quinn::Endpoint;
use shoal_model::limits::MESSAGE_BYTES_MAX;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::arrivals::{Arrivals, lanes};
use crate::class::Class;
use crate::endpoint::{self, OpenError};
use crate::greeting::{CLUSTER_BYTES_MAX, Greeting, Hello, VERSIONS, Versions, is_dialable};
use crate::hub::Hub;
use crate::identity::{Identity, IdentityError};
use crate::key::ClusterKeys;
use crate::refusal::CLOSE_STOPPED;
use crate::stats::MeshStats;

/// How long a stop waits for messages under way, and again for peers to hear of it.
const STOP: Duration = Duration::from_secs(1);

/// What a mesh needs to know.
#[derive(Clone, Debug)]
pub struct MeshConfig {
    /// Address of the UDP socket; port 0 takes a free one.
    pub bind: SocketAddr,
    /// Name of the cluster: nodes of another are refused even where the key is the same.
    pub cluster: String,
    /// Keys of the cluster; with the development key the mesh keeps to loopback.
    pub keys: ClusterKeys,
    /// Who we are.
    pub greeting: Hello,
    /// Where peers reach us; the address bound where it is `None`.
    pub advertise: Option<SocketAddr>,
}

/// A node's connections with its peers; clones share them. The last clone dropped closes them.
#[derive(Clone)]
pub struct Mesh {
    hub: Arc<Hub>,
    _closer: Arc<Closer>,
}

/// What became of a message that was to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It waits for its connection, or is on its way; it may still be lost.
    Queued,
    /// It was given up: too large, no room, or the peer could not be reached a moment ago.
    Dropped,
}

/// Why a mesh could not be bound; nothing was changed. All but `Identity` are the operator's to correct.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The cluster's name cannot be sent.
    #[error("a cluster's name has 1 to {CLUSTER_BYTES_MAX} bytes")]
    Cluster,
    /// No peer could dial what would be advertised.
    #[error("peers cannot dial {0}: advertise an address of this machine")]
    Advertise(SocketAddr),
    /// The socket could not be opened.
    #[error("cannot open UDP {address}: {error}")]
    Socket {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// Certificates or TLS settings could not be made.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

impl Mesh {
    /// Opens the socket and starts to accept; must be called inside a tokio runtime. What arrives comes
    /// out of the receiver; while nobody takes it, peers' streams wait and gossip is dropped.
    pub fn bind(config: MeshConfig) -> Result<(Mesh, Arrivals), BindError> {
        Self::bind_speaking(config, VERSIONS)
    }

    fn bind_speaking(config: MeshConfig, versions: Versions) -> Result<(Mesh, Arrivals), BindError> {
        if config.cluster.is_empty() || config.cluster.len() > CLUSTER_BYTES_MAX {
            return Err(BindError::Cluster);
        }
        let identity = Identity::issue(&config.keys, &config.cluster, config.greeting.node)?;
        let endpoint = open(config.bind, &identity)?;
        let bound = local_addr(&endpoint, config.bind)?;
        let address = config.advertise.unwrap_or(bound);
        if !is_dialable(address) {
            return Err(BindError::Advertise(address));
        }
        let greeting = Greeting { versions, cluster: config.cluster, hello: config.greeting, address };
        let (inlet, arrivals) = lanes();
        let hub = Arc::new(Hub {
            endpoint: endpoint.clone(),
            greeting,
            loopback_only: config.keys.is_development(),
            inlet,
            counters: Arc::default(),
            roster: Default::default(),
            episodes: Default::default(),
            stop: watch::Sender::new(false),
            lines: watch::Sender::new(0),
            line_ids: Default::default(),
            runtime: Handle::current(),
        });
        tokio::spawn(hub.clone().accept_all());
        Ok((Mesh { hub, _closer: Arc::new(Closer(endpoint)) }, arrivals))
    }

    /// The address that the socket is bound to.
    pub fn local_addr(&self) -> SocketAddr {
        self.hub.endpoint.local_addr().expect("the address of an open socket is known")
    }

    /// Sends a message to whoever is reached at an address, dialling if need be. Returns at once. Messages
    /// of one class arrive in order while a connection lasts; what was under way when it broke may be lost,
    /// or arrive twice.
    pub fn send(&self, to: SocketAddr, class: Class, message: Bytes) -> Sent {
        if message.len() > MESSAGE_BYTES_MAX {
            self.hub.counters.dropped_out.add(1);
            return Sent::Dropped;
        }
        if self.hub.offer(to, class, message) { Sent::Queued } else { Sent::Dropped }
    }

    /// What happened so far.
    pub fn stats(&self) -> MeshStats {
        self.hub.counters.snapshot(*self.hub.lines.borrow(), self.hub.roster().versions())
    }

    /// Takes no more messages, gives those that wait for connected peers a second to leave, and closes.
    pub async fn shutdown(&self) {
        self.hub.stop.send_replace(true);
        self.hub.roster().iter().for_each(|outbox| outbox.ring_all());
        let _ = timeout(STOP, self.hub.lines.subscribe().wait_for(|lines| *lines == 0)).await;
        self.hub.endpoint.close(CLOSE_STOPPED, b"the node stops");
        let _ = timeout(STOP, self.hub.endpoint.wait_idle()).await;
    }
}

/// Ends the tasks, which share the endpoint, when nobody holds the mesh any more.
struct Closer(Endpoint);

impl Drop for Closer {
    fn drop(&mut self) {
        self.0.close(CLOSE_STOPPED, b"the node stops");
    }
}

fn open(bind: SocketAddr, identity: &Identity) -> Result<Endpoint, BindError> {
    endpoint::open(bind, identity).map_err(|error| match error {
        OpenError::Identity(error) => BindError::Identity(error),
        OpenError::Socket(error) => BindError::Socket { address: bind, error },
    })
}

fn local_addr(endpoint: &Endpoint, bind: SocketAddr) -> Result<SocketAddr, BindError> {
    endpoint.local_addr().map_err(|error| BindError::Socket { address: bind, error })
}

#[cfg(test)]
mod tests;
