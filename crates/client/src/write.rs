//! What a write takes and gives.

use std::time::Duration;

use shoal_model::StreamPoints;
use shoal_proto::convert::{stream_points_message, token};
use shoal_proto::{Acks, Token, v1};
use tonic::Status;

use crate::address::Address;
use crate::limits::DEADLINE;

/// How to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteOptions {
    /// Copies to wait for.
    pub acks: Acks,
    /// How long the call may take with all its attempts.
    pub deadline: Duration,
    /// Tells the increments of this write from those of another over the same times. Two calls with the same
    /// key and the same points are one.
    pub idempotency_key: Option<Vec<u8>>,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self { acks: Acks::Auto, deadline: DEADLINE, idempotency_key: None }
    }
}

/// What a node says of a write that it acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteReceipt {
    /// Synced copies that existed when the node replied.
    pub copies: u32,
    /// A query that carries it reads what was written; none where no point was stored.
    pub token: Option<Token>,
    /// Points that were stored.
    pub accepted: u64,
    /// Points that were not; at most 100 are listed.
    pub refused: Vec<RefusedPoint>,
    /// How many were not, listed or not.
    pub refused_points: u64,
    /// The node that answered.
    pub node: Address,
}

/// A point that the node did not take; the same point fails again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedPoint {
    /// The place of its stream in the call.
    pub stream: usize,
    /// Its place in the stream; `None`: all points of the stream.
    pub point: Option<usize>,
    /// Why, in the node's words.
    pub reason: String,
}

pub(crate) fn request(streams: &[StreamPoints], acks: Acks, idempotency_key: Vec<u8>) -> v1::WriteRequest {
    let streams = streams.iter().map(stream_points_message).collect();
    v1::WriteRequest { streams, acks: acks.to_string(), idempotency_key }
}

pub(crate) fn receipt(reply: v1::WriteReply, node: Address) -> Result<WriteReceipt, Status> {
    let v1::WriteReply { copies, token: name, accepted, refused, refused_points } = reply;
    let name = name.as_ref().map(token).transpose().map_err(|error| Status::internal(error.to_string()))?;
    let refused = refused.into_iter().map(refused_point).collect();
    Ok(WriteReceipt { copies, token: name, accepted, refused, refused_points, node })
}

fn refused_point(message: v1::Refusal) -> RefusedPoint {
    let v1::Refusal { stream, point, all_points, reason } = message;
    let point = if all_points { None } else { Some(point as usize) };
    RefusedPoint { stream: stream as usize, point, reason }
}
