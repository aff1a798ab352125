//! Opening a store: the journal's records are read once in order; tables name the streams, frames bring the
//! points. What has rotted, or lost the table it needs, becomes a hole.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use shoal_merge::{Digest, Frontier};
use shoal_model::Origin;

use super::{Hole, Store};
use crate::catalogue::Catalogue;
use crate::disk::Disk;
use crate::frame::{Frame, FrameId};
use crate::journal::{Entry, Journal, Location, RecordKind, Recovered, Rot};
use crate::points::Points;
use crate::table::{Chunk, Tables};

/// A store and what its replay found.
pub struct Opened {
    /// The store; all that it holds is synced.
    pub store: Store,
    /// Bodies of the member records of all frames, in the journal's order.
    pub members: Vec<Bytes>,
    /// What an operator should know.
    pub replayed: Replayed,
}

/// What a replay found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Frames read.
    pub frames: u64,
    /// Bytes of a torn tail that were cut; none of them was ever promised.
    pub cut_bytes: u64,
    /// Stretches of the journal that have rotted.
    pub rot: Vec<Rot>,
}

impl Store {
    /// Opens the store below `disk`, which may be empty, to write frames under the origin `own`, which must
    /// never have been used before.
    pub fn open(disk: Arc<dyn Disk>, own: Origin) -> io::Result<Opened> {
        let Recovered { journal, entries, rot, cut_bytes, heads } = Journal::open(disk)?;
        let mut store = Self {
            own,
            journal,
            failed: None,
            tables: Tables::default(),
            catalogue: Catalogue::default(),
            points: Points::default(),
            digest: Digest::default(),
            index: BTreeMap::new(),
            holes: BTreeMap::new(),
            applied: Frontier::default(),
            synced: Frontier::default(),
            syncing: None,
            unreadable: 0,
        };
        let (members, frames) = store.replay(&entries)?;
        store.find_holes(&heads);
        store.synced = store.applied.clone();
        Ok(Opened { store, members, replayed: Replayed { frames, cut_bytes, rot } })
    }

    fn replay(&mut self, entries: &[Entry]) -> io::Result<(Vec<Bytes>, u64)> {
        let (mut members, mut waiting, mut frames) = (Vec::new(), Vec::new(), 0);
        for entry in entries {
            let body = self.journal.read(entry.location)?;
            match entry.kind {
                RecordKind::Table => self.replay_table(&body),
                RecordKind::Frame => match Frame::decode(body) {
                    Ok(frame) if self.can_read(&frame) => {
                        frames += 1;
                        members.append(&mut self.replay_frame(&frame, entry.location));
                    }
                    Ok(_) => waiting.push(entry.location),
                    Err(_) => {}
                },
                RecordKind::Commit => {}
            }
        }
        for location in waiting {
            let Ok(frame) = Frame::decode(self.journal.read(location)?) else { continue };
            frames += 1;
            if self.can_read(&frame) {
                members.append(&mut self.replay_frame(&frame, location));
            } else {
                self.place_frame(frame.id(), location);
                self.holes.insert(frame.id(), Hole::NoTable(location));
            }
        }
        Ok((members, frames))
    }

    fn replay_table(&mut self, body: &[u8]) {
        if let Ok(chunk) = Chunk::decode(body)
            && let Err(error) = self.define_streams(&chunk)
        {
            tracing::error!(%error, "a table in the journal contradicts another");
        }
    }

    fn can_read(&self, frame: &Frame) -> bool {
        frame.header().table_len <= self.tables.known(frame.id().origin)
    }

    fn replay_frame(&mut self, frame: &Frame, location: Location) -> Vec<Bytes> {
        self.place_frame(frame.id(), location);
        self.join_frame(frame)
    }

    /// Every number below an origin's last one that is not in the journal is a hole.
    fn find_holes(&mut self, heads: &[FrameId]) {
        for head in heads {
            let frames = self.index.entry(head.origin).or_default();
            frames.resize(frames.len().max(head.seq as usize), None);
        }
        for (origin, frames) in &self.index {
            let missing = (1..).zip(frames).filter(|(_, location)| location.is_none());
            let rotten = missing.map(|(seq, _)| (FrameId { origin: *origin, seq }, Hole::Rot));
            self.holes.extend(rotten);
        }
        self.applied =
            Frontier::from_entries(self.index.iter().map(|(origin, frames)| (*origin, frames.len() as u64)));
    }

    /// Reads the frames that waited for an origin's table; the bodies of their member records.
    pub(super) fn resolve_holes(&mut self, origin: Origin) -> Vec<Bytes> {
        let range = FrameId { origin, seq: 0 }..=FrameId { origin, seq: u64::MAX };
        let waiting: Vec<_> = self.holes.range(range).map(|(id, hole)| (*id, *hole)).collect();
        let mut members = Vec::new();
        for (id, hole) in waiting {
            let Hole::NoTable(location) = hole else { continue };
            let frame = self.journal.read(location).ok().and_then(|body| Frame::decode(body).ok());
            if let Some(frame) = frame.filter(|frame| self.can_read(frame)) {
                self.holes.remove(&id);
                members.append(&mut self.join_frame(&frame));
            }
        }
        members
    }
}
