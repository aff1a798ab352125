//! What a dashboard asks of the load's series, and what an answer costs.

use std::time::Instant;

use axum::http::Uri;
use serde_json::Value as Json;

use super::load::Span;
use super::meter::Meter;
use super::wire::Wire;
use super::{BenchError, line};

/// A name, the path below `/api/v1/`, and a query.
const QUESTIONS: [(&str, &str, &str); 5] = [
    ("one series", "query", r#"bench_queue_depth{instance="10.0.0.7:9090"}"#),
    ("sum(rate) by job", "query", "sum by (job) (rate(bench_http_requests_total[5m]))"),
    ("range sum(rate) by region", "query_range", "sum by (region) (rate(bench_http_requests_total[5m]))"),
    ("range topk avg", "query_range", "topk(5, avg by (job) (bench_queue_depth))"),
    ("label values", "label/job/values", ""),
];

/// Asks every question `repeat` times.
pub(super) async fn run(
    wire: &Wire,
    base: &Uri,
    span: Span,
    repeat: usize,
    meter: &Meter,
    report: &mut String,
) -> Result<(), BenchError> {
    let (from, to) = (span.from_ms / 1_000, span.to_ms / 1_000);
    for (name, path, query) in QUESTIONS {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        match path {
            "query" => pairs.append_pair("query", query).append_pair("time", &to.to_string()),
            "query_range" => pairs
                .append_pair("query", query)
                .append_pair("start", &from.to_string())
                .append_pair("end", &to.to_string())
                .append_pair("step", "15"),
            _ => &mut pairs,
        };
        let url = address(base, &format!("/api/v1/{path}?{}", pairs.finish()))?;
        let before = meter.read()?;
        let (mut millis, mut bytes) = (Vec::with_capacity(repeat), 0);
        for _ in 0..repeat {
            let began = Instant::now();
            bytes = wire.get(&url).await?.len();
            millis.push(began.elapsed().as_secs_f64() * 1_000.0);
        }
        let cpu = (meter.read()?.cpu_seconds - before.cpu_seconds) * 1_000.0 / repeat as f64;
        millis.sort_by(f64::total_cmp);
        let median = millis.get(millis.len() / 2).copied().unwrap_or_default();
        let cpu = if meter.has_processes() { format!(" cpu_ms {cpu:.1}") } else { String::new() };
        line(report, format_args!("query {name:?}: median_ms {median:.1}{cpu} bytes {bytes}"));
    }
    Ok(())
}

/// The one value that a query has now.
pub(super) async fn value(wire: &Wire, base: &Uri, query: &str) -> Result<f64, BenchError> {
    let pairs = form_urlencoded::Serializer::new(String::new()).append_pair("query", query).finish();
    let url = address(base, &format!("/api/v1/query?{pairs}"))?;
    let answer: Json = serde_json::from_slice(&wire.get(&url).await?).unwrap_or_default();
    let value = answer["data"]["result"][0]["value"][1].as_str().and_then(|text| text.parse().ok());
    value.ok_or_else(|| BenchError::Server(url, "no value".to_owned()))
}

fn address(base: &Uri, path: &str) -> Result<Uri, BenchError> {
    let text = format!("{}{path}", base.to_string().trim_end_matches('/'));
    text.parse().map_err(|_| BenchError::Address(base.clone()))
}
