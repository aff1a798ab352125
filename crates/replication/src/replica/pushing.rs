//! Handing frames to peers: our own are pushed at once, within a window; all others, and what a peer missed, go
//! out as the answer to its pull. Both are read from the store, so nothing is queued for a slow peer.

use std::collections::BTreeMap;
use std::time::Duration;

use shoal_model::{NodeId, Origin};
use shoal_store::{Chunk, Frame, FrameId, Store};

use super::Replica;
use super::retiring::HISTORY;
use crate::limits::PULL_BYTES;
use crate::wire::{Have, Message};

/// Bytes that a stream in a table chunk takes, roughly.
const STREAM_BYTES: usize = 128;

/// Frames of one or more origins with the tables that they need, up to a budget.
#[derive(Default)]
struct Parcel {
    chunks: Vec<Chunk>,
    frames: Vec<Frame>,
    bytes: usize,
}

/// How far a parcel reaches in one origin.
#[derive(Clone, Copy)]
struct Reach {
    seq: u64,
    table_len: u32,
}

impl Parcel {
    fn is_full(&self) -> bool {
        self.bytes >= PULL_BYTES
    }

    /// Packs an origin's frames after `reach`, and moves it. False if there are more that cannot be served, because the
    /// table that they need has gone.
    fn pack(&mut self, store: &mut Store, origin: Origin, reach: &mut Reach) -> bool {
        let budget = PULL_BYTES.saturating_sub(self.bytes);
        for frame in store.frames(origin, reach.seq + 1, budget) {
            while reach.table_len < frame.header().table_len && !self.is_full() {
                let Some(chunk) = store.chunk(origin, reach.table_len) else { return false };
                reach.table_len += chunk.streams.len() as u32;
                self.bytes += chunk.streams.len() * STREAM_BYTES;
                self.chunks.push(chunk);
            }
            if reach.table_len < frame.header().table_len {
                return true;
            }
            reach.seq = frame.id().seq;
            self.bytes += frame.bytes().len();
            self.frames.push(frame);
        }
        true
    }
}

impl Replica {
    /// Pushes our newest frames to every peer that is up to date and has room.
    pub(super) fn push_all(&mut self, now: Duration) {
        let nodes: Vec<_> =
            self.peers.iter().filter(|(_, peer)| peer.is_reachable(now)).map(|(node, _)| *node).collect();
        nodes.into_iter().for_each(|node| self.push(node));
    }

    /// Pushes our own frames to one peer as far as its window allows.
    pub(super) fn push(&mut self, node: NodeId) {
        let own = self.config.origin;
        let head = self.store.applied().get(own);
        while let Some((next, table_len)) = self.peers.get(&node).and_then(|peer| peer.wants_push()) {
            let mut reach = Reach { seq: next - 1, table_len };
            let mut parcel = Parcel::default();
            parcel.pack(&mut self.store, own, &mut reach);
            if parcel.frames.is_empty() && parcel.chunks.is_empty() {
                break;
            }
            let Some(peer) = self.peers.get_mut(&node) else { break };
            peer.note_pushed(reach.seq, parcel.bytes, reach.table_len);
            let Parcel { chunks, frames, .. } = parcel;
            let gone = Vec::new();
            self.send(node, &Message::Frames { answers_pull: false, more: false, chunks, frames, gone });
            if reach.seq >= head {
                break;
            }
        }
    }

    /// Sends what a peer lacks, our own frames last; when those are all in, pushing goes on after them.
    pub(super) fn answer_pull(&mut self, node: NodeId, have: &[Have]) {
        let own = self.config.origin;
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.close_push();
        }
        let have: BTreeMap<Origin, Have> = have.iter().map(|entry| (entry.origin, *entry)).collect();
        let others = self.store.applied().iter().map(|(origin, _)| origin);
        let others: Vec<_> = others
            .filter(|origin| {
                *origin != own
                    && !shoal_merge::Mutant::NothingRelayed.is_on()
                    && !self.retired.contains(origin)
            })
            .collect();
        let mut parcel = Parcel::default();
        let mut reach = Reach { seq: 0, table_len: 0 };
        let (mut more, mut gone) = (false, Vec::new());
        for origin in others.into_iter().chain([own]) {
            reach = have.get(&origin).map_or(Reach { seq: 0, table_len: 0 }, |entry| Reach {
                seq: entry.seq,
                table_len: entry.table_len,
            });
            if origin == HISTORY {
                let has = |origin| have.get(&origin).map_or(0, |entry| entry.seq);
                gone.extend(self.history.is_lacked(has).then_some(origin));
                continue;
            }
            if self.store.is_gone(FrameId { origin, seq: reach.seq + 1 }) {
                gone.push(origin);
                continue;
            }
            if self.store.servable(origin) <= reach.seq {
                continue;
            }
            if !parcel.pack(&mut self.store, origin, &mut reach) {
                gone.push(origin);
                continue;
            }
            more |= parcel.is_full() && self.store.servable(origin) > reach.seq;
            if more {
                break;
            }
        }
        if !more && let Some(peer) = self.peers.get_mut(&node) {
            peer.open_push(reach.seq, reach.table_len);
        }
        let Parcel { chunks, frames, .. } = parcel;
        self.send(node, &Message::Frames { answers_pull: true, more, chunks, frames, gone });
    }

    /// Tells peers how far we hold their own frames, where that has grown.
    pub(super) fn tell_held(&mut self) {
        let mut messages = Vec::new();
        for (node, peer) in &mut self.peers {
            let Some(origin) = peer.origin() else { continue };
            let seq = self.store.held_of(origin);
            let owed = self.store.debt().map_or(0, |debt| debt.frontier.get(origin));
            if seq > peer.told {
                peer.told = seq;
                messages.push((*node, Message::Held { origin, seq, owed }));
            }
        }
        messages.iter().for_each(|(node, message)| self.send(*node, message));
    }
}
