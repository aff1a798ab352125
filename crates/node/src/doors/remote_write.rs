//! `POST /api/v1/write`: remote write, 1.0 and 2.0 told apart by the content type. What is refused gets 400, because
//! the same bytes would be refused again, and says how much of it is stored; what may be had later gets 429 or 503.

mod rows;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use shoal_model::Writer;
use shoal_proto::header as own_header;
use shoal_proto::remote_write::{self, Columns, Malformed};
use shoal_replication::{Acks, Receipt, SubmitError};

use super::intake::Charge;
use super::refusals::Door;
use super::{Context, http, import};
use rows::Tally;

/// The message of 2.0, as its content type names it.
const V2_MESSAGE: &str = "io.prometheus.write.v2.Request";
/// The message of 1.0.
const V1_MESSAGE: &str = "prometheus.WriteRequest";
/// What a reply to 2.0 counts.
const SAMPLES_WRITTEN: &str = "x-prometheus-remote-write-samples-written";
const HISTOGRAMS_WRITTEN: &str = "x-prometheus-remote-write-histograms-written";
const EXEMPLARS_WRITTEN: &str = "x-prometheus-remote-write-exemplars-written";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

/// What the headers say.
#[derive(Debug)]
struct Asked {
    version: Version,
    acks: Acks,
    writer: Writer,
}

/// The door.
pub(super) async fn write(
    State(context): State<Context>,
    Extension(charge): Extension<Arc<Charge>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = match Asked::read(&headers) {
        Ok(asked) => asked,
        Err((status, text)) => {
            context.refusals.refuse(Door::RemoteWrite, "header", 1);
            return http::error(status, "bad_data", &text);
        }
    };
    let mut tally = Tally::default();
    let mut response = take(&context, &asked, &charge, &body, &mut tally).await;
    tally.refused.iter().for_each(|(reason, points)| {
        context.refusals.refuse(Door::RemoteWrite, reason, *points);
    });
    context.refusals.refuse(Door::RemoteWrite, "exemplar", tally.exemplars_refused);
    context.refusals.accept(Door::RemoteWrite, tally.samples);
    if asked.version == Version::V2 {
        let counts =
            [(SAMPLES_WRITTEN, tally.samples), (HISTOGRAMS_WRITTEN, 0), (EXEMPLARS_WRITTEN, tally.exemplars)];
        for (name, count) in counts {
            response.headers_mut().insert(name, HeaderValue::from(count));
        }
    }
    response
}

async fn take(context: &Context, asked: &Asked, charge: &Charge, body: &[u8], tally: &mut Tally) -> Response {
    let mut refuse = |malformed: Malformed| {
        tally.refuse("syntax", 1, || malformed.to_string());
        http::error(StatusCode::BAD_REQUEST, "bad_data", &malformed.to_string())
    };
    let length = match remote_write::unpacked_len(body) {
        Ok(length) => length,
        Err(malformed) => return refuse(malformed),
    };
    if !charge.arrive(length) {
        return import::write_error(&SubmitError::Busy.into());
    }
    let unpacked = match context.buffers.unpack(body) {
        Ok(unpacked) => unpacked,
        Err(malformed) => return refuse(malformed),
    };
    let columns = match decode(asked.version, &unpacked) {
        Ok(columns) => columns,
        Err(malformed) => return refuse(malformed),
    };
    match rows::write(context, asked.writer, &columns, asked.acks, tally).await {
        Ok(receipt) => stored(receipt, tally),
        Err(error) => import::write_error(&error),
    }
}

fn decode(version: Version, unpacked: &[u8]) -> Result<Columns<'_>, Malformed> {
    match version {
        Version::V1 => remote_write::decode_v1(unpacked),
        Version::V2 => remote_write::decode_v2(unpacked),
    }
}

fn stored(receipt: Option<Receipt>, tally: &Tally) -> Response {
    let mut response = match &tally.first_reason {
        None => StatusCode::NO_CONTENT.into_response(),
        Some(reason) => {
            let refused: u64 = tally.refused.values().sum();
            let text = format!("{refused} refused, {} stored; the first reason: {reason}", tally.samples);
            if tally.is_full() {
                http::error(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", &text)
            } else {
                http::error(StatusCode::BAD_REQUEST, "bad_data", &text)
            }
        }
    };
    import::put_receipt(response.headers_mut(), receipt);
    response
}

impl Asked {
    fn read(headers: &HeaderMap) -> Result<Self, (StatusCode, String)> {
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        let bad = |name: &str, reason: String| (StatusCode::BAD_REQUEST, format!("{name}: {reason}"));
        let other = |reason: String| (StatusCode::UNSUPPORTED_MEDIA_TYPE, reason);
        let version = version(text(header::CONTENT_TYPE.as_str()).unwrap_or_default()).map_err(other)?;
        match text(header::CONTENT_ENCODING.as_str()) {
            None | Some("snappy") => {}
            Some(encoding) => return Err(other(format!("content-encoding {encoding:?}: snappy is wanted"))),
        }
        let acks = text(own_header::ACKS).map_or(Ok(Acks::Auto), str::parse);
        let writer = text(own_header::WRITER).map_or(Ok(Writer::NONE), str::parse);
        Ok(Self {
            version,
            acks: acks.map_err(|error| bad(own_header::ACKS, error.to_string()))?,
            writer: writer.map_err(|error| bad(own_header::WRITER, error.to_string()))?,
        })
    }
}

/// A content type without a message is 1.0; none at all is too, for senders that are no better than that.
fn version(content_type: &str) -> Result<Version, String> {
    let mut parts = content_type.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    if !kind.is_empty() && !kind.eq_ignore_ascii_case("application/x-protobuf") {
        return Err(format!("content-type {kind:?}: application/x-protobuf is wanted"));
    }
    match parts.find_map(|part| part.strip_prefix("proto=")) {
        None | Some(V1_MESSAGE) => Ok(Version::V1),
        Some(V2_MESSAGE) => Ok(Version::V2),
        Some(other) => Err(format!("message {other:?}: {V1_MESSAGE} and {V2_MESSAGE} are understood")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_tells_the_version() {
        assert_eq!(version(""), Ok(Version::V1));
        assert_eq!(version("application/x-protobuf"), Ok(Version::V1));
        assert_eq!(version("application/x-protobuf;proto=prometheus.WriteRequest"), Ok(Version::V1));
        assert_eq!(version("application/x-protobuf; proto=io.prometheus.write.v2.Request"), Ok(Version::V2));
        assert!(version("application/json").is_err());
        assert!(version("application/x-protobuf;proto=x.Y").is_err());
    }

    #[test]
    fn other_encodings_and_bad_headers_are_refused_by_name() {
        let check = |name: &'static str, value: &'static str, status: u16| {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_static(value))]);
            let (found, text) = Asked::read(&headers).unwrap_err();
            assert_eq!(found.as_u16(), status, "{text}");
        };
        check("content-encoding", "gzip", 415);
        check("content-type", "text/plain", 415);
        check("shoal-acks", "many", 400);
        check("shoal-writer", "me", 400);
    }
}
