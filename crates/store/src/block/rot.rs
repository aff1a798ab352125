//! What is wrong with a damaged block, and whose points it costs: enough to set the streams aside, read the
//! rest, and fetch what is missing from a peer.

use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;

use thiserror::Error;

use crate::bytes::Malformed;

use super::CHECKSUM_BYTES;

/// Why a block could not be read.
#[derive(Debug, Error)]
pub enum BlockError {
    /// Bytes are not what was written. Reading again fails again; a peer has the points.
    #[error(transparent)]
    Rot(#[from] Rot),
    /// The file cannot be opened; the block may be whole.
    #[error("a block cannot be opened")]
    Disk(#[from] io::Error),
}

/// A damaged part of a block.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{path}: the {part} of streams {} to {} is damaged", places.start(), places.end())]
pub struct Rot {
    /// Which file.
    pub path: Arc<str>,
    /// What of it.
    pub part: Part,
    /// The places whose points cannot all be read because of it; all others can.
    pub places: RangeInclusive<u32>,
}

/// A part of a block with a checksum of its own. The numbers stand in the manifest and are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Part {
    /// The first bytes; nothing but a scrub looks at them.
    Header = 1,
    /// The last bytes, or they are another block's.
    Footer = 2,
    /// The list of index pages.
    SparseIndex = 3,
    /// A page of the index.
    Page = 4,
    /// A column of times.
    Times = 5,
    /// A column of values.
    Values = 6,
    /// The digests; they can be computed again.
    Digests = 7,
}

impl Part {
    const ALL: [Self; 7] =
        [Self::Header, Self::Footer, Self::SparseIndex, Self::Page, Self::Times, Self::Values, Self::Digests];

    /// The part with a number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|part| *part as u8 == code)
    }

    /// Whether an open block holds it in memory, or can make it again: then no point is lost, and writing the
    /// block anew mends it.
    pub fn is_held(self) -> bool {
        matches!(self, Self::Header | Self::Footer | Self::SparseIndex | Self::Digests)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Header => "header",
            Part::Footer => "footer",
            Part::SparseIndex => "sparse index",
            Part::Page => "index page",
            Part::Times => "time column",
            Part::Values => "value column",
            Part::Digests => "digests",
        })
    }
}

/// A [`BlockError`] before it is known of which file and streams.
#[derive(Debug)]
pub(super) enum Fault {
    Rot(Part),
    Disk(io::Error),
}

impl Fault {
    /// A part that cannot be read is rot of that part: to who wants the points it is the same whether the bytes
    /// are wrong, missing, or kept back by a bad sector.
    pub(super) fn of_read(error: &io::Error, part: Part) -> Self {
        tracing::debug!(%error, %part, "a part of a block cannot be read");
        Self::Rot(part)
    }

    pub(super) fn at(self, path: &Arc<str>, places: RangeInclusive<u32>) -> BlockError {
        match self {
            Fault::Rot(part) => Rot { path: Arc::clone(path), part, places }.into(),
            Fault::Disk(error) => error.into(),
        }
    }
}

/// Appends the checksum of what was appended since `start`.
pub(super) fn put_checksum(out: &mut Vec<u8>, start: usize) {
    let sum = crc32c::crc32c(out.get(start..).unwrap_or_default());
    out.extend_from_slice(&sum.to_le_bytes());
}

/// The bytes before a checksum, if it is theirs.
pub(super) fn checked(bytes: &[u8]) -> Result<&[u8], Malformed> {
    let (body, sum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(Malformed)?;
    if crc32c::crc32c(body) == u32::from_le_bytes(*sum) { Ok(body) } else { Err(Malformed) }
}
