//! One journal record: a header with its own checksum, so that a broken body does not hide what follows it.
//!
//! ```text
//! | magic 2 | kind 1 | 0 | length 4 | crc32c of body 4 | crc32c of these 12 bytes 4 | body … |
//! ```

use crate::bytes::{Malformed, Reader};

/// Bytes of a record's header.
pub(super) const HEADER_BYTES: usize = 16;
const MAGIC: [u8; 2] = [0x5a, 0x4a];

/// What a record holds. Numbers are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RecordKind {
    /// A frame.
    Frame = 1,
    /// A chunk of an origin's table.
    Table = 2,
    /// A group commit: how far the journal was synced.
    Commit = 3,
    /// The index of a closed segment, in a file of its own.
    Index = 4,
    /// The first record of a segment: how long the one before it was.
    Start = 5,
    /// Points that another node lent: a frame of a loan's origin, which is never served.
    Loan = 6,
}

impl RecordKind {
    fn from_code(code: u8) -> Option<Self> {
        [Self::Frame, Self::Table, Self::Commit, Self::Index, Self::Start, Self::Loan]
            .into_iter()
            .find(|kind| *kind as u8 == code)
    }
}

/// A record's header that passed its checksum. A kind of a later release is `None` and is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) kind: Option<RecordKind>,
    pub(super) len: usize,
    pub(super) checksum: u32,
}

pub(super) fn encode(kind: RecordKind, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + body.len());
    encode_into(kind, body, &mut out);
    out
}

/// Adds a record to an empty buffer.
pub(super) fn encode_into(kind: RecordKind, body: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[kind as u8, 0]);
    out.extend_from_slice(&(body.len() as u32).to_le_bytes());
    out.extend_from_slice(&crc32c::crc32c(body).to_le_bytes());
    out.extend_from_slice(&crc32c::crc32c(out).to_le_bytes());
    out.extend_from_slice(body);
}

pub(super) fn header(bytes: &[u8]) -> Option<RecordHeader> {
    let covered = bytes.get(..HEADER_BYTES - 4)?;
    let mut reader = Reader::new(bytes);
    let mut read = || -> Result<_, Malformed> {
        let (magic, kind, _) = (reader.array::<2>()?, reader.u8()?, reader.u8()?);
        Ok((magic, kind, reader.u32()?, reader.u32()?, reader.u32()?))
    };
    let (magic, kind, len, checksum, own) = read().ok()?;
    if magic != MAGIC || crc32c::crc32c(covered) != own {
        return None;
    }
    Some(RecordHeader { kind: RecordKind::from_code(kind), len: len as usize, checksum })
}
