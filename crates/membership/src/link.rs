//! chitchat's socket, over whatever carries messages. chitchat waits for each `send` within its own loop, so
//! a send that waited for a dial would stop its clock; and it drops `recv` half-way, so that must lose nothing.

use std::net::SocketAddr;
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use chitchat::transport::{Socket, Transport};
use chitchat::{ChitchatMessage, Deserializable, Serializable};
use tokio::sync::mpsc;

/// Carries gossip to peers.
pub trait GossipLink: Clone + Send + Sync + 'static {
    /// Takes a message for whoever is reached at an address. Returns at once; may lose the message.
    fn send(&self, to: SocketAddr, message: Bytes);
}

/// Hands chitchat the one socket that there is.
pub(crate) struct LinkTransport<L> {
    socket: Mutex<Option<LinkSocket<L>>>,
}

struct LinkSocket<L> {
    link: L,
    incoming: mpsc::Receiver<(SocketAddr, Bytes)>,
}

impl<L: GossipLink> LinkTransport<L> {
    pub(crate) fn new(link: L, incoming: mpsc::Receiver<(SocketAddr, Bytes)>) -> Self {
        Self { socket: Mutex::new(Some(LinkSocket { link, incoming })) }
    }
}

#[async_trait]
impl<L: GossipLink> Transport for LinkTransport<L> {
    async fn open(&self, _listen: SocketAddr) -> anyhow::Result<Box<dyn Socket>> {
        let mut socket = self.socket.lock().expect("nobody panics while holding the lock");
        match socket.take() {
            Some(socket) => Ok(Box::new(socket)),
            None => anyhow::bail!("the link was opened before"),
        }
    }
}

#[async_trait]
impl<L: GossipLink> Socket for LinkSocket<L> {
    async fn send(&mut self, to: SocketAddr, message: ChitchatMessage) -> anyhow::Result<()> {
        self.link.send(to, message.serialize_to_vec().into());
        Ok(())
    }

    async fn recv(&mut self) -> anyhow::Result<(SocketAddr, ChitchatMessage)> {
        while let Some((from, bytes)) = self.incoming.recv().await {
            match ChitchatMessage::deserialize(&mut bytes.as_ref()) {
                Ok(message) => return Ok((from, message)),
                Err(error) => tracing::debug!(%from, %error, "ignored a message that is no gossip"),
            }
        }
        anyhow::bail!("whoever carries gossip has stopped")
    }
}
