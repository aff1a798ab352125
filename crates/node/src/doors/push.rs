//! What short jobs push before they end, as Pushgateway's clients do it, to any node. A [*group*](group) is named by
//! its labels; what a push replaces is found among the series of its writers and no one else's. What was pushed is
//! [repeated](repeat) until it is replaced, ended, or a week old.
//!
//! | request | what it does |
//! |---|---|
//! | `PUT /metrics/job/J{/LABEL/VALUE}`, `import?mode=replace&job=J…` | the group is now what the text says; the rest of it ends |
//! | `POST /metrics/job/J…` | the same for the metrics that the text names |
//! | `DELETE /metrics/job/J…` | all of the group ends |
//! | `import?mode=increment&job=J…` | counters add to the cluster's totals, the rest is replaced |

mod group;
mod repeat;

use std::collections::HashSet;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use shoal_model::time::delta_time;
use shoal_model::{Kind, Labels, StreamPoints, is_stale, stale};
use shoal_proto::header;
use shoal_replication::Acks;

use super::import::{Text, store};
use super::{Context, Door, http};
use crate::clock::wall_ms;
use crate::engine::{ReadError, Snapshot};
use crate::exposition::{self, Parsed, Sample};
use group::{BadGroup, Group, PUSH_TIME};
pub use repeat::repeat;

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
        Err(error) => return bad_group(&context, &error),
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
        Err(error) => bad_group(&context, &error),
    }
}

fn bad_group(context: &Context, error: &BadGroup) -> Response {
    context.refusals.refuse(Door::Import, "group", 1);
    http::error(StatusCode::BAD_REQUEST, "bad_data", &error.to_string())
}

async fn push(context: &Context, group: &Group, mode: Mode, headers: &HeaderMap, body: Bytes) -> Response {
    let text = match Text::of_request(headers, body) {
        Ok(text) => text,
        Err(bad) => return bad.answer(context),
    };
    let drawn: [u8; 16] = rand::random();
    let key = headers.get(header::IDEMPOTENCY_KEY).map_or(&drawn[..], |key| key.as_bytes());
    let now_ms = wall_ms();
    let mut parsed = read(group, mode, &text, key, now_ms);
    // A text that is broken somewhere does not say what is gone.
    if parsed.refused_total == 0 {
        let present = match present(context, group, now_ms).await {
            Ok(present) => present,
            Err(error) => return unavailable(&error),
        };
        let gone = gone(present, mode, &parsed.streams);
        parsed.streams.extend(gone.iter().flat_map(|labels| ended(group, labels, now_ms)));
        let seconds = now_ms as f64 / 1_000.0;
        parsed.streams.push(group.point(group.pusher, group.push_time.clone(), now_ms, seconds));
    }
    store(context, parsed, text.acks).await
}

/// Ends all of a group.
async fn end(context: &Context, group: &Group) -> Response {
    let now_ms = wall_ms();
    let present = match present(context, group, now_ms).await {
        Ok(present) => present,
        Err(error) => return unavailable(&error),
    };
    let streams = present.iter().flat_map(|labels| ended(group, labels, now_ms)).collect();
    store(context, Parsed { streams, ..Parsed::default() }, Acks::Auto).await
}

/// The group's series that have not ended.
async fn present(context: &Context, group: &Group, now_ms: i64) -> Result<Vec<Labels>, ReadError> {
    let group = group.clone();
    let look = move |snapshot: Snapshot| {
        let series = group.series(&snapshot.view, now_ms).into_iter();
        let present = series.filter(|one| one.newest().is_some_and(|point| !is_stale(point.value)));
        present.map(|one| one.labels).collect()
    };
    context.engine.inspect(look).await
}

/// The end of a series, by both of the group's writers.
fn ended(group: &Group, labels: &Labels, now_ms: i64) -> [StreamPoints; 2] {
    [group.pusher, group.repeater].map(|writer| group.point(writer, labels.clone(), now_ms, stale()))
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
    let mut parsed = exposition::parse(text.exposed(now_ms), &mut shape);
    for part in &mut parsed.streams {
        part.stream.writer = group.pusher;
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
        let pushed = [group.point(group.pusher, labels("a", "1"), 0, 1.0)];
        assert_eq!(gone(present(), Mode::Replace, &pushed), [labels("a", "2"), labels("b", "1")]);
        assert_eq!(gone(present(), Mode::Update, &pushed), [labels("a", "2")]);
    }
}
