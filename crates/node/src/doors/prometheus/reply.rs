//! The reply to a question that was worked on: its body, packed where the client reads that, and headers that say
//! what the node had applied and up to when the answer is complete.

use std::io::Write;

use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use shoal_proto::header;

use super::params::Params;
use crate::engine::Snapshot;

/// Shorter bodies fit a packet or two anyway.
const PACKED_BYTES_MIN: usize = 4 * 1024;

/// How the client reads a body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    Gzip,
}

impl Form {
    /// What the client of a request reads.
    pub(super) fn of(params: &Params) -> Self {
        if params.accepts_gzip() { Form::Gzip } else { Form::Plain }
    }
}

/// A successful reply.
pub(super) struct Reply {
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Reply {
    /// A reply in Prometheus' JSON.
    pub(super) fn json(body: String, snapshot: &Snapshot, form: Form) -> Self {
        Self::new("application/json", body, snapshot, form)
    }

    /// A reply in the text format of exposition.
    pub(super) fn exposition(body: String, snapshot: &Snapshot, form: Form) -> Self {
        Self::new("text/plain; version=0.0.4; charset=utf-8", body, snapshot, form)
    }

    fn new(kind: &'static str, body: String, snapshot: &Snapshot, form: Form) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        let mut put = |name: &'static str, value: String| {
            if let Ok(value) = value.parse() {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        put(header::FRONTIER, format!("{:032x}", snapshot.frontier));
        if let Some(until) = snapshot.complete_until {
            put(header::COMPLETE_UNTIL, until.to_string());
        }
        let body = body.into_bytes();
        if form == Form::Plain || body.len() < PACKED_BYTES_MIN {
            return Self { headers, body };
        }
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        Self { headers, body: packed(&body) }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        (self.headers, self.body).into_response()
    }
}

fn packed(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    let written = encoder.write_all(body).and_then(|()| encoder.finish());
    written.expect("writing to memory does not fail")
}
