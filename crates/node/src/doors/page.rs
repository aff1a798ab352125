//! The page at `/`: files of `crates/node/page`, part of the binary. They are served under a path that names their
//! content, so a browser keeps them for ever and never mixes those of two versions; only `/` itself is asked for
//! again. The page comes without a token and holds nothing; what it shows it asks of the other doors.

use std::io::Write;
use std::sync::LazyLock;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Context, http};

/// Nothing but our own files and calls; no script or style outside a file, and no text that becomes script.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
     trusted-types 'none'",
);
/// What the page calls the folder of its files.
const FOLDER: &str = "page/BUILD/";

macro_rules! files {
    ($($name:literal)*) => {
        [$(($name, include_str!(concat!("../../page/", $name)))),*]
    };
}

/// Every file of the page.
const FILES: [(&str, &str); 39] = files! {
    "index.html"
    "answer.js"
    "api.js"
    "base.css"
    "browser.js"
    "chart.js"
    "cluster.css"
    "cluster.js"
    "comparison.js"
    "complaint.js"
    "difference.js"
    "dom.js"
    "doors.js"
    "editor.js"
    "explore.css"
    "explore.js"
    "format.js"
    "icon.svg"
    "labels.js"
    "legend.js"
    "main.js"
    "matrix.js"
    "members.js"
    "palette.js"
    "panel.js"
    "promql.js"
    "readings.js"
    "route.js"
    "scale.js"
    "shell.js"
    "spark.js"
    "table.js"
    "targets.js"
    "ticks.js"
    "timerange.js"
    "token.js"
    "vocabulary.js"
    "watch.js"
    "work.js"
};

/// The files as they are served.
static PAGE: LazyLock<Page> = LazyLock::new(Page::new);

struct Page {
    /// Names what all files hold together.
    build: String,
    start: File,
    others: Vec<(&'static str, File)>,
}

struct File {
    kind: &'static str,
    plain: Bytes,
    packed: Bytes,
}

/// The routes. Whoever may not ask the other doors may still load the page.
pub(super) fn routes() -> Router<Context> {
    Router::new().route("/", get(start)).route("/page/{build}/{*name}", get(file))
}

/// Whether a path belongs to the page.
pub(super) fn has(path: &str) -> bool {
    path == "/" || path.starts_with("/page/")
}

async fn start(headers: HeaderMap) -> Response {
    let page = &*PAGE;
    let tag = format!("\"{}\"", page.build);
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let is_known =
        known.flat_map(|value| value.split(',')).any(|known| known.trim().trim_start_matches("W/") == tag);
    let mut response =
        if is_known { StatusCode::NOT_MODIFIED.into_response() } else { page.start.response(&headers) };
    put(&mut response, CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    put(&mut response, CONTENT_SECURITY_POLICY, POLICY);
    if let Ok(tag) = HeaderValue::try_from(tag) {
        put(&mut response, ETAG, tag);
    }
    response
}

async fn file(Path((build, name)): Path<(String, String)>, headers: HeaderMap) -> Response {
    let page = &*PAGE;
    let found = page.others.iter().find(|(other, _)| *other == name && build == page.build);
    let Some((_, file)) = found else {
        return http::error(StatusCode::NOT_FOUND, "not_found", "the page has no such file in this version");
    };
    let mut response = file.response(&headers);
    put(&mut response, CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    response
}

fn put(response: &mut Response, name: HeaderName, value: HeaderValue) {
    response.headers_mut().insert(name, value);
}

impl Page {
    fn new() -> Self {
        let mut hash = blake3::Hasher::new();
        for (name, text) in FILES {
            hash.update(name.as_bytes()).update(&[0]).update(text.as_bytes()).update(&[0]);
        }
        let build = hash.finalize().to_hex()[..16].to_owned();
        let [(_, start), others @ ..] = FILES;
        let start = start.replace(FOLDER, &format!("page/{build}/"));
        let others = others.into_iter().map(|(name, text)| (name, File::new(name, text.to_owned())));
        Self { start: File::new("index.html", start), others: others.collect(), build }
    }
}

impl File {
    fn new(name: &str, text: String) -> Self {
        let kind = match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
            "html" => "text/html; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            _ => "application/octet-stream",
        };
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let written = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
        let packed = written.expect("writing to memory does not fail").into();
        Self { kind, plain: text.into(), packed }
    }

    fn response(&self, asked: &HeaderMap) -> Response {
        let accepted = asked.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        let is_packed = accepted.flat_map(|value| value.split(',')).any(|coding| coding.trim() == "gzip");
        let mut response = if is_packed { &self.packed } else { &self.plain }.clone().into_response();
        put(&mut response, CONTENT_TYPE, HeaderValue::from_static(self.kind));
        put(&mut response, X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        put(&mut response, REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        put(&mut response, VARY, HeaderValue::from_static("accept-encoding"));
        if is_packed {
            put(&mut response, CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_file_of_the_folder_is_served() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("page");
        let found: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let served: BTreeSet<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(found, served);
        assert!(PAGE.others.iter().all(|(_, file)| file.kind != "application/octet-stream"));
    }

    #[test]
    fn the_start_names_the_files_of_its_own_build() {
        let start = std::str::from_utf8(&PAGE.start.plain).unwrap();
        assert!(start.contains(&format!("page/{}/main.js", PAGE.build)) && !start.contains(FOLDER));
    }
}
