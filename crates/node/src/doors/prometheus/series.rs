//! What there is: series, label names and the values of a label, of all series or of those that fit a selector and
//! have points in a range of time.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value as Json};
use shoal_model::Matcher;
use shoal_query::{LabelSet, QueryError, parse_selector};

use super::params::{BadParam, Params};
use super::reply::{Form, Reply};
use super::{Context, Moment, Refusal, ask, json};
use crate::engine::shown_labels;

/// Series that are looked up in the indexes in one go.
const BATCH: usize = 4096;

/// What is listed of the series.
enum Listed {
    Series,
    Names,
    Values(String),
}

/// Which series: those that fit any of the selectors, with points in the range.
struct Scope {
    selectors: Vec<Vec<Matcher>>,
    range_ms: Option<RangeInclusive<i64>>,
}

/// `/api/v1/series`: the label sets.
pub(super) async fn series(State(context): State<Context>, params: Params) -> Response {
    if params.text("match[]").is_none() {
        let bad = BadParam::new("match[]", "no match[] parameter provided");
        return Refusal::from(bad).into_response();
    }
    listed(&context, &params, Listed::Series).await.unwrap_or_else(Refusal::into_response)
}

/// `/api/v1/labels`: the names.
pub(super) async fn labels(State(context): State<Context>, params: Params) -> Response {
    listed(&context, &params, Listed::Names).await.unwrap_or_else(Refusal::into_response)
}

/// `/api/v1/label/NAME/values`: the values.
pub(super) async fn label_values(
    State(context): State<Context>,
    Path(name): Path<String>,
    params: Params,
) -> Response {
    let listing = Listed::Values(unescaped(&name));
    listed(&context, &params, listing).await.unwrap_or_else(Refusal::into_response)
}

async fn listed(context: &Context, params: &Params, what: Listed) -> Result<Response, Refusal> {
    let (limit, form, scope) = (params.limit()?, Form::of(params), Scope::of(params)?);
    let work = move |moment: Moment| {
        let mut items = scope.items(&moment, &what)?;
        let mut warnings = moment.snapshot.warnings.clone();
        if let Some(limit) = limit.filter(|limit| items.len() > *limit) {
            items.truncate(limit);
            warnings.push("results truncated due to limit".to_owned());
        }
        Ok(Reply::json(json::data(&Json::from(items), warnings), &moment.snapshot, form))
    };
    Ok(ask(context, params.terms()?, work).await?.into_response())
}

/// The selectors of a request; each has to fit something.
pub(super) fn selectors(params: &Params) -> Result<Vec<Vec<Matcher>>, BadParam> {
    let selector = |text| parse_selector(text).map_err(|error| BadParam::new("match[]", error.to_string()));
    params.all("match[]").map(selector).collect()
}

impl Scope {
    fn of(params: &Params) -> Result<Self, BadParam> {
        let range_ms = match (params.time("start")?, params.time("end")?) {
            (None, None) => None,
            (start, end) => Some(start.unwrap_or(i64::MIN)..=end.unwrap_or(i64::MAX)),
        };
        if range_ms.as_ref().is_some_and(RangeInclusive::is_empty) {
            return Err(BadParam::new("end", "end timestamp must not be before start time"));
        }
        let selectors = selectors(params)?;
        Ok(Self { selectors: if selectors.is_empty() { vec![Vec::new()] } else { selectors }, range_ms })
    }

    fn items(&self, moment: &Moment, what: &Listed) -> Result<Vec<Json>, QueryError> {
        let view = &moment.snapshot.view;
        let texts = |texts: Vec<String>| texts.into_iter().map(Json::from).collect();
        // Without a range the catalogue knows the answer.
        if let ([matchers], None) = (self.selectors.as_slice(), &self.range_ms) {
            match what {
                Listed::Names => return Ok(texts(view.label_names(matchers))),
                Listed::Values(name) => return Ok(texts(view.label_values(name, matchers))),
                Listed::Series => {}
            }
        }
        let sets = self.label_sets(moment)?;
        Ok(match what {
            Listed::Series => sets.iter().map(object).collect(),
            Listed::Names => {
                let names: BTreeSet<&str> =
                    sets.iter().flat_map(LabelSet::iter).map(|(name, _)| name).collect();
                names.into_iter().map(Json::from).collect()
            }
            Listed::Values(name) => {
                let values: BTreeSet<&str> = sets.iter().map(|set| set.value(name)).collect();
                values.into_iter().filter(|value| !value.is_empty()).map(Json::from).collect()
            }
        })
    }

    fn label_sets(&self, moment: &Moment) -> Result<BTreeSet<LabelSet>, QueryError> {
        let view = &moment.snapshot.view;
        let mut sets = BTreeSet::new();
        for matchers in &self.selectors {
            let found = view.select(matchers);
            for batch in found.chunks(BATCH) {
                moment.check()?;
                let present = match &self.range_ms {
                    Some(range_ms) => view.present(batch, range_ms.clone()),
                    None => vec![true; batch.len()],
                };
                let present = batch.iter().zip(present).filter(|(_, is_present)| *is_present);
                sets.extend(present.map(|(series, _)| shown_labels(series)));
            }
        }
        Ok(sets)
    }
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
