//! The Prometheus HTTP API. Each handler reads its parameters, works on one moment's state on a thread of its
//! own, and answers in Prometheus' form. What a client no longer waits for is given up.

mod empty;
mod json;
mod params;
mod series;
mod targets;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use shoal_query::{Answer, Options, QueryError, Range, Stop, evaluate_instant, evaluate_range};

use super::{Context, http, wall_ms};
use crate::engine::{Lensed, ReadError, Snapshot};

use params::{BadParam, Params};

/// How long a query may take that names no `timeout`, as in Prometheus.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The routes of the API.
pub(super) fn routes() -> Router<Context> {
    Router::new()
        .route("/api/v1/query", get(query).post(query))
        .route("/api/v1/query_range", get(query_range).post(query_range))
        .route("/api/v1/series", get(series::series).post(series::series))
        .route("/api/v1/labels", get(series::labels).post(series::labels))
        .route("/api/v1/label/{name}/values", get(series::label_values))
        .route("/api/v1/format_query", get(empty::format_query).post(empty::format_query))
        .route("/api/v1/parse_query", get(empty::parse_query).post(empty::parse_query))
        .route("/api/v1/query_exemplars", get(empty::exemplars).post(empty::exemplars))
        .route("/api/v1/metadata", get(empty::metadata))
        .route("/api/v1/rules", get(empty::rules))
        .route("/api/v1/alerts", get(empty::alerts))
        .route("/api/v1/targets", get(targets::targets))
        .route("/api/v1/status/buildinfo", get(empty::buildinfo))
}

/// Why a request has no answer.
enum Refusal {
    Param(BadParam),
    Query(QueryError),
    Read(ReadError),
}

impl From<BadParam> for Refusal {
    fn from(bad: BadParam) -> Self {
        Refusal::Param(bad)
    }
}

impl From<QueryError> for Refusal {
    fn from(error: QueryError) -> Self {
        Refusal::Query(error)
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        Refusal::Read(error)
    }
}

impl Refusal {
    fn into_response(self) -> Response {
        match self {
            Refusal::Param(bad) => http::error(StatusCode::BAD_REQUEST, "bad_data", &bad.to_string()),
            Refusal::Read(error) => {
                http::error(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &error.to_string())
            }
            Refusal::Query(error) => {
                let status = match &error {
                    QueryError::BadData(_) => StatusCode::BAD_REQUEST,
                    QueryError::Execution(_) => StatusCode::UNPROCESSABLE_ENTITY,
                    QueryError::Timeout | QueryError::Canceled => StatusCode::SERVICE_UNAVAILABLE,
                    QueryError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
                };
                let text = match &error {
                    QueryError::BadData(text) => format!("invalid parameter \"query\": {text}"),
                    other => other.to_string(),
                };
                http::error(status, error.kind(), &text)
            }
        }
    }
}

async fn query(State(context): State<Context>, params: Params) -> Response {
    instant(&context, &params).await.unwrap_or_else(Refusal::into_response)
}

async fn query_range(State(context): State<Context>, params: Params) -> Response {
    range(&context, &params).await.unwrap_or_else(Refusal::into_response)
}

async fn instant(context: &Context, params: &Params) -> Result<Response, Refusal> {
    let text = params.required("query")?.to_owned();
    let at_ms = params.time("time")?.unwrap_or_else(wall_ms);
    evaluate(context, params, move |source, options| evaluate_instant(source, &text, at_ms, options)).await
}

async fn range(context: &Context, params: &Params) -> Result<Response, Refusal> {
    let text = params.required("query")?.to_owned();
    let (start_ms, end_ms) = (params.required_time("start")?, params.required_time("end")?);
    let step_ms = params.duration("step")?.ok_or_else(|| BadParam::missing("step"))?;
    let range = Range { start_ms, end_ms, step_ms };
    evaluate(context, params, move |source, options| evaluate_range(source, &text, range, options)).await
}

async fn evaluate(
    context: &Context,
    params: &Params,
    ask: impl FnOnce(&Lensed<'_>, Options<'_>) -> Result<Answer, QueryError> + Send + 'static,
) -> Result<Response, Refusal> {
    let limit = params.limit()?;
    let lookback_ms = params.duration("lookback_delta")?;
    let timeout = params.duration("timeout")?.map_or(TIMEOUT, |ms| Duration::from_millis(ms.unsigned_abs()));
    let deadline = Instant::now() + timeout.min(TIMEOUT);
    let gone = Arc::new(AtomicBool::new(false));
    let _waiting = Waiting(Arc::clone(&gone));
    let work = move |snapshot: Snapshot| {
        let stop = || match (gone.load(Ordering::Relaxed), Instant::now() >= deadline) {
            (true, _) => Some(Stop::Canceled),
            (false, true) => Some(Stop::Timeout),
            (false, false) => None,
        };
        let mut options = Options { stop: &stop, ..Options::default() };
        options.lookback_ms = lookback_ms.unwrap_or(options.lookback_ms);
        let answer = ask(&Lensed(&snapshot.view), options)?;
        Ok(json::answer(answer, snapshot.warnings, limit, snapshot.frontier))
    };
    context.engine.inspect(work).await?.map_err(Refusal::Query)
}

/// Tells the evaluation when nobody waits for it any more.
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
