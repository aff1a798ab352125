//! One channel a node, opened when it is first used and opened again after it broke.

use std::collections::HashMap;
use std::sync::Mutex;

use tonic::transport::{Channel, Endpoint};

use crate::address::Address;
use crate::limits::{CONNECT_TIMEOUT, KEEP_ALIVE};

/// The channels of a client, by node.
#[derive(Debug, Default)]
pub(crate) struct Links(Mutex<HashMap<Address, Channel>>);

impl Links {
    /// The channel to a node; clones share one connection. Must be called within a tokio runtime.
    pub(crate) fn channel(&self, node: &Address) -> Channel {
        let mut channels = self.0.lock().expect("no panic while the lock is held");
        channels.entry(node.clone()).or_insert_with(|| endpoint(node).connect_lazy()).clone()
    }

    /// Closes the channels to all other nodes, once their calls have ended.
    pub(crate) fn keep(&self, nodes: &[Address]) {
        let mut channels = self.0.lock().expect("no panic while the lock is held");
        channels.retain(|node, _| nodes.contains(node));
    }
}

fn endpoint(node: &Address) -> Endpoint {
    Endpoint::from_shared(node.uri())
        .expect("an address is a valid URI")
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
}
