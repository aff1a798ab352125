//! Remote write requests as columns. A series' labels stay a run of bytes, the 1.0 encoding of its labels, which
//! is what a node finds a known series by; nothing is built for it. Lengths are checked before anything is
//! allocated, and what can be refused alone (an exemplar, a histogram) is counted, not fatal.
//!
//! - `v1`: the message `prometheus.WriteRequest`
//! - `v2`: the message `io.prometheus.write.v2.Request`

mod body;
mod column;
mod v1;
mod v2;

pub use body::{unpack, unpack_into, unpacked_len};
pub use column::{Columns, ExemplarRow, MetadataRow, SeriesRow};
pub use v1::{BadLabels, decode as decode_v1, labels};
pub use v2::decode as decode_v2;

use shoal_model::limits::{BATCH_POINTS_MAX, BATCH_STREAMS_MAX, REQUEST_BYTES_MAX};
use thiserror::Error;

use crate::wire::BadWire;

/// Why bytes are no remote write request that can be taken: nothing of it was stored, and sending it again fails
/// again.
#[derive(Debug, Error)]
pub enum Malformed {
    /// Not compressed as the protocol says.
    #[error("the body is no snappy block: {0}")]
    Snappy(#[from] snap::Error),
    /// A small body that would unpack to a large one, or a large one.
    #[error("{0} bytes after decompression are over the limit of {REQUEST_BYTES_MAX}")]
    TooLong(usize),
    /// The protobuf message ends early, or its fields are of other types.
    #[error("the body is not the protobuf message that its content type names")]
    Message(#[from] BadWire),
    /// A reference outside the request's table of symbols.
    #[error("the request refers to symbol {0}, which its table does not have")]
    Symbol(u32),
    /// A series' references do not pair up.
    #[error("a series has {0} label references, which is odd")]
    OddReferences(usize),
    /// The table of symbols does not begin as it must.
    #[error("the table of symbols must begin with an empty string")]
    FirstSymbol,
    /// Too many series in one request.
    #[error("a request of more than {BATCH_STREAMS_MAX} series is over the limit: send smaller ones")]
    Series,
    /// Too many samples in one request.
    #[error("a request of more than {BATCH_POINTS_MAX} samples is over the limit: send smaller ones")]
    Samples,
}

#[cfg(test)]
mod tests;
