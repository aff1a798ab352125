//! Opaque messages between the nodes of a cluster, over QUIC: one UDP port, one endpoint that dials and
//! accepts, mutual TLS 1.3 with certificates that follow from the cluster's key. Sending never waits and
//! never fails loudly; what sits above tolerates loss.
//!
//! - `key`: the cluster's keys and their file
//! - `authority`, `identity`: the certificates that follow from a key
//! - `greeting`, `handshake`, `refusal`: the first words on a connection, and why it may end there
//! - `class`, `queue`: traffic classes and what waits for a peer
//! - `peer`, `outbox`, `roster`: what is known of each address; when to dial, which connection carries
//! - `line`, `intake`, `arrivals`: a connection's writing and reading side, and what waits to be taken
//! - `endpoint`, `hub`, `mesh`: the socket, the tasks, the public face
//! - `stats`, `episode`: what is counted and what is logged
//!
//! It knows nothing of what messages say, resolves no names, and does not decide who is alive.

mod arrivals;
mod authority;
mod class;
mod endpoint;
mod episode;
mod greeting;
mod handshake;
mod hub;
mod identity;
mod intake;
mod key;
mod line;
mod mesh;
mod outbox;
mod peer;
mod queue;
mod refusal;
mod roster;
mod stats;

pub use arrivals::{Arrival, Arrivals};
pub use class::Class;
pub use greeting::Hello;
pub use identity::IdentityError;
pub use key::{ClusterKeys, KeyError};
pub use mesh::{BindError, Mesh, MeshConfig, Sent};
pub use refusal::Refusal;
pub use stats::MeshStats;
