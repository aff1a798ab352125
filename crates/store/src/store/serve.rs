//! What the store hands to peers: frames by number, verbatim, and the tables beside them. Any node serves any
//! origin; what is served is read from the journal, so a slow peer costs no memory.

use shoal_model::Origin;

use super::{Hole, Store, StoreError};
use crate::frame::{Frame, FrameId, Header, Record, Tag};
use crate::journal::Location;
use crate::table::Chunk;

/// Streams in one chunk: about a megabyte.
const CHUNK_STREAMS_MAX: usize = 8_192;

/// No frame that is longer is a void or a remnant.
const ALONE_BYTES_MAX: u32 = 256;

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
            None => self.journal.find(id).is_none_or(|location| self.has(location, Tag::REMNANT)),
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
        let frame = Frame::encode(header, &[Record { tag: Tag::VOID, body: &[] }])?;
        self.apply(&frame).map(drop)
    }

    /// Whether a frame is the next of its origin, or fills a hole.
    pub fn awaits(&self, id: FrameId) -> bool {
        id.seq == self.applied.get(id.origin) + 1 || self.holes.contains_key(&id)
    }

    /// Whether points of a frame may be here by a loan, all of them or some.
    pub fn may_have_been_lent(&self, id: FrameId) -> bool {
        self.manifest.shown.get(id.origin) >= id.seq
    }

    /// Whether a frame that was given up elsewhere is here itself, or was before it went from the journal.
    pub fn shows(&mut self, id: FrameId) -> bool {
        let is_lacking = self.holes.get(&id).is_some_and(|hole| hole.lacks_points());
        let is_owed = self.debt().is_some_and(|debt| debt.covers(id));
        let is_here = id.seq <= self.applied.get(id.origin) && !is_lacking;
        let location = self.journal.find(id);
        is_here && location.map_or(!is_owed, |location| !self.has(location, Tag::VOID))
    }

    /// Whether a frame in the journal has a record of that kind, for kinds that stand alone.
    fn has(&self, location: Location, tag: Tag) -> bool {
        let read = || Frame::decode(self.journal.read(location).ok()?).ok();
        location.len <= ALONE_BYTES_MAX && read().is_some_and(|frame| frame.has(tag))
    }

    pub(super) fn frame(&mut self, id: FrameId) -> Option<Frame> {
        if self.holes.contains_key(&id) {
            return None;
        }
        let location = self.journal.find(id)?;
        let read = self.journal.read(location).ok().and_then(|body| Frame::decode(body).ok());
        let frame = read.filter(|frame| frame.id() == id);
        if frame.as_ref().is_some_and(|frame| frame.header().points == 0 && frame.has(Tag::REMNANT)) {
            return None;
        }
        if frame.is_none() {
            tracing::error!(origin = %id.origin, seq = id.seq, "a frame in the journal has rotted: it is served no more");
            self.note_unread(id, location);
        }
        frame
    }
}
