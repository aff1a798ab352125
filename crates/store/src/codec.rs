//! The column codec: the values or the times of up to 1024 points of one stream as few bytes, without loss.
//! Values become integers, integers become residuals from a prediction, residuals are bit-packed with the odd
//! ones patched in. Pure, no I/O and no checksums: the block around a chunk has those. Layout and method:
//! `docs/formats/chunk.md`.

mod bits;
mod ints;
mod times;
mod values;

#[cfg(test)]
mod tests;

pub use times::{decode_times, encode_times};
pub use values::{decode_values, encode_values};

use crate::bytes::Malformed;

/// Points in one chunk, at most: what a decoder must hold at once.
pub const CHUNK_POINTS_MAX: usize = 1024;

/// Up to here a column is decoded in a small buffer: clearing a large one would cost more than the column.
const SMALL: usize = 64;

/// Buffers of an encoder, to be kept from call to call. They hold nothing that the next call depends on.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The column as integers.
    ints: Vec<i64>,
    /// Their differences, or their distances from a grid.
    first: Vec<i64>,
    /// The differences of those.
    second: Vec<i64>,
    /// Values that are no decimals, as they are written.
    exceptions: Vec<u8>,
}

/// Lends a decoder room for `count` integers; what it appends to is left alone until all of them are there.
fn with_room(
    count: usize,
    decode: impl FnOnce(&mut [i64]) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    if count == 0 || count > CHUNK_POINTS_MAX {
        return Err(Malformed);
    }
    if count <= SMALL {
        decode(&mut [0; SMALL][..count])
    } else {
        decode(&mut [0; CHUNK_POINTS_MAX][..count])
    }
}
