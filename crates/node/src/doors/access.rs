//! Who may come in: with `--token-file` every request carries one of its bearer tokens. Health stays open, so
//! that a load balancer needs none, and so does the page, which asks its reader for one.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::{About, http, page};

/// Lets a request pass or answers it in its own protocol.
pub(super) async fn check(State(about): State<Arc<About>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_open = about.tokens.is_empty() || path.starts_with("/-/") || page::has(path);
    if is_open || carries_token(request.headers(), &about.tokens) {
        return next.run(request).await;
    }
    let text = "a bearer token is needed: authorization: Bearer TOKEN";
    if is_grpc(request.headers()) {
        return tonic::Status::unauthenticated(text).into_http::<axum::body::Body>();
    }
    let mut response = http::error(StatusCode::UNAUTHORIZED, "unauthorized", text);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    response
}

/// The answer to a path that no door has, in the protocol of the request.
pub(super) async fn unknown(request: Request) -> Response {
    if is_grpc(request.headers()) {
        return tonic::Status::unimplemented("no such method").into_http::<axum::body::Body>();
    }
    http::error(StatusCode::NOT_FOUND, "not_found", "no such path").into_response()
}

pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/grpc"))
}

fn carries_token(headers: &HeaderMap, tokens: &[String]) -> bool {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = value.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    tokens.iter().any(|token| same(token.as_bytes(), given.as_bytes()))
}

/// Compares in a time that does not tell how much was right.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}
