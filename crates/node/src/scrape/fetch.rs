//! One GET of a target or of a server that lists targets: credentials, TLS, redirects, gzip, and the limit on what
//! comes back. Connections are kept between scrapes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, ServerName};

use super::trust;
use super::typed::{Secret, TypedTls};
use crate::gzip::{GunzipError, gunzip};

/// As many as a browser follows, about.
const REDIRECTS_MAX: usize = 10;
/// A connection that was not used for so long is closed: longer than most intervals.
const IDLE: Duration = Duration::from_secs(300);

/// TLS that cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("tls_config: {0}: {1}")]
    File(PathBuf, String),
    #[error("tls_config: cert_file and key_file belong together")]
    HalfIdentity,
    #[error("tls_config: {0:?} is no server name")]
    ServerName(String),
    #[error("tls_config: {0}")]
    Rustls(#[from] rustls::Error),
}

/// Why a target gave nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("{0}: {1}")]
    Secret(PathBuf, io::Error),
    #[error("the credentials do not fit a header")]
    Header,
    #[error("{0}")]
    Connect(String),
    #[error("server returned HTTP status {0}")]
    Status(StatusCode),
    #[error("the server redirects without end, or nowhere")]
    Redirect,
    #[error("the body is over the limit of {0} bytes")]
    TooLong(usize),
    #[error("the body broke off: {0}")]
    Body(String),
    #[error(transparent)]
    Gzip(GunzipError),
    #[error("content-encoding {0:?} was not asked for")]
    Encoding(String),
}

/// Who asks. Files are read at each request, so that a new secret needs no restart.
#[derive(Clone, Debug)]
pub(super) enum Credentials {
    Basic {
        username: String,
        username_file: Option<PathBuf>,
        password: Secret,
        password_file: Option<PathBuf>,
    },
    Token {
        kind: String,
        token: Secret,
        file: Option<PathBuf>,
    },
}

impl Credentials {
    fn header(&self) -> Result<HeaderValue, FetchError> {
        let text = match self {
            Credentials::Basic { username, username_file, password, password_file } => {
                let (user, password) =
                    (secret(username, username_file)?, secret(&password.0, password_file)?);
                format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
            }
            Credentials::Token { kind, token, file } => format!("{kind} {}", secret(&token.0, file)?),
        };
        let mut value = HeaderValue::try_from(text).map_err(|_| FetchError::Header)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

fn secret(given: &str, file: &Option<PathBuf>) -> Result<String, FetchError> {
    match file {
        None => Ok(given.to_owned()),
        Some(path) => std::fs::read_to_string(path)
            .map(|text| text.trim().to_owned())
            .map_err(|error| FetchError::Secret(path.clone(), error)),
    }
}

/// What came back.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) bytes: Bytes,
    pub(super) content_type: String,
}

/// A client of one job.
#[derive(Clone, Debug)]
pub(super) struct Fetcher {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    credentials: Option<Credentials>,
    follows: bool,
}

impl Fetcher {
    /// Sets a client up; relative files stand in `folder`.
    pub(super) fn new(
        tls: &TypedTls,
        folder: &Path,
        credentials: Option<Credentials>,
        follows: bool,
    ) -> Result<Self, TlsError> {
        let mut connector =
            HttpsConnectorBuilder::new().with_tls_config(client_config(tls, folder)?).https_or_http();
        if let Some(name) = &tls.server_name {
            let fixed = ServerName::try_from(name.clone()).map_err(|_| TlsError::ServerName(name.clone()))?;
            connector = connector.with_server_name_resolver(FixedServerNameResolver::new(fixed));
        }
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .build(connector.enable_http1().build());
        Ok(Self { client, credentials, follows })
    }

    /// GETs an address. The caller bounds the time.
    pub(super) async fn get(
        &self,
        url: &Uri,
        headers: &HeaderMap,
        bytes_max: usize,
    ) -> Result<Fetched, FetchError> {
        let mut url = url.clone();
        let host = url.authority().cloned();
        for _ in 0..=REDIRECTS_MAX {
            let mut request =
                Request::get(url.clone()).body(Empty::new()).map_err(|_| FetchError::Redirect)?;
            request.headers_mut().extend(headers.clone());
            request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
            // Another host is not told what this one may know.
            if let Some(credentials) = self.credentials.as_ref().filter(|_| url.authority() == host.as_ref())
            {
                request.headers_mut().insert(header::AUTHORIZATION, credentials.header()?);
            }
            let response =
                self.client.request(request).await.map_err(|error| FetchError::Connect(reason(&error)))?;
            if !(self.follows && response.status().is_redirection()) {
                return body(response, bytes_max).await;
            }
            let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
            url = location.and_then(|location| resolve(&url, location)).ok_or(FetchError::Redirect)?;
        }
        Err(FetchError::Redirect)
    }
}

async fn body(
    response: axum::http::Response<hyper::body::Incoming>,
    bytes_max: usize,
) -> Result<Fetched, FetchError> {
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status(response.status()));
    }
    let of =
        |name| response.headers().get(name).map_or("", |value: &HeaderValue| value.to_str().unwrap_or("?"));
    let (content_type, encoding) =
        (of(header::CONTENT_TYPE).to_owned(), of(header::CONTENT_ENCODING).to_owned());
    let collected = Limited::new(response.into_body(), bytes_max).collect().await;
    let bytes = match collected {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            return Err(FetchError::TooLong(bytes_max));
        }
        Err(error) => return Err(FetchError::Body(error.to_string())),
    };
    let bytes = match encoding.as_str() {
        "" | "identity" => bytes,
        "gzip" => match gunzip(&bytes, bytes_max) {
            Ok(bytes) => bytes.into(),
            Err(GunzipError::TooLong(limit)) => return Err(FetchError::TooLong(limit)),
            Err(error) => return Err(FetchError::Gzip(error)),
        },
        _ => return Err(FetchError::Encoding(encoding)),
    };
    Ok(Fetched { bytes, content_type })
}

/// The address that a `location` names, seen from another.
fn resolve(base: &Uri, location: &str) -> Option<Uri> {
    if location.contains("://") {
        let target: Uri = location.parse().ok()?;
        return matches!(target.scheme_str(), Some("http" | "https")).then_some(target);
    }
    if location.is_empty() {
        return None;
    }
    let path: PathAndQuery = if location.starts_with('/') {
        location.parse().ok()?
    } else {
        let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{folder}/{location}").parse().ok()?
    };
    let mut parts = base.clone().into_parts();
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).ok()
}

/// The innermost reason, which says what the outer ones only hint at.
fn reason(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

fn client_config(tls: &TypedTls, folder: &Path) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = if tls.insecure_skip_verify {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(trust::Everyone(provider)))
    } else {
        builder.with_root_certificates(trust::roots(
            tls.ca_file.as_ref().map(|file| folder.join(file)).as_deref(),
        )?)
    };
    match (&tls.cert_file, &tls.key_file) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(cert), Some(key)) => {
            let (cert, key) = (folder.join(cert), folder.join(key));
            let chain = trust::certificates(&cert)?;
            let key =
                PrivateKeyDer::from_pem_file(&key).map_err(|error| TlsError::File(key, error.to_string()))?;
            Ok(builder.with_client_auth_cert(chain, key)?)
        }
        _ => Err(TlsError::HalfIdentity),
    }
}

#[cfg(test)]
mod tests;
