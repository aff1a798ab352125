//! OTLP metrics, by gRPC (`MetricsService/Export`) and by HTTP (`POST /v1/metrics`, protobuf or JSON). What cannot be
//! taken is told by `partial_success`, which asks the sender not to send it again.

mod grpc;
mod http;

use std::collections::BTreeSet;

use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use prost::Message;
use shoal_replication::{Acks, Receipt};

use super::Context;
use super::refusals::Door;
use crate::admission::{Admitted, Oversize};
use crate::engine::{UnfitStream, WriteError, Written};
use crate::otlp::{self, NO_DATA_POINT, Translated};

pub(super) use grpc::Otlp;
pub(super) use http::export as export_http;

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

/// The message of a request in protobuf, unless it is none or would take many times its bytes.
fn decode(context: &Context, bytes: &[u8]) -> Result<ExportMetricsServiceRequest, String> {
    let refuse = |word: &'static str, reason: String| {
        context.refusals.refuse(Door::Otlp, word, 1);
        reason
    };
    otlp::judge_protobuf(bytes).map_err(|error| refuse("oversize", error.to_string()))?;
    ExportMetricsServiceRequest::decode(bytes)
        .map_err(|error| refuse("syntax", format!("the body is no ExportMetricsServiceRequest: {error}")))
}

async fn export(
    context: &Context,
    request: ExportMetricsServiceRequest,
    acks: Acks,
) -> Result<Exported, ExportError> {
    let rules = context.about.rules();
    let Translated { parts, bases, mut notes, data_points, refused: untranslated, oversize, .. } =
        otlp::translate(request, rules.now_ms);
    if let Some(oversize) = oversize {
        context.refusals.refuse(Door::Otlp, "oversize", data_points as u64);
        return Err(oversize.into());
    }
    context.refusals.refuse(Door::Otlp, "exemplar", notes.admit(&rules));
    let mut refused = Refused::default();
    for otlp::Refused { data_points, word, reason } in untranslated {
        context.refusals.refuse(Door::Otlp, word, data_points as u64);
        refused.untranslated += data_points;
        refused.first_reason.get_or_insert(reason);
    }
    let Admitted { mut batch, mut places, refused: unfit } = rules.admit(parts).inspect_err(|_| {
        context.refusals.refuse(Door::Otlp, "oversize", data_points as u64);
    })?;
    for point in unfit {
        refused.note(context, point.stream, point.reason.word(), || point.reason.to_string());
    }
    for (place, base) in bases.into_iter().filter(|(place, _)| !refused.data_points.contains(place)) {
        batch.streams.push(base);
        places.push(place);
    }
    let Written { receipt, unfit } = context.engine.write_noted(batch, notes, acks).await?;
    for UnfitStream { stream, why } in unfit {
        let place = places.get(stream).copied().unwrap_or(NO_DATA_POINT);
        refused.note(context, place, why.word, || why.reason);
    }
    let rejected = refused.untranslated + refused.data_points.len();
    context.refusals.accept(Door::Otlp, data_points.saturating_sub(rejected) as u64);
    let partial_success = refused.first_reason.map(|reason| ExportMetricsPartialSuccess {
        rejected_data_points: rejected as i64,
        error_message: reason,
    });
    Ok(Exported { response: ExportMetricsServiceResponse { partial_success }, receipt })
}
