//! Where each frame lies in a segment. The segment being written keeps its index in memory; a closed segment's
//! index stands beside it in a file of its own, which is read when a peer asks for old frames. The file only
//! repeats the segment: a missing or broken one is made anew by a scan.

use std::collections::BTreeMap;
use std::io;

use shoal_model::Origin;

use super::record::{self, HEADER_BYTES, RecordKind};
use crate::bytes::{Malformed, Reader, put_varint};
use crate::disk::{Disk, read_all, replace_in};
use crate::frame::FrameId;

/// Where a frame's record body lies in its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) offset: u64,
    pub(super) len: u32,
}

/// The frames of one segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) frames: BTreeMap<FrameId, Slot>,
    /// Bytes of the segment that the index covers.
    pub(super) len: u64,
}

/// The first and last frame of an origin in a segment; there may be gaps between them.
pub(super) type Span = (u64, u64);

impl Index {
    pub(super) fn insert(&mut self, id: FrameId, slot: Slot) {
        self.frames.insert(id, slot);
    }

    pub(super) fn get(&self, id: FrameId) -> Option<Slot> {
        self.frames.get(&id).copied()
    }

    pub(super) fn spans(&self) -> BTreeMap<Origin, Span> {
        let mut spans: BTreeMap<Origin, Span> = BTreeMap::new();
        for FrameId { origin, seq } in self.frames.keys() {
            let span = spans.entry(*origin).or_insert((*seq, *seq));
            *span = (span.0.min(*seq), span.1.max(*seq));
        }
        spans
    }

    pub(super) fn save(&self, disk: &dyn Disk, path: &str) -> io::Result<()> {
        replace_in(disk, super::DIRECTORY, path, &record::encode(RecordKind::Index, &self.encode())).map(drop)
    }

    /// The index in a file, if there is one and it is whole.
    pub(super) fn load(disk: &dyn Disk, path: &str) -> Option<Self> {
        let content = read_all(&*disk.open(path).ok()?).ok()?;
        let head = record::header(&content)?;
        let body = content.get(HEADER_BYTES..HEADER_BYTES + head.len)?;
        let is_whole = head.kind == Some(RecordKind::Index) && crc32c::crc32c(body) == head.checksum;
        if is_whole { Self::decode(body).ok() } else { None }
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32 + self.frames.len() * 8);
        put_varint(&mut out, self.len);
        let origins = self.spans();
        put_varint(&mut out, origins.len() as u64);
        for origin in origins.keys() {
            let range = FrameId { origin: *origin, seq: 0 }..=FrameId { origin: *origin, seq: u64::MAX };
            let frames: Vec<_> = self.frames.range(range).collect();
            out.extend_from_slice(&origin.0);
            put_varint(&mut out, frames.len() as u64);
            let mut previous = 0;
            for (id, slot) in frames {
                put_varint(&mut out, id.seq - previous);
                put_varint(&mut out, slot.offset);
                put_varint(&mut out, u64::from(slot.len));
                previous = id.seq;
            }
        }
        out
    }

    fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let mut index = Self { frames: BTreeMap::new(), len: reader.varint()? };
        for _ in 0..reader.count()? {
            let origin = Origin(reader.array()?);
            let mut seq = 0_u64;
            for _ in 0..reader.count()? {
                seq = seq.checked_add(reader.varint()?).ok_or(Malformed)?;
                let slot = Slot { offset: reader.varint()?, len: reader.varint32()? };
                index.frames.insert(FrameId { origin, seq }, slot);
            }
        }
        if reader.is_empty() { Ok(index) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn indexes_round_trip(frames in prop::collection::vec((0_u8..3, 1_u64..50, any::<u32>(), any::<u32>()), 0..30), len: u64) {
            let mut index = Index { len, ..Index::default() };
            for (origin, seq, offset, len) in frames {
                index.insert(FrameId { origin: Origin([origin; 16]), seq }, Slot { offset: u64::from(offset), len });
            }
            prop_assert_eq!(Index::decode(&index.encode()), Ok(index));
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Index::decode(&bytes);
        }
    }
}
