//! What a mesh has done so far, counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::refusal::Refusal;

/// Counts since the mesh was bound, but for `connections` and `versions`, which are how things stand now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeshStats {
    /// Connections that are open now and were greeted both ways.
    pub connections: u64,
    /// Peers that are connected now, by the version of the protocol that is spoken with them.
    pub versions: BTreeMap<u16, u64>,
    /// Handshakes that TLS ended: no certificate, or another authority's, on either side.
    pub handshakes_refused: u64,
    /// Attempts from beyond loopback while the development key is trusted.
    pub strangers_refused: u64,
    /// Greetings that we refused, by reason.
    pub greetings_refused: BTreeMap<Refusal, u64>,
    /// Dials that led nowhere, for whatever reason.
    pub dials_failed: u64,
    /// Messages handed to a connection.
    pub messages_out: u64,
    /// Bytes of these messages.
    pub bytes_out: u64,
    /// Messages that arrived whole.
    pub messages_in: u64,
    /// Bytes of these messages.
    pub bytes_in: u64,
    /// Messages given up on the way out: no room, or no peer.
    pub dropped_out: u64,
    /// Gossip given up on the way in because nobody took it.
    pub dropped_in: u64,
}

/// The counters behind the statistics.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) handshakes_refused: Counter,
    pub(crate) strangers_refused: Counter,
    greetings_refused: [Counter; Refusal::ALL.len()],
    pub(crate) dials_failed: Counter,
    messages_out: Counter,
    bytes_out: Counter,
    messages_in: Counter,
    bytes_in: Counter,
    pub(crate) dropped_out: Counter,
    pub(crate) dropped_in: Counter,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(crate) fn count_refusal(&self, refusal: Refusal) {
        if let Some(counter) = self.greetings_refused.get(refusal.index()) {
            counter.add(1);
        }
    }

    pub(crate) fn count_sent(&self, bytes: usize) {
        self.messages_out.add(1);
        self.bytes_out.add(bytes);
    }

    pub(crate) fn count_received(&self, bytes: usize) {
        self.messages_in.add(1);
        self.bytes_in.add(bytes);
    }

    pub(crate) fn snapshot(&self, connections: usize, versions: BTreeMap<u16, u64>) -> MeshStats {
        let refusals = Refusal::ALL.into_iter().zip(self.greetings_refused.iter().map(Counter::value));
        MeshStats {
            connections: connections as u64,
            versions,
            handshakes_refused: self.handshakes_refused.value(),
            strangers_refused: self.strangers_refused.value(),
            greetings_refused: refusals.collect(),
            dials_failed: self.dials_failed.value(),
            messages_out: self.messages_out.value(),
            bytes_out: self.bytes_out.value(),
            messages_in: self.messages_in.value(),
            bytes_in: self.bytes_in.value(),
            dropped_out: self.dropped_out.value(),
            dropped_in: self.dropped_in.value(),
        }
    }
}
