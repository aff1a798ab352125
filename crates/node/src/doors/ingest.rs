//! gRPC `Ingest`: streams of points in, copies and refusals out. Every point's identity is fixed before the
//! frame exists, so a retry at any node counts once.

use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, StreamExt};
use shoal_model::limits::{BATCH_STREAMS_MAX, REQUEST_BYTES_MAX};
use shoal_proto::convert::{self, StreamRefusal};
use shoal_proto::{Token, header, v1};
use shoal_replication::{Acks, SubmitError};
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::{Request, Response, Status, Streaming};

use super::Context;
use super::intake::Charge;
use super::refusals::Door;
use crate::admission::{Admitted, Oversize};
use crate::clock::wall_ms;
use crate::engine::{Unfit, UnfitStream, WriteError, Written};

/// Refusals that one reply lists; all are counted.
const LISTED_MAX: usize = 100;

/// The service.
#[derive(Clone)]
pub(super) struct Ingest(pub(super) Context);

impl Ingest {
    pub(super) fn server(self) -> v1::ingest_server::IngestServer<Self> {
        v1::ingest_server::IngestServer::new(self).max_decoding_message_size(REQUEST_BYTES_MAX)
    }
}

#[tonic::async_trait]
impl v1::ingest_server::Ingest for Ingest {
    async fn write(&self, request: Request<v1::WriteRequest>) -> Result<Response<v1::WriteReply>, Status> {
        let (metadata, _, message) = request.into_parts();
        let reply = write(&self.0, &metadata, message).await?;
        let mut response = Response::new(reply);
        if let Some(token) = response.get_ref().token.as_ref().and_then(|token| convert::token(token).ok()) {
            let copies = response.get_ref().copies.to_string();
            put(response.metadata_mut(), header::TOKEN, &token.to_string());
            put(response.metadata_mut(), header::COPIES, &copies);
        }
        Ok(response)
    }

    type WriteStreamStream = Pin<Box<dyn Stream<Item = Result<v1::WriteReply, Status>> + Send>>;

    async fn write_stream(
        &self,
        request: Request<Streaming<v1::WriteRequest>>,
    ) -> Result<Response<Self::WriteStreamStream>, Status> {
        let (metadata, extensions, messages) = request.into_parts();
        let (context, charge) = (self.0.clone(), extensions.get::<Arc<Charge>>().cloned());
        // What was taken is answered; the rest is sent again elsewhere.
        let stopping = context.clone();
        let messages = messages.take_until(async move { stopping.stopped().await });
        let replies = messages.then(move |message| {
            let (context, metadata, charge) = (context.clone(), metadata.clone(), charge.clone());
            async move {
                let reply = write(&context, &metadata, message?).await;
                charge.inspect(|charge| charge.settle());
                reply
            }
        });
        Ok(Response::new(Box::pin(replies)))
    }
}

pub(super) fn put(metadata: &mut MetadataMap, name: &'static str, value: &str) {
    if let Ok(value) = AsciiMetadataValue::try_from(value) {
        metadata.insert(name, value);
    }
}

async fn write(
    context: &Context,
    metadata: &MetadataMap,
    message: v1::WriteRequest,
) -> Result<v1::WriteReply, Status> {
    let v1::WriteRequest { streams, acks, idempotency_key } = message;
    let acks = acks_of(metadata, &acks)?;
    let oversize = |error: Oversize| {
        context.refusals.refuse(Door::Grpc, "oversize", 1);
        Status::invalid_argument(error.to_string())
    };
    if streams.len() > BATCH_STREAMS_MAX {
        return Err(oversize(Oversize::Streams(streams.len())));
    }
    let key = key_of(metadata, idempotency_key);
    let mut list = RefusalList::default();
    let parts = take_streams(streams, &key, &mut list, context);
    let Admitted { batch, places, refused } = context.about.rules().admit(parts).map_err(oversize)?;
    for refused in &refused {
        context.refusals.refuse(Door::Grpc, refused.reason.word(), 1);
        list.point(refused.stream, refused.point, refused.reason.to_string());
    }
    let sizes: Vec<_> = batch.streams.iter().map(|part| part.points.len() as u64).collect();
    let Written { receipt, unfit } =
        context.engine.write(batch, acks).await.map_err(|error| status(&error))?;
    let mut accepted: u64 = sizes.iter().sum();
    for UnfitStream { stream, why } in &unfit {
        let points = sizes.get(*stream).copied().unwrap_or_default();
        accepted -= points;
        context.refusals.refuse(Door::Grpc, why.word, points);
        list.stream(places.get(*stream).copied().unwrap_or_default(), points, why);
    }
    context.refusals.accept(Door::Grpc, accepted);
    let token = receipt.map(|receipt| Token { origin: receipt.frame.origin, seq: receipt.frame.seq });
    Ok(v1::WriteReply {
        copies: receipt.map_or(0, |receipt| receipt.copies),
        token: token.map(convert::token_message),
        accepted,
        refused: list.messages,
        refused_points: list.points,
    })
}

fn take_streams(
    streams: Vec<v1::StreamPoints>,
    key: &[u8],
    list: &mut RefusalList,
    context: &Context,
) -> Vec<(usize, shoal_model::StreamPoints)> {
    let (now_ms, drawn): (_, [u8; 16]) = (wall_ms(), rand::random());
    let mut parts = Vec::with_capacity(streams.len());
    for (place, stream) in streams.into_iter().enumerate() {
        let points = stream.values.len().max(1) as u64;
        let has_identity = !key.is_empty() || !stream.times.is_empty() && !stream.writer.is_empty();
        let key = if has_identity { key } else { &drawn };
        match convert::stream_points(stream, key, now_ms) {
            Ok(part) => parts.push((place, part)),
            Err(refusal) => {
                context.refusals.refuse(Door::Grpc, refusal.field(), points);
                list.refusal(place, points, &refusal);
            }
        }
    }
    parts
}

#[derive(Default)]
struct RefusalList {
    messages: Vec<v1::Refusal>,
    points: u64,
}

impl RefusalList {
    fn refusal(&mut self, place: usize, points: u64, refusal: &StreamRefusal) {
        self.add(points, || refusal.message(place));
    }

    fn stream(&mut self, place: usize, points: u64, why: &Unfit) {
        let field = if why.word == "family" { "kind" } else { "labels" };
        let reason = format!("streams[{place}].{field}: {}", why.reason);
        self.add(points, || v1::Refusal { stream: place as u32, point: 0, all_points: true, reason });
    }

    fn point(&mut self, place: usize, point: usize, reason: String) {
        self.add(1, || v1::Refusal { stream: place as u32, point: point as u32, all_points: false, reason });
    }

    fn add(&mut self, points: u64, message: impl FnOnce() -> v1::Refusal) {
        self.points += points;
        if self.messages.len() < LISTED_MAX {
            self.messages.push(message());
        }
    }
}

pub(super) fn acks_of(metadata: &MetadataMap, field: &str) -> Result<Acks, Status> {
    let header = metadata.get(header::ACKS).map(|value| value.to_str().unwrap_or("?"));
    let text = if field.is_empty() { header.unwrap_or_default() } else { field };
    text.parse().map_err(|error| Status::invalid_argument(format!("acks: {error}")))
}

/// The key that tells increments apart. Increments without key and writer have no identity: they count as
/// received.
fn key_of(metadata: &MetadataMap, field: Vec<u8>) -> Vec<u8> {
    match metadata.get(header::IDEMPOTENCY_KEY) {
        Some(value) if field.is_empty() => value.as_bytes().to_vec(),
        _ => field,
    }
}

/// The gRPC status of a write that was not acknowledged.
pub(super) fn status(error: &WriteError) -> Status {
    let text = error.to_string();
    match error {
        WriteError::Refused(SubmitError::TooFewMembers(_)) => Status::failed_precondition(text),
        WriteError::Refused(SubmitError::Busy) => Status::resource_exhausted(text),
        WriteError::Refused(SubmitError::NotReady(_) | SubmitError::Store(_))
        | WriteError::Outdated(_)
        | WriteError::TooFewCopies(_)
        | WriteError::Stopped(_) => Status::unavailable(text),
    }
}
