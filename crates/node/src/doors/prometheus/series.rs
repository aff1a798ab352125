//! What there is: series, label names and the values of a label, of all series or of those that fit a selector.

use std::collections::BTreeSet;

use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::{Map, Value as Json};
use shoal_model::Matcher;
use shoal_query::{LabelSet, parse_selector};

use super::params::{BadParam, Params};
use super::{Context, Refusal, json};
use crate::engine::{Snapshot, shown_labels};

/// `/api/v1/series`: the label sets.
pub(super) async fn series(State(context): State<Context>, params: Params) -> Response {
    let found = async {
        if params.text("match[]").is_none() {
            return Err(BadParam::new("match[]", "no match[] parameter provided").into());
        }
        listed(&context, &params, |sets| sets.iter().map(object).collect()).await
    };
    found.await.unwrap_or_else(Refusal::into_response)
}

/// `/api/v1/labels`: the names.
pub(super) async fn labels(State(context): State<Context>, params: Params) -> Response {
    let names = |sets: &BTreeSet<LabelSet>| {
        let names: BTreeSet<&str> = sets.iter().flat_map(|set| set.iter().map(|(name, _)| name)).collect();
        names.into_iter().map(Json::from).collect()
    };
    listed(&context, &params, names).await.unwrap_or_else(Refusal::into_response)
}

/// `/api/v1/label/NAME/values`: the values.
pub(super) async fn label_values(
    State(context): State<Context>,
    Path(name): Path<String>,
    params: Params,
) -> Response {
    let name = unescaped(&name);
    let values = move |sets: &BTreeSet<LabelSet>| {
        let values: BTreeSet<&str> = sets.iter().map(|set| set.value(&name)).collect();
        values.into_iter().filter(|value| !value.is_empty()).map(Json::from).collect()
    };
    listed(&context, &params, values).await.unwrap_or_else(Refusal::into_response)
}

async fn listed(
    context: &Context,
    params: &Params,
    list: impl FnOnce(&BTreeSet<LabelSet>) -> Vec<Json> + Send + 'static,
) -> Result<Response, Refusal> {
    let limit = params.limit()?;
    let selectors = params
        .all("match[]")
        .map(|text| parse_selector(text).map_err(|error| BadParam::new("match[]", error.to_string())))
        .collect::<Result<Vec<Vec<Matcher>>, _>>()?;
    let work = move |snapshot: Snapshot| {
        let all = [Vec::new()];
        let selectors: &[Vec<Matcher>] = if selectors.is_empty() { &all } else { &selectors };
        let found = selectors.iter().flat_map(|matchers| snapshot.view.select(matchers));
        let sets: BTreeSet<LabelSet> = found.map(|one| shown_labels(&one)).collect();
        (list(&sets), snapshot.warnings)
    };
    let (mut items, mut warnings) = context.engine.inspect(work).await?;
    if limit.is_some_and(|limit| items.len() > limit) {
        items.truncate(limit.unwrap_or(items.len()));
        warnings.push("results truncated due to limit".to_owned());
    }
    Ok(json::data(&Json::from(items), warnings))
}

fn object(set: &LabelSet) -> Json {
    Json::Object(set.iter().map(|(name, value)| (name.to_owned(), Json::from(value))).collect::<Map<_, _>>())
}

/// A name as Prometheus' `U__` escaping writes those that are no plain identifiers: `_2e_` is a dot.
fn unescaped(name: &str) -> String {
    let Some(mut rest) = name.strip_prefix("U__") else { return name.to_owned() };
    let mut plain = String::new();
    while let Some(at) = rest.find('_') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('_') {
            plain.push('_');
            rest = after;
            continue;
        }
        let code = rest
            .split_once('_')
            .and_then(|(code, after)| Some((char::from_u32(u32::from_str_radix(code, 16).ok()?)?, after)));
        let Some((c, after)) = code else { return name.to_owned() };
        plain.push(c);
        rest = after;
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_names_are_read() {
        assert_eq!(unescaped("job"), "job");
        assert_eq!(unescaped("U__http_2e_requests__total"), "http.requests_total");
        assert_eq!(unescaped("U__broken_zz_"), "U__broken_zz_");
    }
}
