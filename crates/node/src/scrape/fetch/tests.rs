//! One GET against servers of the test's own, plain and over TLS.

use std::net::SocketAddr;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use std::io::Write as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

const LIMIT: usize = 10_000;

#[test]
fn a_redirect_is_seen_from_where_it_comes() {
    let check = |base: &str, location: &str, expected: Option<&str>| {
        let found = resolve(&base.parse().unwrap(), location).map(|uri| uri.to_string());
        assert_eq!(found.as_deref(), expected, "{base} {location}");
    };
    check("http://a/x/y?q=1", "/z?r=2", Some("http://a/z?r=2"));
    check("http://a/x/y", "z", Some("http://a/x/z"));
    check("http://a/x", "https://b:1/z", Some("https://b:1/z"));
    check("http://a/x", "ftp://b/z", None);
    check("http://a/x", "", None);
}

/// A server that tells what it was asked, packs, redirects and talks too much.
async fn serve() -> SocketAddr {
    async fn echo(headers: HeaderMap) -> String {
        headers.get("authorization").map_or("nobody", |value| value.to_str().unwrap()).to_owned()
    }
    async fn packed() -> impl IntoResponse {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![b'a'; LIMIT + 1]).unwrap();
        ([("content-encoding", "gzip")], encoder.finish().unwrap())
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let away = format!("http://localhost:{}/echo", address.port());
    let to = |location: String| get(async move || (StatusCode::FOUND, [("location", location)]));
    let routes = Router::new()
        .route("/echo", get(echo))
        .route("/here", to("echo".to_owned()))
        .route("/away", to(away))
        .route("/round", to("/round".to_owned()))
        .route("/long", get(async || "a".repeat(LIMIT + 1)))
        .route("/bomb", get(packed))
        .route("/broken", get(async || StatusCode::INTERNAL_SERVER_ERROR));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

async fn ask(fetcher: &Fetcher, url: &str) -> Result<String, String> {
    let fetched = fetcher.get(&url.parse().unwrap(), &HeaderMap::new(), LIMIT).await;
    fetched
        .map(|fetched| String::from_utf8_lossy(&fetched.bytes).into_owned())
        .map_err(|error| error.to_string())
}

fn fetcher(tls: TypedTls, folder: &Path, credentials: Option<Credentials>) -> Fetcher {
    Fetcher::new(&tls, folder, credentials, true).unwrap()
}

#[tokio::test]
async fn credentials_stay_with_the_host_and_bodies_within_the_limit() {
    let address = serve().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("password"), "p w\n").unwrap();
    let basic = Credentials::Basic {
        username: "user".to_owned(),
        username_file: None,
        password: Secret::default(),
        password_file: Some(folder.path().join("password")),
    };
    let fetcher = fetcher(TypedTls::default(), folder.path(), Some(basic));
    let url = |path: &str| format!("http://{address}{path}");
    let user = Ok(format!("Basic {}", STANDARD.encode("user:p w")));
    assert_eq!(ask(&fetcher, &url("/echo")).await, user);
    assert_eq!(ask(&fetcher, &url("/here")).await, user);
    assert_eq!(ask(&fetcher, &url("/away")).await, Ok("nobody".to_owned()));
    let check = async |path: &str, part: &str| {
        let error = ask(&fetcher, &url(path)).await.unwrap_err();
        assert!(error.contains(part), "{path}: {error}");
    };
    check("/round", "redirects without end").await;
    check("/long", "over the limit of 10000 bytes").await;
    check("/bomb", "over the limit of 10000 bytes").await;
    check("/broken", "server returned HTTP status 500 Internal Server Error").await;
    std::fs::remove_file(folder.path().join("password")).unwrap();
    check("/echo", "No such file").await;
}

/// A server whose certificate, for `inner.test`, nobody but a file vouches for.
async fn serve_tls(folder: &Path) -> SocketAddr {
    let made = rcgen::generate_simple_self_signed(["inner.test".to_owned()]).unwrap();
    let encoded = STANDARD.encode(made.cert.der());
    let lines: Vec<_> = encoded.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"));
    std::fs::write(folder.join("ca.pem"), pem).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = stream.read(&mut [0; 1024]).await;
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nup 1\n";
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    address
}

#[tokio::test]
async fn a_server_is_believed_when_somebody_vouches_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let address = serve_tls(folder.path()).await;
    let url = format!("https://{address}/metrics");
    let named = TypedTls { server_name: Some("inner.test".to_owned()), ..TypedTls::default() };
    let vouched = TypedTls { ca_file: Some("ca.pem".to_owned()), ..named.clone() };
    let insecure = TypedTls { insecure_skip_verify: true, ..TypedTls::default() };
    let unnamed = TypedTls { server_name: None, ..vouched.clone() };
    let asked = async |tls| ask(&fetcher(tls, folder.path(), None), &url).await;
    assert_eq!(asked(vouched.clone()).await, Ok("up 1\n".to_owned()));
    assert_eq!(asked(insecure).await, Ok("up 1\n".to_owned()));
    assert!(asked(named).await.unwrap_err().contains("certificate"));
    assert!(asked(unnamed).await.unwrap_err().contains("certificate"));
    let plain = ask(&fetcher(vouched, folder.path(), None), &format!("http://{address}/")).await;
    assert!(plain.is_err(), "{plain:?}");
}

#[test]
fn tls_that_cannot_be_set_up_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let check = |tls: TypedTls, part: &str| {
        let error = Fetcher::new(&tls, folder.path(), None, true).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    let text = |text: &str| Some(text.to_owned());
    check(TypedTls { ca_file: text("missing"), ..TypedTls::default() }, "missing");
    check(TypedTls { cert_file: text("a"), ..TypedTls::default() }, "belong together");
    check(TypedTls { server_name: text("a b"), ..TypedTls::default() }, "no server name");
    std::fs::write(folder.path().join("empty"), "").unwrap();
    check(TypedTls { ca_file: text("empty"), ..TypedTls::default() }, "holds no certificate");
}
