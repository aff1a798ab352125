//! Fingerprints of the points of a window: 256 sums, by shard of the series id. Two nodes with the same points
//! have the same digests, however either came by them, and one that differs says where to look.

use shoal_merge::{Digest, StreamMix};
use shoal_model::Point;

use crate::bytes::{Malformed, Reader};

use super::CHECKSUM_BYTES;
use super::rot::{checked, put_checksum};

/// Shards of the space of series.
pub const SHARDS: usize = 256;

/// What digests know of a stream: its shard (the first byte of its series id) and its part of the mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardMix {
    /// The shard.
    pub shard: u8,
    /// The stream's part of the mix.
    pub mix: StreamMix,
}

/// The digests of one view of one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardDigests(Box<[Digest; SHARDS]>);

impl ShardDigests {
    /// Bytes of an encoded one, its checksum included.
    pub(super) const BYTES: usize = SHARDS * 16 + CHECKSUM_BYTES;

    /// The digests of no points.
    pub fn new() -> Self {
        Self(Box::new([Digest::default(); SHARDS]))
    }

    /// The digests of a view that hands out every point once, in parts of any size and order. Parts whose
    /// place `mix_of` does not know are left out, and counted.
    pub fn of_view<'a>(
        parts: impl IntoIterator<Item = (u32, &'a [i64], &'a [f64])>,
        mix_of: impl Fn(u32) -> Option<ShardMix>,
    ) -> (Self, u64) {
        let (mut digests, mut unnamed) = (Self::new(), 0);
        for (place, times, values) in parts {
            match mix_of(place) {
                Some(stream) => digests.add(stream, times, values),
                None => unnamed += 1,
            }
        }
        (digests, unnamed)
    }

    /// Takes points of a stream in that were not in.
    pub fn add(&mut self, stream: ShardMix, times: &[i64], values: &[f64]) {
        let digest = &mut self.0[usize::from(stream.shard)];
        digest.merge(of_stream(stream.mix, times, values));
    }

    /// The same for points as a reader has them.
    pub fn add_points(&mut self, stream: ShardMix, points: &[Point]) {
        self.0[usize::from(stream.shard)].merge(Self::of_points(stream, points));
    }

    /// The digest of one stream's points.
    pub fn of_points(stream: ShardMix, points: &[Point]) -> Digest {
        let mut digest = Digest::default();
        points.iter().for_each(|point| digest.add(stream.mix, *point));
        digest
    }

    /// Digests that came from another node, in order of shard.
    pub fn from_shards(shards: Box<[Digest; SHARDS]>) -> Self {
        Self(shards)
    }

    /// The digest of one shard.
    pub fn shard(&self, shard: u8) -> Digest {
        self.0[usize::from(shard)]
    }

    /// All digests in order of shard.
    pub fn iter(&self) -> impl Iterator<Item = Digest> {
        self.0.iter().copied()
    }

    /// Appends them with their checksum.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let start = out.len();
        self.0.iter().for_each(|digest| out.extend_from_slice(&digest.0.to_le_bytes()));
        put_checksum(out, start);
    }

    /// Reads them back.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(checked(bytes)?);
        let mut digests = Self::new();
        for digest in digests.0.iter_mut() {
            digest.0 = reader.array().map(u128::from_le_bytes)?;
        }
        if reader.is_empty() { Ok(digests) } else { Err(Malformed) }
    }
}

impl Default for ShardDigests {
    fn default() -> Self {
        Self::new()
    }
}

/// The digest of points of one stream.
pub fn of_stream(mix: StreamMix, times: &[i64], values: &[f64]) -> Digest {
    let mut digest = Digest::default();
    for (&time, &value) in times.iter().zip(values) {
        digest.add(mix, Point::new(time, value));
    }
    digest
}
