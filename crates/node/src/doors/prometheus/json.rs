//! Answers in Prometheus' JSON: values are texts, times are seconds, written straight into one buffer.

use std::fmt::Write as _;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::Value as Json;
use shoal_proto::header;
use shoal_query::{Answer, LabelSet, Sample, Value, format_value};

/// A successful answer to a query.
pub(super) fn answer(
    answer: Answer,
    warnings: Vec<String>,
    limit: Option<usize>,
    frontier: u128,
) -> Response {
    let Answer { mut value, warnings: said, infos } = answer;
    let mut warnings: Vec<String> = warnings.into_iter().chain(said).collect();
    if limit.is_some_and(|limit| cut(&mut value, limit)) {
        warnings.push("results truncated due to limit".to_owned());
    }
    let mut body = String::from("{\"status\":\"success\",\"data\":");
    put_value(&mut body, &value);
    put_notes(&mut body, "warnings", warnings);
    put_notes(&mut body, "infos", infos.into_iter().collect());
    body.push('}');
    let mut response = ([(CONTENT_TYPE, "application/json")], body).into_response();
    if let Ok(frontier) = format!("{frontier:032x}").parse() {
        response.headers_mut().insert(header::FRONTIER, frontier);
    }
    response
}

/// A successful answer to anything else.
pub(super) fn data(data: &Json, warnings: Vec<String>) -> Response {
    let mut body = format!("{{\"status\":\"success\",\"data\":{data}");
    put_notes(&mut body, "warnings", warnings);
    body.push('}');
    ([(CONTENT_TYPE, "application/json")], body).into_response()
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

fn put_value(body: &mut String, value: &Value) {
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
            body.push_str("{\"resultType\":\"vector\",\"result\":[");
            put_list(body, elements, |body, element| {
                put_metric(body, &element.labels);
                body.push_str(",\"value\":");
                put_sample(body, &element.sample);
                body.push('}');
            });
            body.push(']');
        }
        Value::Matrix(series) => {
            body.push_str("{\"resultType\":\"matrix\",\"result\":[");
            put_list(body, series, |body, one| {
                put_metric(body, &one.labels);
                body.push_str(",\"values\":[");
                put_list(body, &one.samples, put_sample);
                body.push_str("]}");
            });
            body.push(']');
        }
    }
    body.push('}');
}

fn put_list<T>(body: &mut String, items: &[T], put: impl Fn(&mut String, &T)) {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            body.push(',');
        }
        put(body, item);
    }
}

fn put_metric(body: &mut String, labels: &LabelSet) {
    body.push_str("{\"metric\":{");
    let pairs: Vec<(&str, &str)> = labels.iter().collect();
    put_list(body, &pairs, |body, (name, value)| {
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
    body.push_str(&Json::from(text).to_string());
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
