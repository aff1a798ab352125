//! What short jobs push before they end, as Pushgateway's clients do it, to any node. A *group* is named by its
//! labels, `job` among them. Its writer is a hash of them, so the same group pushed through other nodes is the same
//! writer, and what a push replaces is found among that writer's series and no one else's.
//!
//! | request | what it does |
//! |---|---|
//! | `PUT /metrics/job/J{/LABEL/VALUE}`, `import?mode=replace&job=J…` | the group is now what the text says; the rest of it ends |
//! | `POST /metrics/job/J…` | the same for the metrics that the text names |
//! | `DELETE /metrics/job/J…` | all of the group ends |
//! | `import?mode=increment&job=J…` | counters add to the cluster's totals, the rest is replaced |

use std::borrow::Cow;
use std::collections::HashSet;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use percent_encoding::percent_decode_str;
use shoal_model::limits::LIVE;
use shoal_model::time::delta_time;
use shoal_model::{
    Kind, LabelError, Labels, Matcher, MatcherOp, Point, Stream, StreamPoints, Writer, is_stale, stale,
};
use shoal_proto::header;
use shoal_replication::Acks;
use thiserror::Error;

use super::import::{Text, store};
use super::{Context, http, wall_ms};
use crate::engine::ReadError;
use crate::exposition::{self, Parsed, Sample};

/// The path that a group's labels follow.
const PATH: &str = "/metrics/";
/// The series that says when a group was pushed.
const PUSH_TIME: &str = "push_time_seconds";

/// What a push does to its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// The group is what the text says.
    Replace,
    /// Its metrics of these names are what the text says.
    Update,
    /// Totals are added to those of all pushes.
    Increment,
}

/// A push that names no group. The sender's fault; nothing was stored.
#[derive(Debug, Error)]
enum BadGroup {
    #[error("a group begins with its job: /metrics/job/JOB{{/LABEL/VALUE}}, or ?job=JOB")]
    NoJob,
    #[error("label {0:?} has no value")]
    NoValue(String),
    #[error("{0:?} is no base64 of UTF-8")]
    Base64(String),
    #[error("{0:?} is no percent-encoded UTF-8")]
    Percent(String),
    #[error(transparent)]
    Labels(#[from] LabelError),
    #[error("mode {0:?} is none of replace and increment")]
    Mode(String),
}

/// The series that jobs of one name push.
#[derive(Clone, Debug)]
struct Group {
    labels: Vec<(String, String)>,
    writer: Writer,
    push_time: Labels,
}

impl Group {
    fn new(labels: Vec<(String, String)>) -> Result<Self, BadGroup> {
        if !labels.iter().any(|(name, value)| name == "job" && !value.is_empty()) {
            return Err(BadGroup::NoJob);
        }
        let pairs = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let push_time = Labels::new(pairs.chain([("__name__", PUSH_TIME)]))?;
        let hash = blake3::derive_key("shoal 2026 writer of a pushed group", push_time.canonical());
        let writer = Writer(*hash.first_chunk().expect("a hash is longer than a writer"));
        Ok(Self { labels, writer, push_time })
    }

    /// Reads `job/J/LABEL/VALUE…`, each part percent-encoded; a name ending in `@base64` has such a value.
    fn of_path(path: &str) -> Result<Self, BadGroup> {
        let mut parts = path.strip_prefix(PATH).unwrap_or_default().trim_end_matches('/').split('/');
        let mut labels = Vec::new();
        while let Some(name) = parts.next() {
            let name = plain(name)?;
            let value = parts.next().ok_or_else(|| BadGroup::NoValue(name.clone()))?;
            let value = plain(value)?;
            labels.push(match name.strip_suffix("@base64") {
                Some(name) => (name.to_owned(), unpacked(&value)?),
                None => (name, value),
            });
        }
        Self::new(labels)
    }

    /// The group's labels take the place of the sample's own.
    fn claim(&self, sample: &mut Sample<'_>) {
        sample.pairs.retain(|(name, _)| !self.labels.iter().any(|(own, _)| own == name));
        let own = self.labels.iter().map(|(name, value)| (name.clone().into(), Cow::Owned(value.clone())));
        sample.pairs.extend(own);
    }

    /// A point of one of the group's series.
    fn point(&self, labels: Labels, time: i64, value: f64) -> StreamPoints {
        let stream = Stream { labels, writer: self.writer, kind: Kind::Sample };
        StreamPoints { stream, points: vec![Point::new(time, value)] }
    }

    /// The group's series that have not ended.
    async fn present(&self, context: &Context, now_ms: i64) -> Result<Vec<Labels>, ReadError> {
        let equal = |(name, value): &(String, String)| Matcher::new(name, MatcherOp::Equal, value).ok();
        let matchers: Vec<_> = self.labels.iter().filter_map(equal).collect();
        let writer = self.writer;
        let recent = now_ms - LIVE.as_millis() as i64..=now_ms;
        let look = move |snapshot: crate::engine::Snapshot| {
            let found = snapshot.view.select(&matchers);
            let own = found.into_iter().flat_map(|series| {
                let is_own =
                    move |(by, kind, _): &(Writer, Kind, u32)| *by == writer && *kind == Kind::Sample;
                let places = series.streams.into_iter().filter(is_own);
                places.map(move |(_, kind, place)| (series.labels.clone(), (place, kind)))
            });
            let (labels, places): (Vec<_>, Vec<_>) = own.unzip();
            let reads = snapshot.view.read_many(&places, recent);
            let is_present = |point: Option<&Point>| point.is_some_and(|point| !is_stale(point.value));
            let present = labels.into_iter().zip(reads).filter(|(_, read)| is_present(read.points.last()));
            present.map(|(labels, _)| labels).collect()
        };
        context.engine.inspect(look).await
    }
}

fn plain(part: &str) -> Result<String, BadGroup> {
    let decoded = percent_decode_str(part).decode_utf8();
    decoded.map(Cow::into_owned).map_err(|_| BadGroup::Percent(part.to_owned()))
}

/// Clients write an empty value as `=`, for no part of a path is empty.
fn unpacked(value: &str) -> Result<String, BadGroup> {
    let trimmed = value.trim_end_matches('=');
    let bytes = URL_SAFE_NO_PAD.decode(trimmed).or_else(|_| URL_SAFE.decode(value));
    let text = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| BadGroup::Base64(value.to_owned()))
}

/// Pushgateway's own paths.
pub(super) async fn gateway(
    State(context): State<Context>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let group = match Group::of_path(uri.path()) {
        Ok(group) => group,
        Err(error) => return http::error(StatusCode::BAD_REQUEST, "bad_data", &error.to_string()),
    };
    let (mut response, done) = match method {
        Method::DELETE => (end(&context, &group).await, StatusCode::ACCEPTED),
        Method::PUT => (push(&context, &group, Mode::Replace, &headers, body).await, StatusCode::OK),
        _ => (push(&context, &group, Mode::Update, &headers, body).await, StatusCode::OK),
    };
    if response.status() == StatusCode::NO_CONTENT {
        *response.status_mut() = done;
    }
    response
}

/// `import` with a mode.
pub(super) async fn import(
    context: Context,
    mode: &str,
    labels: Vec<(String, String)>,
    headers: &HeaderMap,
    body: Bytes,
) -> Response {
    let mode = match mode {
        "replace" => Ok(Mode::Replace),
        "increment" => Ok(Mode::Increment),
        other => Err(BadGroup::Mode(other.to_owned())),
    };
    match mode.and_then(|mode| Ok((mode, Group::new(labels)?))) {
        Ok((mode, group)) => push(&context, &group, mode, headers, body).await,
        Err(error) => http::error(StatusCode::BAD_REQUEST, "bad_data", &error.to_string()),
    }
}

async fn push(context: &Context, group: &Group, mode: Mode, headers: &HeaderMap, body: Bytes) -> Response {
    let text = match Text::of_request(headers, body) {
        Ok(text) => text,
        Err(bad) => return bad.into_response(),
    };
    let drawn: [u8; 16] = rand::random();
    let key = headers.get(header::IDEMPOTENCY_KEY).map_or(&drawn[..], |key| key.as_bytes());
    let now_ms = wall_ms();
    let mut parsed = read(group, mode, &text, key, now_ms);
    // A text that is broken somewhere does not say what is gone.
    if parsed.refused_total == 0 {
        let present = match group.present(context, now_ms).await {
            Ok(present) => present,
            Err(error) => return unavailable(&error),
        };
        let gone = gone(present, mode, &parsed.streams);
        parsed.streams.extend(gone.into_iter().map(|labels| group.point(labels, now_ms, stale())));
        parsed.streams.push(group.point(group.push_time.clone(), now_ms, now_ms as f64 / 1_000.0));
    }
    store(context, parsed, text.acks).await
}

/// Ends all of a group.
async fn end(context: &Context, group: &Group) -> Response {
    let now_ms = wall_ms();
    let present = match group.present(context, now_ms).await {
        Ok(present) => present,
        Err(error) => return unavailable(&error),
    };
    let streams = present.into_iter().map(|labels| group.point(labels, now_ms, stale())).collect();
    store(context, Parsed { streams, ..Parsed::default() }, Acks::Auto).await
}

fn unavailable(error: &ReadError) -> Response {
    http::error(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &error.to_string())
}

/// What the text says, as the group's.
fn read(group: &Group, mode: Mode, text: &Text, key: &[u8], now_ms: i64) -> Parsed {
    let mut shape = |sample: &mut Sample<'_>| {
        group.claim(sample);
        Some(if mode == Mode::Increment && sample.is_total { Kind::Delta } else { Kind::Sample })
    };
    let mut parsed = exposition::parse(&text.bytes, text.format, now_ms, &mut shape);
    for part in &mut parsed.streams {
        part.stream.writer = group.writer;
        if part.stream.kind == Kind::Delta {
            // A time beyond the axis stays where it is, where admission refuses it.
            let place = |time| delta_time(0, time, key).unwrap_or(i64::MAX);
            part.points.iter_mut().for_each(|point| point.time = place(point.time));
        }
    }
    parsed
}

/// What was there and is no more.
fn gone(present: Vec<Labels>, mode: Mode, pushed: &[StreamPoints]) -> Vec<Labels> {
    let series: HashSet<&Labels> = pushed.iter().map(|part| &part.stream.labels).collect();
    let names: HashSet<&str> = pushed.iter().map(|part| part.stream.labels.metric()).collect();
    let is_replaced = |labels: &Labels| mode == Mode::Replace || names.contains(labels.metric());
    let is_gone = |labels: &Labels| is_replaced(labels) && !series.contains(labels);
    present.into_iter().filter(|labels| is_gone(labels) && labels.metric() != PUSH_TIME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(path: &str) -> Result<Vec<(String, String)>, String> {
        Group::of_path(path).map(|group| group.labels).map_err(|error| error.to_string())
    }

    #[test]
    fn a_path_names_a_group() {
        let pairs = |pairs: &[(&str, &str)]| {
            Ok(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
        };
        assert_eq!(group("/metrics/job/batch"), pairs(&[("job", "batch")]));
        assert_eq!(group("/metrics/job/a%2Fb/instance/h:1/"), pairs(&[("job", "a/b"), ("instance", "h:1")]));
        assert_eq!(
            group("/metrics/job@base64/L3RtcA==/path@base64/L3Zhcg/empty@base64/="),
            pairs(&[("job", "/tmp"), ("path", "/var"), ("empty", "")])
        );
    }

    #[test]
    fn other_paths_are_refused() {
        let check = |path: &str, part: &str| {
            let error = group(path).unwrap_err();
            assert!(error.contains(part), "{path}: {error}");
        };
        check("/metrics/job/", "label \"job\" has no value");
        check("/metrics/job/a/b", "label \"b\" has no value");
        check("/metrics/instance/a", "begins with its job");
        check("/metrics/job/a/job/b", "given twice");
        check("/metrics/job@base64/!", "no base64");
        check("/metrics/job/%ff", "no percent-encoded");
    }

    #[test]
    fn a_group_is_one_writer_wherever_it_is_pushed_and_however_it_is_spelled() {
        let writer = |path: &str| Group::of_path(path).unwrap().writer;
        assert_eq!(writer("/metrics/job/a/x/1/y/2"), writer("/metrics/job/a/y/2/x/1"));
        assert_ne!(writer("/metrics/job/a"), writer("/metrics/job/b"));
    }

    #[test]
    fn totals_are_added_and_readings_replaced_when_a_push_increments() {
        let group = Group::of_path("/metrics/job/a").unwrap();
        let body =
            "# TYPE n counter\nn_total{job=\"x\"} 2\n# TYPE h histogram\nh_sum 1\n# TYPE g gauge\ng 1\n";
        let text = Text { bytes: body.into(), format: exposition::Format::Text, acks: Acks::Auto };
        let kinds = |mode| -> Vec<_> {
            let streams = read(&group, mode, &text, b"key", 5).streams;
            streams.iter().map(|part| (part.stream.labels.to_string(), part.stream.kind)).collect()
        };
        let names = [r#"n_total{job="a"}"#, r#"h_sum{job="a"}"#, r#"g{job="a"}"#].map(str::to_owned);
        let expected = |kinds: [Kind; 3]| -> Vec<_> { names.clone().into_iter().zip(kinds).collect() };
        assert_eq!(kinds(Mode::Increment), expected([Kind::Delta, Kind::Delta, Kind::Sample]));
        assert_eq!(kinds(Mode::Replace), expected([Kind::Sample; 3]));
    }

    #[test]
    fn what_is_gone_depends_on_the_mode() {
        let labels = |name, path| Labels::new([("__name__", name), ("path", path)]).unwrap();
        let group = Group::of_path("/metrics/job/a").unwrap();
        let present = || vec![labels("a", "1"), labels("a", "2"), labels("b", "1"), group.push_time.clone()];
        let pushed = [group.point(labels("a", "1"), 0, 1.0)];
        assert_eq!(gone(present(), Mode::Replace, &pushed), [labels("a", "2"), labels("b", "1")]);
        assert_eq!(gone(present(), Mode::Update, &pushed), [labels("a", "2")]);
    }
}
