//! Requests over connections that are kept, as the world's clients make them.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;

/// A request that takes longer has failed for its user.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client with its connections.
pub struct Http(Client<HttpConnector, Full<Bytes>>);

impl Http {
    /// No connections yet.
    pub fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }

    /// Status and body.
    pub async fn get(&self, from: SocketAddr, path: &str) -> Result<(u16, String), String> {
        self.send("GET", from, path, String::new()).await
    }

    /// Status and body.
    pub async fn post(&self, to: SocketAddr, path: &str, body: String) -> Result<(u16, String), String> {
        self.send("POST", to, path, body).await
    }

    async fn send(
        &self,
        method: &str,
        to: SocketAddr,
        path: &str,
        body: String,
    ) -> Result<(u16, String), String> {
        let request = Request::builder().method(method).uri(format!("http://{to}{path}"));
        let request = request.body(Full::new(Bytes::from(body))).map_err(|error| error.to_string())?;
        let answer = async {
            let answer = self.0.request(request).await.map_err(|error| format!("{error:?}"))?;
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await.map_err(|error| format!("{error:?}"))?.to_bytes();
            Ok((status, String::from_utf8_lossy(&body).into_owned()))
        };
        tokio::time::timeout(PATIENCE, answer).await.map_err(|_| "no answer in time".to_owned())?
    }
}
