//! Requests to a server over kept connections.

use axum::body::Bytes;
use axum::http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::BenchError;
use super::load::Protocol;

/// The client.
#[derive(Clone)]
pub(super) struct Wire {
    client: Client<HttpConnector, Full<Bytes>>,
    authorization: Option<HeaderValue>,
}

impl Wire {
    pub(super) fn new(token: Option<String>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            authorization: token.and_then(|token| format!("Bearer {token}").try_into().ok()),
        }
    }

    /// Sends a write request.
    pub(super) async fn write(&self, protocol: Protocol, url: &Uri, body: Bytes) -> Result<(), BenchError> {
        let (status, answer) = self.ask(Some(protocol), url, body).await?;
        if status.is_success() { Ok(()) } else { Err(refused(url, status, &answer)) }
    }

    /// GETs an address.
    pub(super) async fn get(&self, url: &Uri) -> Result<Bytes, BenchError> {
        let (status, answer) = self.ask(None, url, Bytes::new()).await?;
        if status.is_success() { Ok(answer) } else { Err(refused(url, status, &answer)) }
    }

    /// POSTs in a protocol, or GETs.
    async fn ask(
        &self,
        protocol: Option<Protocol>,
        url: &Uri,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), BenchError> {
        if url.scheme_str() != Some("http") {
            return Err(BenchError::Address(url.clone()));
        }
        let failed = |error: &dyn std::error::Error| BenchError::Server(url.clone(), error.to_string());
        let mut request = Request::new(Full::new(body));
        let method = if protocol.is_some() { Method::POST } else { Method::GET };
        (*request.method_mut(), *request.uri_mut()) = (method, url.clone());
        let headers = request.headers_mut();
        headers.extend(self.authorization.clone().map(|value| (header::AUTHORIZATION, value)));
        if protocol.is_some() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        }
        if protocol == Some(Protocol::RemoteWrite) {
            let of_remote_write = [
                (header::CONTENT_ENCODING, "snappy"),
                (header::HeaderName::from_static("x-prometheus-remote-write-version"), "0.1.0"),
            ];
            headers.extend(of_remote_write.map(|(name, value)| (name, HeaderValue::from_static(value))));
        }
        let response = self.client.request(request).await.map_err(|error| failed(&error))?;
        let status = response.status();
        let answer = response.into_body().collect().await.map_err(|error| failed(&error))?;
        Ok((status, answer.to_bytes()))
    }
}

fn refused(url: &Uri, status: StatusCode, answer: &Bytes) -> BenchError {
    let shown: String = String::from_utf8_lossy(answer).chars().take(200).collect();
    BenchError::Server(url.clone(), format!("{status} {shown}"))
}
