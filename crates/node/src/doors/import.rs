//! `POST /api/v1/import/prometheus`: text exposition and OpenMetrics. Lines without a time get the time of their
//! arrival, so they count as received; lines with one have an identity. A bad line refuses itself. With a
//! `mode` the text is what a short job pushes, see [`push`](super::push).

use std::borrow::Cow;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use serde_json::json;
use shoal_model::Kind;
use shoal_model::limits::REQUEST_BYTES_MAX;
use shoal_proto::{Token, header};
use shoal_replication::{Acks, Receipt, SubmitError};

use super::refusals::Door;
use super::{Context, http, push};
use crate::admission::Admitted;
use crate::clock::wall_ms;
use crate::engine::{UnfitStream, WriteError, Written};
use crate::exposition::{self, Bounds, Exposed, Format, Parsed, Sample};
use crate::gzip;

/// The parameter that says how a push is taken; all others are labels, as `?job=…&instance=…`.
const MODE: &str = "mode";

/// The door.
pub(super) async fn import(
    State(context): State<Context>,
    Query(mut extra): Query<Vec<(String, String)>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mode = extra.iter().position(|(name, _)| name == MODE).map(|place| extra.remove(place).1);
    if let Some(mode) = mode {
        return push::import(context, &mode, extra, &headers, body).await;
    }
    let text = match Text::of_request(&headers, body) {
        Ok(text) => text,
        Err(bad) => return bad.answer(&context),
    };
    let mut shape = |sample: &mut Sample<'_>| {
        add_absent(sample, &extra);
        Some(Kind::Sample)
    };
    let parsed = exposition::parse(text.exposed(wall_ms()), &mut shape);
    store(&context, parsed, text.acks).await
}

/// Adds labels to a sample that does not have them.
fn add_absent(sample: &mut Sample<'_>, extra: &[(String, String)]) {
    for (name, value) in extra {
        if !sample.pairs.iter().any(|(given, _)| given == name) {
            sample.pairs.push((Cow::Owned(name.clone()), Cow::Owned(value.clone())));
        }
    }
}

/// A text that came, and what its headers say of it.
pub(super) struct Text {
    pub(super) bytes: Bytes,
    pub(super) format: Format,
    pub(super) acks: Acks,
}

impl Text {
    /// Unpacks the body.
    pub(super) fn of_request(headers: &HeaderMap, body: Bytes) -> Result<Self, BadText> {
        let of = |name: &str| headers.get(name).map_or("", |value| value.to_str().unwrap_or("?"));
        let acks = match of(header::ACKS) {
            "" => Acks::Auto,
            text => text.parse().map_err(|error| BadText::Acks(format!("{}: {error}", header::ACKS)))?,
        };
        let bytes = match of("content-encoding") {
            "" | "identity" => body,
            "gzip" => gzip::gunzip(&body, REQUEST_BYTES_MAX)?.into(),
            other => return Err(BadText::Encoding(other.to_owned())),
        };
        Ok(Self { bytes, format: Format::of_content_type(of("content-type")), acks })
    }

    /// What is read of it, by its arrival.
    pub(super) fn exposed(&self, now_ms: i64) -> Exposed<'_> {
        Exposed { bytes: &self.bytes, format: self.format, now_ms, bounds: Bounds::ONE_WRITE }
    }
}

/// A request whose text is not even looked at. The sender's fault; nothing was stored.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadText {
    #[error("{0}")]
    Acks(String),
    #[error(transparent)]
    Gzip(#[from] gzip::GunzipError),
    #[error("content-encoding {0:?} is not known here: gzip is")]
    Encoding(String),
}

impl BadText {
    /// Counts it, and tells the sender.
    pub(super) fn answer(&self, context: &Context) -> Response {
        let word = match self {
            BadText::Acks(_) => "header",
            BadText::Gzip(_) | BadText::Encoding(_) => "encoding",
        };
        context.refusals.refuse(Door::Import, word, 1);
        http::error(StatusCode::BAD_REQUEST, "bad_data", &self.to_string())
    }
}

/// Writes what was read and replies with what became of it.
pub(super) async fn store(context: &Context, parsed: Parsed, acks: Acks) -> Response {
    let (rules, mut notes) = (context.about.rules(), parsed.notes);
    context.refusals.refuse(Door::Import, "syntax", parsed.refused_total);
    context.refusals.refuse(Door::Import, "exemplar", notes.admit(&rules));
    let parts = parsed.streams.into_iter().enumerate().collect();
    let Admitted { batch, refused, .. } = match rules.admit(parts) {
        Ok(admitted) => admitted,
        Err(error) => {
            context.refusals.refuse(Door::Import, "oversize", 1);
            return http::error(StatusCode::BAD_REQUEST, "bad_data", &error.to_string());
        }
    };
    refused.iter().for_each(|refused| context.refusals.refuse(Door::Import, refused.reason.word(), 1));
    let sizes: Vec<_> = batch.streams.iter().map(|part| part.points.len() as u64).collect();
    let Written { receipt, unfit } = match context.engine.write_noted(batch, notes, acks).await {
        Ok(written) => written,
        Err(error) => return write_error(&error),
    };
    let mut accepted = sizes.iter().sum::<u64>();
    for UnfitStream { stream, why } in &unfit {
        let points = sizes.get(*stream).copied().unwrap_or_default();
        context.refusals.refuse(Door::Import, why.word, points);
        accepted -= points;
    }
    context.refusals.accept(Door::Import, accepted);
    let syntax = parsed.refused.iter().map(|refused| format!("line {}: {}", refused.line, refused.reason));
    let reasons = syntax
        .chain(refused.iter().map(|refused| refused.reason.to_string()))
        .chain(unfit.iter().map(|unfit| unfit.why.reason.clone()));
    let written = sizes.iter().sum::<u64>();
    let outcome = Outcome {
        accepted,
        refused: parsed.refused_total + refused.len() as u64 + written - accepted,
        is_full: written > 0 && accepted == 0 && unfit.iter().all(|unfit| unfit.why.word == "series_limit"),
        reasons: reasons.take(100).collect(),
    };
    let mut response = outcome.into_response();
    put_receipt(response.headers_mut(), receipt);
    response
}

/// Tells how many copies a write has, and what names it.
pub(super) fn put_receipt(headers: &mut HeaderMap, receipt: Option<Receipt>) {
    let Some(Receipt { frame, copies }) = receipt else { return };
    let token = Token { origin: frame.origin, seq: frame.seq };
    for (name, value) in [(header::COPIES, copies.to_string()), (header::TOKEN, token.to_string())] {
        if let Ok(value) = value.parse() {
            headers.insert(name, value);
        }
    }
}

struct Outcome {
    accepted: u64,
    refused: u64,
    /// Whether nothing was stored, and only because there are too many streams.
    is_full: bool,
    reasons: Vec<String>,
}

/// 204 if all was stored; else 400 with what was refused and why, since sending it again would not help. Where there is
/// no room for anything new it may help later: 429.
impl IntoResponse for Outcome {
    fn into_response(self) -> Response {
        if self.refused == 0 {
            return StatusCode::NO_CONTENT.into_response();
        }
        let first = self.reasons.first().map(String::as_str).unwrap_or_default();
        let text = format!("{} refused, {} stored; the first reason: {first}", self.refused, self.accepted);
        let (status, kind) = if self.is_full {
            (StatusCode::TOO_MANY_REQUESTS, "too_many_requests")
        } else {
            (StatusCode::BAD_REQUEST, "bad_data")
        };
        let body = json!({
            "status": "error",
            "errorType": kind,
            "error": text,
            "accepted": self.accepted,
            "refused": self.refused,
            "reasons": self.reasons,
        });
        let mut response = (status, Json(body)).into_response();
        if self.is_full {
            response.headers_mut().insert("retry-after", HeaderValue::from_static("1"));
        }
        response
    }
}

/// A write that was not acknowledged, in HTTP's words.
pub(super) fn write_error(error: &WriteError) -> Response {
    let text = error.to_string();
    match error {
        WriteError::Refused(SubmitError::Busy) => {
            http::error(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", &text)
        }
        WriteError::Refused(_)
        | WriteError::Outdated(_)
        | WriteError::TooFewCopies(_)
        | WriteError::Stopped(_) => http::error(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &text),
    }
}
