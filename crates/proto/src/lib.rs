//! The client protocol: the types and services generated from `proto/shoal/v1`, and the one place where they
//! turn into the cluster's own words and back. Node and client both speak through it.
//!
//! - [`v1`]: generated messages, servers and clients
//! - [`convert`]: messages to model values and back
//! - [`acks`]: how many copies a write waits for
//! - [`token`]: what one write stored, by name
//! - [`header`]: names of metadata and HTTP headers
//! - [`remote_write`]: Prometheus' write protocol, both versions, as columns
//! - [`wire`]: protobuf's fields one by one, for what is to be read without building messages
//!
//! It judges form only: whether a point's value or time is acceptable is for the node that takes it.

pub mod acks;
pub mod convert;
pub mod header;
pub mod remote_write;
pub mod token;
pub mod wire;

pub use acks::{Acks, ParseAcksError};
pub use token::{ParseTokenError, Token};

/// The generated messages, servers and clients of package `shoal.v1`; the `.proto` files document them.
#[allow(missing_docs, clippy::doc_markdown, reason = "generated code")]
pub mod v1 {
    tonic::include_proto!("shoal.v1");
}

/// The encoded descriptors of package `shoal.v1`, for the reflection service.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/shoal.bin"));
