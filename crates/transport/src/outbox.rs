//! The messages for one peer, shared by those who send and the connection that carries them.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard};

use bytes::Bytes;
use tokio::sync::{Notify, watch};

use crate::class::Class;
use crate::peer::Peer;

/// A peer's state behind a lock, and a bell for each class.
#[derive(Debug)]
pub(crate) struct Outbox {
    /// Where the peer is reached.
    pub(crate) address: SocketAddr,
    peer: Mutex<Peer>,
    bells: [Notify; Class::ALL.len()],
}

impl Outbox {
    /// Of a peer that is being dialled.
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, peer: Mutex::new(Peer::dialling()), bells: Default::default() }
    }

    /// The peer's state; held for a few instructions only.
    pub(crate) fn peer(&self) -> MutexGuard<'_, Peer> {
        self.peer.lock().expect("nobody panics while holding the lock")
    }

    /// Says that a message waits.
    pub(crate) fn ring(&self, class: Class) {
        self.bell(class).notify_one();
    }

    /// Says that something changed for all classes.
    pub(crate) fn ring_all(&self) {
        self.bells.iter().for_each(Notify::notify_one);
    }

    /// Waits for the next message of a class. `None` when this connection carries nothing more: another
    /// took its place, or the mesh stops and the queue is empty.
    pub(crate) async fn next(&self, class: Class, line: u64, stop: &watch::Receiver<bool>) -> Option<Bytes> {
        loop {
            {
                let peer = self.peer();
                if !peer.is_carried_by(line) {
                    return None;
                }
                if let Some(message) = peer.queues.front(class) {
                    return Some(message);
                }
                if *stop.borrow() {
                    return None;
                }
            }
            self.bell(class).notified().await;
        }
    }

    /// Takes the oldest message of a class away, because this connection has it now.
    pub(crate) fn pop(&self, class: Class, line: u64) -> Option<Bytes> {
        let mut peer = self.peer();
        if peer.is_carried_by(line) { peer.queues.pop(class) } else { None }
    }

    fn bell(&self, class: Class) -> &Notify {
        self.bells.get(class.index()).expect("there is a bell for each class")
    }
}
