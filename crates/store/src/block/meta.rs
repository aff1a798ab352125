//! What a block says of itself: in its own footer, and in the manifest that lists the blocks in force. The two
//! must agree, so a file that took another's name is noticed.

use crate::bytes::{Malformed, Reader};

/// Milliseconds of a window: the points of one block lie in one.
pub const WINDOW_MS: i64 = 7_200_000;

/// A block in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Which window: ms since 1970 by [`WINDOW_MS`], rounded down.
    pub window: i64,
    /// The block's number in its store, never used again.
    pub number: u64,
    /// How many merges deep it is: 0 from a flush.
    pub tier: u8,
    /// How many streams have points in it.
    pub streams: u32,
    /// How many points it holds.
    pub points: u64,
    /// The file's length.
    pub bytes: u64,
    /// No point is before this ms.
    pub first_ms: i64,
    /// No point is after this ms.
    pub last_ms: i64,
    /// Whether it holds all of its window and carries the digests.
    pub is_sealed: bool,
}

impl Meta {
    /// Bytes of an encoded one.
    pub const BYTES: usize = 8 + 8 + 1 + 4 + 8 + 8 + 8 + 8 + 1;

    /// Appends it, always [`Meta::BYTES`] long.
    pub fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.window.to_le_bytes());
        out.extend_from_slice(&self.number.to_le_bytes());
        out.push(self.tier);
        out.extend_from_slice(&self.streams.to_le_bytes());
        out.extend_from_slice(&self.points.to_le_bytes());
        out.extend_from_slice(&self.bytes.to_le_bytes());
        out.extend_from_slice(&self.first_ms.to_le_bytes());
        out.extend_from_slice(&self.last_ms.to_le_bytes());
        out.push(u8::from(self.is_sealed));
    }

    /// Reads it back.
    pub fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            window: reader.array().map(i64::from_le_bytes)?,
            number: reader.u64()?,
            tier: reader.u8()?,
            streams: reader.u32()?,
            points: reader.u64()?,
            bytes: reader.u64()?,
            first_ms: reader.array().map(i64::from_le_bytes)?,
            last_ms: reader.array().map(i64::from_le_bytes)?,
            is_sealed: match reader.u8()? {
                0 => false,
                1 => true,
                _ => return Err(Malformed),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_as_it_was() {
        let meta = Meta {
            window: -3,
            number: 7,
            tier: 2,
            streams: 5,
            points: 1 << 40,
            bytes: 99,
            first_ms: -21_599_000,
            last_ms: -21_000_000,
            is_sealed: true,
        };
        let mut out = Vec::new();
        meta.put(&mut out);
        assert_eq!(out.len(), Meta::BYTES);
        assert_eq!(Meta::take(&mut Reader::new(&out)), Ok(meta));
        *out.last_mut().unwrap() = 2;
        assert_eq!(Meta::take(&mut Reader::new(&out)), Err(Malformed));
    }
}
