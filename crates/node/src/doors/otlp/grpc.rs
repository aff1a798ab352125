//! OTLP over gRPC. The message comes as the bytes that it is, so that it is judged before anything is built of it.

use std::convert::Infallible;

use axum::body::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message;
use prost::bytes::{Buf, BufMut};
use shoal_model::limits::REQUEST_BYTES_MAX;
use shoal_proto::{Token, header};
use shoal_replication::Receipt;
use tonic::body::Body;
use tonic::codec::{
    Codec, CompressionEncoding, DecodeBuf, Decoder, EnabledCompressionEncodings, EncodeBuf, Encoder,
};
use tonic::codegen::{BoxFuture, Context as Polling, Poll, Service, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};

use super::{ExportError, decode, export};
use crate::doors::{Context, ingest};

const EXPORT: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// The gRPC service.
#[derive(Clone)]
pub(in crate::doors) struct Otlp(pub(in crate::doors) Context);

impl NamedService for Otlp {
    const NAME: &'static str = "opentelemetry.proto.collector.metrics.v1.MetricsService";
}

impl Service<http::Request<Body>> for Otlp {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Polling<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let door = self.clone();
        Box::pin(async move {
            if request.uri().path() != EXPORT {
                return Ok(Status::unimplemented(request.uri().path().to_owned()).into_http());
            }
            let mut gzip = EnabledCompressionEncodings::default();
            gzip.enable(CompressionEncoding::Gzip);
            let mut grpc = Grpc::new(Unread)
                .apply_compression_config(gzip, EnabledCompressionEncodings::default())
                .apply_max_message_size_config(Some(REQUEST_BYTES_MAX), None);
            Ok(grpc.unary(door, request).await)
        })
    }
}

impl UnaryService<Bytes> for Otlp {
    type Response = ExportMetricsServiceResponse;
    type Future = BoxFuture<Response<Self::Response>, Status>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let context = self.0.clone();
        Box::pin(async move { answer(&context, request).await })
    }
}

async fn answer(
    context: &Context,
    request: Request<Bytes>,
) -> Result<Response<ExportMetricsServiceResponse>, Status> {
    let (metadata, _, message) = request.into_parts();
    let acks = ingest::acks_of(&metadata, "")?;
    let refused = |error: String| Status::invalid_argument(error);
    let message = decode(context, &message).map_err(refused)?;
    let exported = export(context, message, acks).await.map_err(|error| match error {
        ExportError::Oversize(error) => refused(error.to_string()),
        ExportError::Write(error) => ingest::status(&error),
    })?;
    let mut response = Response::new(exported.response);
    if let Some(Receipt { frame, copies }) = exported.receipt {
        let token = Token { origin: frame.origin, seq: frame.seq };
        ingest::put(response.metadata_mut(), header::TOKEN, &token.to_string());
        ingest::put(response.metadata_mut(), header::COPIES, &copies.to_string());
    }
    Ok(response)
}

/// Messages that are not read yet, and answers.
#[derive(Clone, Copy)]
struct Unread;

impl Codec for Unread {
    type Encode = ExportMetricsServiceResponse;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Unread {
    type Item = ExportMetricsServiceResponse;
    type Error = Status;

    fn encode(&mut self, answer: Self::Item, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put_slice(&answer.encode_to_vec());
        Ok(())
    }
}

impl Decoder for Unread {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(message.copy_to_bytes(message.remaining())))
    }
}
