//! OTLP metrics, by gRPC (`MetricsService/Export`) and by HTTP (`POST /v1/metrics`, protobuf or JSON). What cannot be
//! taken is told by `partial_success`, which asks the sender not to send it again.

mod http;

use std::collections::BTreeSet;

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use shoal_model::limits::REQUEST_BYTES_MAX;
use shoal_proto::{Token, header};
use shoal_replication::{Acks, Receipt};
use tonic::codec::CompressionEncoding;
use tonic::{Request, Response, Status};

use super::refusals::Door;
use super::{Context, ingest};
use crate::admission::{Admitted, Oversize};
use crate::engine::{WriteError, Written};
use crate::otlp::{self, NO_DATA_POINT, Translated};

pub(super) use http::export as export_http;

/// The gRPC service.
#[derive(Clone)]
pub(super) struct Otlp(pub(super) Context);

impl Otlp {
    pub(super) fn server(self) -> MetricsServiceServer<Self> {
        MetricsServiceServer::new(self)
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(REQUEST_BYTES_MAX)
    }
}

#[tonic::async_trait]
impl MetricsService for Otlp {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        let acks = ingest::acks_of(&metadata, "")?;
        let exported = export(&self.0, message, acks).await.map_err(|error| match error {
            ExportError::Oversize(error) => Status::invalid_argument(error.to_string()),
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
}

/// What an export came to.
struct Exported {
    response: ExportMetricsServiceResponse,
    receipt: Option<Receipt>,
}

/// Why nothing of a request was taken.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error(transparent)]
    Oversize(#[from] Oversize),
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// What was refused so far: data points by number, and the first reason.
#[derive(Default)]
struct Refused {
    data_points: BTreeSet<usize>,
    untranslated: usize,
    first_reason: Option<String>,
}

impl Refused {
    fn note(
        &mut self,
        context: &Context,
        data_point: usize,
        word: &'static str,
        reason: impl FnOnce() -> String,
    ) {
        if data_point != NO_DATA_POINT && self.data_points.insert(data_point) {
            context.refusals.refuse(Door::Otlp, word, 1);
        }
        self.first_reason.get_or_insert_with(reason);
    }
}

async fn export(
    context: &Context,
    request: ExportMetricsServiceRequest,
    acks: Acks,
) -> Result<Exported, ExportError> {
    let rules = context.about.rules();
    let Translated { parts, bases, notes, data_points, refused: untranslated } =
        otlp::translate(request, rules.now_ms);
    let mut refused = Refused::default();
    for otlp::Refused { data_points, word, reason } in untranslated {
        context.refusals.refuse(Door::Otlp, word, data_points as u64);
        refused.untranslated += data_points;
        refused.first_reason.get_or_insert(reason);
    }
    let Admitted { mut batch, mut places, refused: unfit } = rules.admit(parts)?;
    for point in unfit {
        refused.note(context, point.stream, point.reason.word(), || point.reason.to_string());
    }
    for (place, base) in bases.into_iter().filter(|(place, _)| !refused.data_points.contains(place)) {
        batch.streams.push(base);
        places.push(place);
    }
    let Written { receipt, clashes } = context.engine.write_noted(batch, notes, acks).await?;
    for clash in clashes {
        let place = places.get(clash.stream).copied().unwrap_or(NO_DATA_POINT);
        refused.note(context, place, "family", || clash.reason);
    }
    let rejected = refused.untranslated + refused.data_points.len();
    context.refusals.accept(Door::Otlp, data_points.saturating_sub(rejected) as u64);
    let partial_success = refused.first_reason.map(|reason| ExportMetricsPartialSuccess {
        rejected_data_points: rejected as i64,
        error_message: reason,
    });
    Ok(Exported { response: ExportMetricsServiceResponse { partial_success }, receipt })
}
