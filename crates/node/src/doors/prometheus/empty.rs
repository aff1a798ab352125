//! The calls that need no series: formatting, the build, and valid empty answers for what does not exist here
//! (rules, alerts).

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value as Json, json};

use super::params::Params;
use super::{Context, Refusal, json};

/// The version of Prometheus whose API this is: Grafana chooses its calls by it.
const API_VERSION: &str = "3.5.0";

/// `/api/v1/format_query`: the expression, laid out.
pub(super) async fn format_query(params: Params) -> Response {
    parsed(&params, |expr| Json::from(expr.prettify()))
}

/// `/api/v1/parse_query`: the expression as a tree.
pub(super) async fn parse_query(params: Params) -> Response {
    parsed(&params, |expr| serde_json::to_value(expr).unwrap_or(Json::Null))
}

fn parsed(params: &Params, show: impl FnOnce(&shoal_query::Expr) -> Json) -> Response {
    let shown = || {
        let expr = shoal_query::parse(params.required("query")?)?;
        Ok(json::plain(&show(&expr)))
    };
    shown().unwrap_or_else(Refusal::into_response)
}

/// `/api/v1/rules`: there are none.
pub(super) async fn rules() -> Response {
    json::plain(&json!({"groups": []}))
}

/// `/api/v1/alerts`: there are none.
pub(super) async fn alerts() -> Response {
    json::plain(&json!({"alerts": []}))
}

/// `/api/v1/status/config`: a node has none in Prometheus' form.
pub(super) async fn config() -> Response {
    json::plain(&json!({"yaml": ""}))
}

/// `/api/v1/status/flags`: none that a client has to know.
pub(super) async fn flags() -> Response {
    json::plain(&json!({}))
}

/// `/api/v1/status/runtimeinfo`: how long points are kept.
pub(super) async fn runtimeinfo(State(context): State<Context>) -> Response {
    let retention = format!("{}s", context.about.retention.as_secs());
    json::plain(&json!({"storageRetention": retention}))
}

/// `/api/v1/status/buildinfo`.
pub(super) async fn buildinfo() -> Response {
    let info = json!({
        "version": API_VERSION,
        "revision": env!("CARGO_PKG_VERSION"),
        "branch": "shoal",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    });
    json::plain(&info)
}
