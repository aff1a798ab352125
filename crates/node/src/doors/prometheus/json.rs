//! Answers in Prometheus' JSON: values are texts, times are seconds, written straight into one buffer.

use std::fmt::Write as _;
use std::time::Duration;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};
use shoal_query::{Answer, LabelSet, QueryError, Sample, Value, format_value};

use super::super::asking::Evaluated;
use crate::engine::Effort;

/// Bytes of one answer: more than any dashboard draws, and a node does not fall over it.
const BODY_BYTES_MAX: usize = 256 * 1024 * 1024;

/// What a query took, by phase.
pub(super) struct Explained {
    pub effort: Effort,
    /// For its turn, and for the writes that it names.
    pub waited: Duration,
    /// With selecting and reading.
    pub evaluated: Duration,
}

/// A successful answer to a query.
pub(super) fn answer(
    evaluated: Evaluated,
    limit: Option<usize>,
    explained: Option<Explained>,
) -> Result<String, QueryError> {
    let Evaluated { answer: Answer { mut value, warnings: said, infos }, warnings, effort: _ } = evaluated;
    let mut warnings: Vec<String> = warnings.into_iter().chain(said).collect();
    if limit.is_some_and(|limit| cut(&mut value, limit)) {
        warnings.push("results truncated due to limit".to_owned());
    }
    let mut body = String::from("{\"status\":\"success\",\"data\":");
    put_value(&mut body, &value)?;
    put_notes(&mut body, "warnings", warnings);
    put_notes(&mut body, "infos", infos.into_iter().collect());
    if let Some(explained) = explained {
        let _ = write!(body, ",\"explain\":{}", explanation(&explained));
    }
    body.push('}');
    Ok(body)
}

/// A successful answer to anything else.
pub(super) fn data(data: &Json, warnings: Vec<String>) -> String {
    let mut body = format!("{{\"status\":\"success\",\"data\":{data}");
    put_notes(&mut body, "warnings", warnings);
    body.push('}');
    body
}

/// The same as a response that no moment's state went into.
pub(super) fn plain(item: &Json) -> Response {
    ([(CONTENT_TYPE, "application/json")], data(item, Vec::new())).into_response()
}

fn explanation(explained: &Explained) -> Json {
    let Explained { effort, waited, evaluated } = explained;
    let Effort { series, points, selecting, reading } = effort;
    let millis = |phase: &Duration| phase.as_secs_f64() * 1000.0;
    json!({
        "series": series,
        "points": points,
        "wait_ms": millis(waited),
        "select_ms": millis(selecting),
        "read_thread_ms": millis(reading),
        "evaluate_ms": millis(evaluated),
    })
}

fn cut(value: &mut Value, limit: usize) -> bool {
    let is_cut = match value {
        Value::Vector(elements) => elements.len() > limit,
        Value::Matrix(series) => series.len() > limit,
        Value::Scalar(_) | Value::String { .. } => false,
    };
    match value {
        Value::Vector(elements) => elements.truncate(limit),
        Value::Matrix(series) => series.truncate(limit),
        Value::Scalar(_) | Value::String { .. } => {}
    }
    is_cut
}

fn put_value(body: &mut String, value: &Value) -> Result<(), QueryError> {
    match value {
        Value::Scalar(sample) => {
            body.push_str("{\"resultType\":\"scalar\",\"result\":");
            put_sample(body, sample);
        }
        Value::String { t_ms, text } => {
            body.push_str("{\"resultType\":\"string\",\"result\":[");
            put_time(body, *t_ms);
            body.push(',');
            put_text(body, text);
            body.push(']');
        }
        Value::Vector(elements) => {
            body.push_str("{\"resultType\":\"vector\",\"result\":");
            put_series(body, elements, |body, element| {
                put_metric(body, &element.labels);
                body.push_str(",\"value\":");
                put_sample(body, &element.sample);
            })?;
        }
        Value::Matrix(series) => {
            body.push_str("{\"resultType\":\"matrix\",\"result\":");
            put_series(body, series, |body, one| {
                put_metric(body, &one.labels);
                body.push_str(",\"values\":[");
                put_list(body, one.samples.iter(), put_sample);
                body.push(']');
            })?;
        }
    }
    body.push('}');
    Ok(())
}

/// Objects of one series each, as long as the body is not too long.
fn put_series<T>(body: &mut String, items: &[T], put: impl Fn(&mut String, &T)) -> Result<(), QueryError> {
    body.push('[');
    for (at, item) in items.iter().enumerate() {
        body.push_str(if at > 0 { ",{" } else { "{" });
        put(body, item);
        body.push('}');
        if body.len() > BODY_BYTES_MAX {
            return Err(QueryError::Execution(format!(
                "the answer is longer than {BODY_BYTES_MAX} bytes: ask for fewer series, or a longer step"
            )));
        }
    }
    body.push(']');
    Ok(())
}

fn put_list<T>(body: &mut String, items: impl Iterator<Item = T>, put: impl Fn(&mut String, T)) {
    for (at, item) in items.enumerate() {
        if at > 0 {
            body.push(',');
        }
        put(body, item);
    }
}

fn put_metric(body: &mut String, labels: &LabelSet) {
    body.push_str("\"metric\":{");
    put_list(body, labels.iter(), |body, (name, value)| {
        put_text(body, name);
        body.push(':');
        put_text(body, value);
    });
    body.push('}');
}

fn put_sample(body: &mut String, sample: &Sample) {
    body.push('[');
    put_time(body, sample.t_ms);
    // Writing to a text cannot fail.
    let _ = write!(body, ",\"{}\"]", shown(sample.v));
}

fn put_time(body: &mut String, t_ms: i64) {
    let (seconds, ms) = (t_ms / 1000, t_ms % 1000);
    let sign = if t_ms < 0 { "-" } else { "" };
    let _ = write!(body, "{sign}{}", seconds.unsigned_abs());
    if ms != 0 {
        let _ = write!(body, ".{:03}", ms.unsigned_abs());
    }
}

/// Digits as Prometheus' API writes them: with an exponent where it is very large or small.
fn shown(value: f64) -> String {
    let size = value.abs();
    if value.is_finite() && size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or_default();
        return format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs());
    }
    format_value(value)
}

fn put_text(body: &mut String, text: &str) {
    let is_plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    if text.bytes().all(is_plain) {
        body.push('"');
        body.push_str(text);
        body.push('"');
    } else {
        body.push_str(&Json::from(text).to_string());
    }
}

fn put_notes(body: &mut String, name: &str, notes: Vec<String>) {
    if !notes.is_empty() {
        let _ = write!(body, ",\"{name}\":{}", Json::from(notes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_prometheus_writes_them() {
        let check = |value: f64, expected: &str| assert_eq!(shown(value), expected);
        check(1.0, "1");
        check(-0.5, "-0.5");
        check(1e21, "1e+21");
        check(1.5e-7, "1.5e-07");
        check(f64::INFINITY, "+Inf");
        check(f64::NAN, "NaN");
    }

    #[test]
    fn times_are_seconds() {
        let check = |t_ms: i64, expected: &str| {
            let mut body = String::new();
            put_sample(&mut body, &Sample { t_ms, v: 1.0 });
            assert_eq!(body, expected);
        };
        check(1_435_781_451_781, "[1435781451.781,\"1\"]");
        check(60_000, "[60,\"1\"]");
        check(-1_500, "[-1.500,\"1\"]");
        check(-5, "[-0.005,\"1\"]");
    }
}
