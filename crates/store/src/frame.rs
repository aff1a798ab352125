//! The frame: what a door accepted in one go. Immutable, checksummed, idempotent, relayed verbatim. The header
//! lists one section per slot, each with its own checksum, so that a relay may leave sections out.
//! The layout is drawn in `docs/formats/frame.md`.

pub mod points;

use bytes::Bytes;
use shoal_model::Origin;
use shoal_model::limits::FRAME_BYTES_MAX;
use thiserror::Error;

use crate::bytes::{Malformed, Reader, put_varint};

/// Magic number and version of a frame.
const MAGIC: [u8; 4] = *b"SHF\x01";
/// Bytes of a header without its section directory.
const FIXED_BYTES: usize = 4 + 16 + 8 + 4 + 4 + 2;
/// Bytes of one entry of the section directory.
const ENTRY_BYTES: usize = 2 + 4 + 4;
/// Sections a frame may have: one per slot.
const SLOTS_MAX: u16 = 256;
/// The only slot of the first version.
const SLOT: u16 = 0;

/// Why bytes are no frame: the sender's or the disk's fault; the same bytes fail again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameError {
    /// They do not begin as a frame of a known version.
    #[error("not a frame of a known version")]
    Unknown,
    /// They end early or their lengths disagree.
    #[error("a frame is cut short or its lengths disagree")]
    Malformed,
    /// The header's checksum is wrong: nothing in it can be believed.
    #[error("a frame header has a wrong checksum")]
    HeaderChecksum,
    /// A section's checksum is wrong, but the header can be believed.
    #[error("a section of frame {0:?} has a wrong checksum")]
    SectionChecksum(FrameId),
    /// The frame is over [`FRAME_BYTES_MAX`].
    #[error("a frame of {0} bytes is over the limit of {FRAME_BYTES_MAX}")]
    TooLong(usize),
}

impl From<Malformed> for FrameError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// A frame's name, for ever: which life of which node wrote it, and its number there, from 1 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId {
    /// Who wrote it.
    pub origin: Origin,
    /// Its number there.
    pub seq: u64,
}

/// What kind of record it is. Numbers are never used again; an unknown one is stored, relayed and skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag(pub u64);

impl Tag {
    /// Stream definitions (reserved; tables travel beside the frames).
    pub const DEFINITIONS: Tag = Tag(1);
    /// Points, see [`points`].
    pub const POINTS: Tag = Tag(2);
    /// What metrics mean, see [`crate::annotations`].
    pub const METADATA: Tag = Tag(3);
    /// Exemplars, see [`crate::annotations`].
    pub const EXEMPLARS: Tag = Tag(4);
    /// Deletions (reserved).
    pub const DELETIONS: Tag = Tag(5);
    /// Native histograms (reserved).
    pub const HISTOGRAMS: Tag = Tag(6);
    /// What is told to all nodes, which replication reads: a change of membership, or a frame that was given up.
    pub const MEMBER: Tag = Tag(7);
    /// Nothing: the frame stands for one that is lost.
    pub const VOID: Tag = Tag(8);
    /// Nothing: its writer may hold points that no frame brings to the others. It is served to nobody: who lacks it
    /// borrows what there is.
    pub const REMNANT: Tag = Tag(9);
}

/// One record of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// What it is.
    pub tag: Tag,
    /// Its bytes.
    pub body: &'a [u8],
}

/// A frame's header, without the section directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The frame's name.
    pub id: FrameId,
    /// How many entries of the origin's table the frame needs.
    pub table_len: u32,
    /// How many points it holds, for statistics.
    pub points: u32,
}

/// A frame whose checksums were verified, as bytes to be stored and relayed verbatim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    header: Header,
    body: usize,
    bytes: Bytes,
}

impl Frame {
    /// Writes a frame of one section.
    pub fn encode(header: Header, records: &[Record<'_>]) -> Result<Self, FrameError> {
        let mut section = Vec::with_capacity(records.iter().map(|record| record.body.len() + 8).sum());
        for record in records {
            put_varint(&mut section, record.tag.0);
            put_varint(&mut section, record.body.len() as u64);
            section.extend_from_slice(record.body);
        }
        let mut out = Vec::with_capacity(FIXED_BYTES + ENTRY_BYTES + 4 + section.len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&header.id.origin.0);
        out.extend_from_slice(&header.id.seq.to_le_bytes());
        out.extend_from_slice(&header.table_len.to_le_bytes());
        out.extend_from_slice(&header.points.to_le_bytes());
        out.extend_from_slice(&1_u16.to_le_bytes());
        out.extend_from_slice(&SLOT.to_le_bytes());
        let len = u32::try_from(section.len()).map_err(|_| FrameError::TooLong(section.len()))?;
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&crc32c::crc32c(&section).to_le_bytes());
        out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
        let body = out.len();
        out.extend_from_slice(&section);
        if out.len() > FRAME_BYTES_MAX {
            return Err(FrameError::TooLong(out.len()));
        }
        Ok(Self { header, body, bytes: out.into() })
    }

    /// Checks lengths and checksums of a frame from a peer or a disk. A bad section still tells the frame's
    /// name, as long as the header is whole.
    pub fn decode(bytes: Bytes) -> Result<Self, FrameError> {
        if bytes.len() > FRAME_BYTES_MAX {
            return Err(FrameError::TooLong(bytes.len()));
        }
        let mut reader = Reader::new(&bytes);
        let (header, sections) = take_header(&mut reader)?;
        let body = bytes.len() - reader.rest().len();
        for (len, checksum) in sections {
            let section = reader.bytes(len).map_err(|_| FrameError::SectionChecksum(header.id))?;
            if crc32c::crc32c(section) != checksum {
                return Err(FrameError::SectionChecksum(header.id));
            }
        }
        if !reader.is_empty() {
            return Err(FrameError::Malformed);
        }
        Ok(Self { header, body, bytes })
    }

    /// The name of the frame that these bytes begin, if its header is whole.
    pub fn peek(bytes: &[u8]) -> Option<FrameId> {
        take_header(&mut Reader::new(bytes)).ok().map(|(header, _)| header.id)
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The frame's name.
    pub fn id(&self) -> FrameId {
        self.header.id
    }

    /// The bytes that are stored and sent.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Whether it has a record of that kind.
    pub fn has(&self, tag: Tag) -> bool {
        self.records().any(|record| record.is_ok_and(|record| record.tag == tag))
    }

    /// The records in order, ended by an error where one is malformed: its writer's fault, since the checksum
    /// was right.
    pub fn records(&self) -> impl Iterator<Item = Result<Record<'_>, Malformed>> {
        let mut rest = self.bytes.get(self.body..).unwrap_or_default();
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let mut reader = Reader::new(rest);
            let record = take_record(&mut reader);
            rest = if record.is_ok() { reader.rest() } else { &[] };
            Some(record)
        })
    }
}

fn take_record<'a>(reader: &mut Reader<'a>) -> Result<Record<'a>, Malformed> {
    Ok(Record { tag: Tag(reader.varint()?), body: reader.block()? })
}

type Sections = Vec<(usize, u32)>;

fn take_header(reader: &mut Reader<'_>) -> Result<(Header, Sections), FrameError> {
    let whole = reader.rest();
    if reader.array::<4>()? != MAGIC {
        return Err(FrameError::Unknown);
    }
    let id = FrameId { origin: Origin(reader.array()?), seq: reader.u64()? };
    let header = Header { id, table_len: reader.u32()?, points: reader.u32()? };
    let slots = reader.u16()?;
    if slots > SLOTS_MAX {
        return Err(FrameError::Malformed);
    }
    let mut sections = Vec::with_capacity(usize::from(slots));
    for _ in 0..slots {
        let _slot = reader.u16()?;
        let len = usize::try_from(reader.u32()?).map_err(|_| FrameError::Malformed)?;
        sections.push((len, reader.u32()?));
    }
    let covered = whole.len() - reader.rest().len();
    let checksum = reader.u32()?;
    if whole.get(..covered).map(crc32c::crc32c) != Some(checksum) {
        return Err(FrameError::HeaderChecksum);
    }
    if header.id.seq == 0 {
        return Err(FrameError::Malformed);
    }
    Ok((header, sections))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(bodies: &[Vec<u8>]) -> Frame {
        let id = FrameId { origin: Origin([7; 16]), seq: 3 };
        let records: Vec<_> = bodies.iter().map(|body| Record { tag: Tag::POINTS, body }).collect();
        Frame::encode(Header { id, table_len: 2, points: 1 }, &records).unwrap()
    }

    #[test]
    fn the_golden_frame_stays_the_same() {
        let hex: String = frame(&[vec![1, 2]]).bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "5348460107070707070707070707070707070707030000000000000002000000010000000100000004000000cbd2f64a4fd1c8e202020102"
        );
    }

    #[test]
    fn rot_in_a_section_still_names_the_frame() {
        let good = frame(&[vec![1, 2, 3]]);
        let mut bytes = good.bytes().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        assert_eq!(Frame::decode(bytes.into()), Err(FrameError::SectionChecksum(good.id())));
    }

    proptest! {
        #[test]
        fn frames_round_trip(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..5)) {
            let frame = frame(&bodies);
            let back = Frame::decode(frame.bytes().clone()).unwrap();
            prop_assert_eq!(back.records().map(|r| r.unwrap().body.to_vec()).collect::<Vec<_>>(), bodies);
            prop_assert_eq!(back, frame);
        }

        #[test]
        fn any_flipped_bit_is_noticed(at in 0_usize..64, bit in 0_u8..8) {
            let mut bytes = frame(&[vec![1, 2, 3, 4]]).bytes().to_vec();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            prop_assert!(Frame::decode(bytes.into()).is_err());
        }

        #[test]
        fn hostile_bytes_never_panic(tail in prop::collection::vec(any::<u8>(), 0..80)) {
            let mut bytes = MAGIC.to_vec();
            bytes.extend(tail);
            let _ = Frame::decode(bytes.into());
        }
    }
}
