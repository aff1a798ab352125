//! The Prometheus HTTP API. Each handler reads its parameters, works on one moment's state on a thread of its
//! own, and answers in Prometheus' form. What a client no longer waits for is given up.

mod annotations;
mod empty;
mod export;
mod federate;
mod json;
mod params;
mod reply;
mod series;
mod targets;

use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use shoal_query::{QueryError, Range};

use super::asking::{Expression, Moment, Terms, Unanswered, When, ask};
use super::{Context, http};
use crate::clock::wall_ms;

use json::Explained;
use params::{BadParam, Params};
use reply::{Form, Reply};

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
        .route("/api/v1/query_exemplars", get(annotations::exemplars).post(annotations::exemplars))
        .route("/api/v1/metadata", get(annotations::metadata))
        .route("/api/v1/rules", get(empty::rules))
        .route("/api/v1/alerts", get(empty::alerts))
        .route("/api/v1/targets", get(targets::targets))
        .route("/api/v1/status/buildinfo", get(empty::buildinfo))
        .route("/api/v1/status/runtimeinfo", get(empty::runtimeinfo))
        .route("/api/v1/status/config", get(empty::config))
        .route("/api/v1/status/flags", get(empty::flags))
        .route("/api/v1/export", get(export::export).post(export::export))
        .route("/federate", get(federate::federate))
}

/// Why a request has no answer.
enum Refusal {
    Param(BadParam),
    Unanswered(Unanswered),
}

impl From<BadParam> for Refusal {
    fn from(bad: BadParam) -> Self {
        Refusal::Param(bad)
    }
}

impl From<QueryError> for Refusal {
    fn from(error: QueryError) -> Self {
        Refusal::Unanswered(error.into())
    }
}

impl From<Unanswered> for Refusal {
    fn from(unanswered: Unanswered) -> Self {
        Refusal::Unanswered(unanswered)
    }
}

impl Refusal {
    fn into_response(self) -> Response {
        let unavailable = |text: &str| http::error(StatusCode::SERVICE_UNAVAILABLE, "unavailable", text);
        match self {
            Refusal::Param(bad) => http::error(StatusCode::BAD_REQUEST, "bad_data", &bad.to_string()),
            Refusal::Unanswered(Unanswered::Read(error)) => unavailable(&error.to_string()),
            Refusal::Unanswered(Unanswered::Busy) => unavailable(&Unanswered::busy()),
            Refusal::Unanswered(Unanswered::Query(error)) => query_error(&error),
        }
    }
}

fn query_error(error: &QueryError) -> Response {
    let status = match error {
        QueryError::BadData(_) => StatusCode::BAD_REQUEST,
        QueryError::Execution(_) => StatusCode::UNPROCESSABLE_ENTITY,
        QueryError::Timeout | QueryError::Canceled => StatusCode::SERVICE_UNAVAILABLE,
        QueryError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let text = match error {
        QueryError::BadData(text) => format!("invalid parameter \"query\": {text}"),
        other => other.to_string(),
    };
    http::error(status, error.kind(), &text)
}

async fn query(State(context): State<Context>, params: Params) -> Response {
    instant(&context, &params).await.unwrap_or_else(Refusal::into_response)
}

async fn query_range(State(context): State<Context>, params: Params) -> Response {
    range(&context, &params).await.unwrap_or_else(Refusal::into_response)
}

async fn instant(context: &Context, params: &Params) -> Result<Response, Refusal> {
    let at_ms = params.time("time")?.unwrap_or_else(wall_ms);
    evaluated(context, params, When::At(at_ms)).await
}

async fn range(context: &Context, params: &Params) -> Result<Response, Refusal> {
    let (start_ms, end_ms) = (params.required_time("start")?, params.required_time("end")?);
    let step_ms = params.duration("step")?.ok_or_else(|| BadParam::missing("step"))?;
    evaluated(context, params, When::Over(Range { start_ms, end_ms, step_ms })).await
}

async fn evaluated(context: &Context, params: &Params, when: When) -> Result<Response, Refusal> {
    let text = params.required("query")?.to_owned();
    let lookback_ms = params.duration("lookback_delta")?;
    let expression = Expression { text, when, lookback_ms };
    let (limit, form) = (params.limit()?, Form::of(params));
    let explains = params.text("explain").is_some_and(|value| !matches!(value, "0" | "false"));
    let work = move |moment: Moment| {
        let began = Instant::now();
        let evaluated = moment.evaluate(&expression)?;
        let explained = explains.then(|| Explained {
            effort: evaluated.effort,
            waited: moment.waited,
            evaluated: began.elapsed(),
        });
        let body = json::answer(evaluated, limit, explained)?;
        Ok(Reply::json(body, &moment.snapshot, form))
    };
    Ok(ask(context, params.terms()?, work).await?.into_response())
}

impl Params {
    /// How long the client waits, and which writes it wants to see.
    fn terms(&self) -> Result<Terms, BadParam> {
        let timeout =
            self.duration("timeout")?.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
        Ok(Terms { timeout, tokens: self.tokens()?, may_be_late: self.may_be_late() })
    }
}
