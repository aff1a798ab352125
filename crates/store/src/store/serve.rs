//! What the store hands to peers: frames by number, verbatim, and the tables beside them. Any node serves any
//! origin; what is served is read from the journal, so a slow peer costs no memory.

use shoal_model::Origin;

use super::{Hole, Store, StoreError};
use crate::frame::{Frame, FrameId, Header, Record, Tag};
use crate::journal::Location;
use crate::table::Chunk;

/// Streams in one chunk: about a megabyte.
const CHUNK_STREAMS_MAX: usize = 8_192;

/// No frame that is longer is a remnant.
const REMNANT_BYTES_MAX: u32 = 256;

impl Store {
    /// An origin's frames from a number on, in order, up to a hole, the end, or about `bytes_max` bytes (but at
    /// least one frame, if there is one). A frame that has rotted becomes a hole.
    pub fn frames(&mut self, origin: Origin, from: u64, bytes_max: usize) -> Vec<Frame> {
        let mut frames = Vec::new();
        let mut bytes = 0;
        for seq in from.max(1)..=self.applied.get(origin) {
            let Some(frame) = self.frame(FrameId { origin, seq }) else { break };
            bytes += frame.bytes().len();
            frames.push(frame);
            if bytes >= bytes_max {
                break;
            }
        }
        frames
    }

    /// Whether a frame that was applied is no longer in the journal: its points are in blocks only.
    pub fn is_gone(&mut self, id: FrameId) -> bool {
        if id.seq > self.applied.get(id.origin) {
            return false;
        }
        match self.holes.get(&id) {
            Some(Hole::Unread(_)) => true,
            Some(_) => false,
            None => self.journal.find(id).is_none_or(|location| self.is_remnant(location)),
        }
    }

    /// How far an origin's frames can be served, if a peer has them up to `have`.
    pub fn servable(&self, origin: Origin) -> u64 {
        self.below_holes(origin, self.applied.get(origin))
    }

    /// An origin's table from a number on, as far as it is known and fits one chunk; `None` for nothing.
    pub fn chunk(&self, origin: Origin, from: u32) -> Option<Chunk> {
        let catalogue = self.catalogue.read();
        let places = self.tables.run(origin, from).iter().take(CHUNK_STREAMS_MAX);
        let streams: Vec<_> = places.map_while(|place| catalogue.stream(*place)).collect();
        (!streams.is_empty()).then_some(Chunk { origin, first: from, streams })
    }

    /// How many entries of an origin's table are known.
    pub fn table_len(&self, origin: Origin) -> u32 {
        self.tables.known(origin)
    }

    /// A frame cannot be read any more, though its points were: they are in blocks, or will be with the next flush.
    fn note_unread(&mut self, id: FrameId, location: Location) {
        if location.position < self.manifest.checkpoint {
            self.journal.forget(id);
        } else {
            self.holes.insert(id, Hole::Unread(location));
            self.freeze_any(self.journal.end());
        }
    }

    /// What a flush has covered needs no frame any more.
    pub(super) fn forget_unread(&mut self) {
        let checkpoint = self.manifest.checkpoint;
        let is_covered = |hole: &Hole| matches!(hole, Hole::Unread(at) if at.position < checkpoint);
        let covered: Vec<FrameId> =
            self.holes.extract_if(.., |_, hole| is_covered(hole)).map(|(id, _)| id).collect();
        covered.into_iter().for_each(|id| self.journal.forget(id));
    }

    /// Gives up a frame that nobody can fill in: one without points takes its place.
    pub fn void(&mut self, id: FrameId) -> Result<(), StoreError> {
        let header = Header { id, table_len: 0, points: 0 };
        let is_shown = self.manifest.shown.get(id.origin) >= id.seq;
        let tag = if is_shown { Tag::REMNANT } else { Tag::VOID };
        let frame = Frame::encode(header, &[Record { tag, body: &[] }])?;
        self.apply(&frame).map(drop)
    }

    fn is_remnant(&self, location: Location) -> bool {
        let read = || Frame::decode(self.journal.read(location).ok()?).ok();
        location.len <= REMNANT_BYTES_MAX && read().is_some_and(|frame| stands_for_remnant(&frame))
    }

    pub(super) fn frame(&mut self, id: FrameId) -> Option<Frame> {
        if self.holes.contains_key(&id) {
            return None;
        }
        let location = self.journal.find(id)?;
        let read = self.journal.read(location).ok().and_then(|body| Frame::decode(body).ok());
        let frame = read.filter(|frame| frame.id() == id);
        if frame.as_ref().is_some_and(stands_for_remnant) {
            return None;
        }
        if frame.is_none() {
            tracing::error!(origin = %id.origin, seq = id.seq, "a frame in the journal has rotted: it is served no more");
            self.note_unread(id, location);
        }
        frame
    }
}

fn stands_for_remnant(frame: &Frame) -> bool {
    frame.records().any(|record| record.is_ok_and(|record| record.tag == Tag::REMNANT))
}
