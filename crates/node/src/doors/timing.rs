//! What requests take and how they end, by door: measured around all of them, until the head of the answer is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use tonic::Code;

use super::access;
use crate::figures::{Figure, FigureKind, Histogram, MOMENTS};

/// The doors by which requests come, and what their paths begin with; the first that fits counts.
const DOORS: [(&str, &[&str]); 7] = [
    ("remote_write", &["/api/v1/write"]),
    ("otlp", &["/v1/metrics", "/api/v1/otlp/", "/opentelemetry."]),
    ("import", &["/api/v1/import/", "/metrics/job"]),
    ("grpc_write", &["/shoal.v1.Ingest/"]),
    ("grpc_query", &["/shoal.v1.Query/"]),
    // What tells how the node fares is not asked as often as it is polled.
    (
        "status",
        &["/api/v1/cluster", "/api/v1/status/", "/api/v1/targets", "/metrics", "/-/", "/shoal.v1.Cluster/"],
    ),
    ("query", &["/api/v1/", "/federate"]),
];
/// Whatever else: the page, health and reflection by gRPC, paths that are none.
const OTHER: &str = "other";
const OUTCOMES: [&str; 3] = ["answered", "refused", "failed"];

/// Times and outcomes since the start.
#[derive(Debug)]
pub struct Timing {
    doors: Vec<Door>,
}

#[derive(Debug)]
struct Door {
    word: &'static str,
    took: Histogram,
    outcomes: [AtomicU64; 3],
}

impl Default for Timing {
    fn default() -> Self {
        let words = DOORS.iter().map(|(word, _)| *word).chain([OTHER]);
        let door = |word| Door { word, took: Histogram::new(MOMENTS), outcomes: Default::default() };
        Self { doors: words.map(door).collect() }
    }
}

impl Timing {
    /// All of it.
    pub(super) fn figures(&self) -> Vec<Figure> {
        const TOOK: &str = "What requests took until their answer began, by door.";
        const ENDED: &str =
            "Requests by door and outcome: answered, refused as the client's fault, failed as ours.";
        let mut figures = Vec::new();
        for door in &self.doors {
            let label = ("door", door.word.to_owned());
            figures.extend(door.took.figures(
                "shoal_request_duration_seconds",
                TOOK,
                std::slice::from_ref(&label),
            ));
            figures.extend(OUTCOMES.iter().zip(&door.outcomes).map(|(outcome, count)| Figure {
                family: "shoal_requests_total",
                suffix: "",
                kind: FigureKind::Counter,
                help: ENDED,
                labels: vec![label.clone(), ("outcome", (*outcome).to_owned())],
                value: count.load(Ordering::Relaxed) as f64,
            }));
        }
        figures
    }
}

/// Lets a request pass and notes what became of it.
pub(super) async fn measure(State(timing): State<Arc<Timing>>, request: Request, next: Next) -> Response {
    let (place, began) = (door_of(request.uri().path()), Instant::now());
    let is_grpc = access::is_grpc(request.headers());
    let response = next.run(request).await;
    if let Some(door) = timing.doors.get(place) {
        door.took.add(began.elapsed());
        let outcome = outcome(response.status(), if is_grpc { Some(response.headers()) } else { None });
        door.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }
    response
}

fn door_of(path: &str) -> usize {
    let fits = |(_, begins): &(&str, &[&str])| begins.iter().any(|begin| path.starts_with(begin));
    DOORS.iter().position(fits).unwrap_or(DOORS.len())
}

/// In the order of the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Answered,
    Refused,
    Failed,
}

/// A gRPC call that ends with an error at once says so in its head.
fn outcome(status: StatusCode, grpc: Option<&HeaderMap>) -> Outcome {
    let code =
        grpc.and_then(|headers| headers.get("grpc-status")).map(|code| Code::from_bytes(code.as_bytes()));
    match code {
        None if status.is_server_error() => Outcome::Failed,
        None if status.is_client_error() => Outcome::Refused,
        None | Some(Code::Ok) => Outcome::Answered,
        Some(
            Code::Unavailable | Code::Internal | Code::Unknown | Code::DataLoss | Code::DeadlineExceeded,
        ) => Outcome::Failed,
        Some(_) => Outcome::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_its_door() {
        let check = |path: &str, expected: &str| {
            let word = DOORS.get(door_of(path)).map_or(OTHER, |(word, _)| word);
            assert_eq!(word, expected, "{path}");
        };
        check("/api/v1/write", "remote_write");
        check("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", "otlp");
        check("/api/v1/import/prometheus", "import");
        check("/metrics/job/x", "import");
        check("/metrics", "status");
        check("/api/v1/query_range", "query");
        check("/shoal.v1.Query/Watch", "grpc_query");
        check("/", "other");
    }

    #[test]
    fn errors_of_grpc_are_told_from_answers() {
        let head =
            |code: &str| HeaderMap::from_iter([("grpc-status".parse().unwrap(), code.parse().unwrap())]);
        assert_eq!(outcome(StatusCode::OK, Some(&head("14"))), Outcome::Failed);
        assert_eq!(outcome(StatusCode::OK, Some(&head("3"))), Outcome::Refused);
        assert_eq!(outcome(StatusCode::OK, Some(&HeaderMap::new())), Outcome::Answered);
        assert_eq!(outcome(StatusCode::SERVICE_UNAVAILABLE, None), Outcome::Failed);
        assert_eq!(outcome(StatusCode::TOO_MANY_REQUESTS, None), Outcome::Refused);
    }
}
