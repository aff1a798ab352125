//! Immutable files of points: one window's points of many streams, sorted by stream, in checksummed chunks.
//! A flush writes one, merges make few of many, and a sealed one carries the digests of its window.
//! The layout is drawn in `docs/formats/block.md`.
//!
//! - [`meta`]: what a block says of itself, also to the manifest
//! - `files`: where blocks lie
//! - [`writer`]: a block being written
//! - [`reader`]: a block being read, by stream and by time
//! - [`scan`]: a block being read from one end to the other
//! - [`mod@merge`]: several blocks of a window into one
//! - [`digests`]: fingerprints of the points of a window, by shard
//! - [`rot`]: what is wrong with a damaged block
//!
//! Streams are named by their *place*, a number of this node only. Nothing here knows what a stream is.

pub mod digests;
pub mod merge;
pub mod meta;
pub mod reader;
pub mod rot;
pub mod scan;
pub mod writer;

mod census;
mod chunk;
mod files;
mod footer;
mod index;
mod lookup;
mod pool;
mod stretch;

pub use digests::{ShardDigests, ShardMix};
pub use files::{create, list, path, remove_unfinished, sync_directory};
pub use merge::{Merged, merge};
pub use meta::{Meta, WINDOW_MS};
pub use reader::{Block, Columns};
pub use rot::{BlockError, Part, Rot};
pub use scan::Scan;
pub use writer::Writer;

/// Magic number and version, at both ends of a block.
const MAGIC: [u8; 4] = *b"SHB\x01";
/// Bytes before the first chunk.
const HEADER_BYTES: u64 = 8;
/// Bytes of a checksum.
const CHECKSUM_BYTES: usize = 4;
/// Bytes of an encoded column without its checksum: four times what [`crate::codec::CHUNK_POINTS_MAX`] points
/// take raw, so that a damaged length cannot ask for much memory.
const COLUMN_BYTES_MAX: usize = 4 * 8 * crate::codec::CHUNK_POINTS_MAX;

#[cfg(test)]
mod tests;
