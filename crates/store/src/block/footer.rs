//! The last bytes of a block: what it is, and where its index lies. It is written when all else is, so a file
//! that has one is complete.

use std::ops::Range;

use crate::bytes::{Malformed, Reader};
use crate::disk::DiskFile;

use super::digests::ShardDigests;
use super::index::SparseIndex;
use super::meta::Meta;
use super::rot::{Fault, Part, checked, put_checksum};
use super::{CHECKSUM_BYTES, HEADER_BYTES, MAGIC};

/// Bytes of a footer.
pub(super) const FOOTER_BYTES: usize = Meta::BYTES + 8 + 8 + 4 + 4 + CHECKSUM_BYTES;

/// A footer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) meta: Meta,
    /// Where the chunks end and the index pages begin.
    pub(super) pages_offset: u64,
    /// Where the pages end and the sparse index begins.
    pub(super) sparse_offset: u64,
    pub(super) pages: u32,
}

impl Footer {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let start = out.len();
        self.meta.put(out);
        out.extend_from_slice(&self.pages_offset.to_le_bytes());
        out.extend_from_slice(&self.sparse_offset.to_le_bytes());
        out.extend_from_slice(&self.pages.to_le_bytes());
        out.extend_from_slice(&MAGIC);
        put_checksum(out, start);
    }

    /// Reads and checks the footer of a file: the parts that it names fill the file exactly.
    pub(super) fn read(file: &dyn DiskFile) -> Result<Self, Fault> {
        let len = file.len().map_err(Fault::Disk)?;
        let offset = len.checked_sub(FOOTER_BYTES as u64).ok_or(Fault::Rot(Part::Footer))?;
        let mut bytes = [0; FOOTER_BYTES];
        file.read_at(offset, &mut bytes).map_err(|error| Fault::of_read(&error, Part::Footer))?;
        let footer = Self::decode(&bytes).map_err(|_| Fault::Rot(Part::Footer))?;
        let follows = footer.digests().end == offset && footer.meta.bytes == len;
        let ascends = HEADER_BYTES <= footer.pages_offset && footer.pages_offset <= footer.sparse_offset;
        if follows && ascends { Ok(footer) } else { Err(Fault::Rot(Part::Footer)) }
    }

    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(checked(bytes)?);
        let footer = Self {
            meta: Meta::take(&mut reader)?,
            pages_offset: reader.u64()?,
            sparse_offset: reader.u64()?,
            pages: reader.u32()?,
        };
        if reader.array()? == MAGIC && reader.is_empty() { Ok(footer) } else { Err(Malformed) }
    }

    /// Reads the sparse index, whose length was checked against the file's.
    pub(super) fn sparse_index(&self, file: &dyn DiskFile) -> Result<SparseIndex, Fault> {
        let bytes = read(file, self.sparse(), Part::SparseIndex)?;
        SparseIndex::decode(&bytes, self.pages_offset..self.sparse_offset)
            .map_err(|_| Fault::Rot(Part::SparseIndex))
    }

    /// Reads the digests of a sealed block.
    pub(super) fn shard_digests(&self, file: &dyn DiskFile) -> Result<Option<ShardDigests>, Fault> {
        if !self.meta.is_sealed {
            return Ok(None);
        }
        let bytes = read(file, self.digests(), Part::Digests)?;
        ShardDigests::decode(&bytes).map(Some).map_err(|_| Fault::Rot(Part::Digests))
    }

    fn sparse(&self) -> Range<u64> {
        self.sparse_offset..self.sparse_offset.saturating_add(SparseIndex::bytes(self.pages))
    }

    fn digests(&self) -> Range<u64> {
        let start = self.sparse().end;
        let len = if self.meta.is_sealed { ShardDigests::BYTES as u64 } else { 0 };
        start..start.saturating_add(len)
    }
}

/// Reads a range that lies in the file.
fn read(file: &dyn DiskFile, range: Range<u64>, part: Part) -> Result<Vec<u8>, Fault> {
    let len = usize::try_from(range.end - range.start).map_err(|_| Fault::Rot(part))?;
    let mut bytes = vec![0; len];
    file.read_at(range.start, &mut bytes).map_err(|error| Fault::of_read(&error, part))?;
    Ok(bytes)
}
