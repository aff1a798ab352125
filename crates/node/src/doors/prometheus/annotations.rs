//! What is told beside points: what metrics mean, and exemplars of the series that a query selects.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value as Json, json};
use shoal_model::{Matcher, SeriesId};
use shoal_query::format_value;
use shoal_store::{Annotations, Description, Exemplar};

use super::super::asking::Unanswered;
use super::params::{BadParam, Params};
use super::{Context, Refusal, json};
use crate::engine::Snapshot;

/// The types of metrics, as remote write numbers them.
const TYPES: [&str; 8] =
    ["unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset"];

/// `/api/v1/metadata`.
pub(super) async fn metadata(State(context): State<Context>, params: Params) -> Response {
    let found = async {
        let metric = params.text("metric").filter(|metric| !metric.is_empty()).map(str::to_owned);
        let limit = params.limit()?.unwrap_or(usize::MAX);
        let per_metric = match params.text("limit_per_metric").map(str::parse) {
            None | Some(Ok(0)) => usize::MAX,
            Some(Ok(limit)) => limit,
            Some(Err(_)) => return Err(BadParam::new("limit_per_metric", "a number is wanted").into()),
        };
        let work = move |snapshot: Snapshot| {
            let annotations = snapshot.view.annotations();
            let families =
                annotations.families().filter(|(name, _)| metric.as_ref().is_none_or(|m| m == name));
            let shown = families.take(limit).map(|(name, descriptions)| {
                let descriptions = descriptions.into_iter().take(per_metric).map(description);
                (name.to_owned(), descriptions.collect::<Json>())
            });
            Json::Object(shown.collect())
        };
        Ok(json::plain(&context.engine.inspect(work).await.map_err(Unanswered::from)?))
    };
    found.await.unwrap_or_else(Refusal::into_response)
}

fn description(description: &Description) -> Json {
    let Description { kind, help, unit } = description;
    json!({"type": TYPES.get(usize::from(*kind)).unwrap_or(&TYPES[0]), "help": help, "unit": unit})
}

/// `/api/v1/query_exemplars`.
pub(super) async fn exemplars(State(context): State<Context>, params: Params) -> Response {
    let found = async {
        let expr = shoal_query::parse(params.required("query")?)?;
        let selectors = shoal_query::selectors_of(&expr);
        let selectors = selectors.map_err(|error| BadParam::new("query", error.to_string()))?;
        let from = params.time("start")?.unwrap_or(i64::MIN);
        let to = params.time("end")?.unwrap_or(i64::MAX);
        let work = move |snapshot: Snapshot| selected(&snapshot, &selectors, from..=to);
        let shown = context.engine.inspect(work).await.map_err(Unanswered::from)?;
        Ok(json::plain(&shown))
    };
    found.await.unwrap_or_else(Refusal::into_response)
}

fn selected(snapshot: &Snapshot, selectors: &[Vec<Matcher>], millis: std::ops::RangeInclusive<i64>) -> Json {
    let by_series = by_series(&snapshot.view.annotations(), millis);
    if by_series.is_empty() {
        return json!([]);
    }
    let mut shown = BTreeMap::new();
    for series in selectors.iter().flat_map(|matchers| snapshot.view.select(matchers)) {
        if let Some(exemplars) = by_series.get(&series.labels.series_id()) {
            let labels: Map<_, _> =
                series.labels.iter().map(|(name, value)| (name.to_owned(), Json::from(value))).collect();
            shown.insert(series.labels, json!({"seriesLabels": labels, "exemplars": exemplars}));
        }
    }
    shown.into_values().collect()
}

fn by_series(
    annotations: &Annotations,
    millis: std::ops::RangeInclusive<i64>,
) -> BTreeMap<SeriesId, Vec<Json>> {
    let mut found: BTreeMap<SeriesId, Vec<Json>> = BTreeMap::new();
    for exemplar in annotations.exemplars().filter(|one| millis.contains(&one.time_ms)) {
        found.entry(exemplar.series).or_default().push(example(exemplar));
    }
    found
}

fn example(exemplar: &Exemplar) -> Json {
    let Exemplar { time_ms, series: _, value_bits, labels } = exemplar;
    let labels: Map<_, _> =
        labels.iter().map(|(name, value)| (name.clone(), Json::from(value.as_str()))).collect();
    let value = format_value(f64::from_bits(*value_bits));
    json!({"labels": labels, "value": value, "timestamp": *time_ms as f64 / 1_000.0})
}
