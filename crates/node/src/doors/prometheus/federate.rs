//! `/federate`: the last sample of every series that fits a selector, as text, for a Prometheus that scrapes it.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use shoal_model::{Matcher, is_stale};
use shoal_query::{LabelSet, Options, QueryError, Sample, SeriesSource};

use super::params::{BadParam, Params};
use super::reply::{Form, Reply};
use super::{Context, Moment, Refusal, ask, series};
use crate::clock::wall_ms;
use crate::engine::Lensed;
use crate::exposition::write_sample;

/// Series that are read in one go.
const BATCH: usize = 64;
/// The label that names a metric.
const NAME: &str = "__name__";

/// The door.
pub(super) async fn federate(State(context): State<Context>, params: Params) -> Response {
    federated(&context, &params).await.unwrap_or_else(Refusal::into_response)
}

async fn federated(context: &Context, params: &Params) -> Result<Response, Refusal> {
    let (selectors, form) = (series::selectors(params)?, Form::of(params));
    if selectors.is_empty() {
        return Err(BadParam::new("match[]", "no match[] parameter provided").into());
    }
    let lookback_ms = params.duration("lookback_delta")?.unwrap_or(Options::default().lookback_ms);
    let work = move |moment: Moment| {
        let samples = last_samples(&moment, &selectors, lookback_ms)?;
        Ok(Reply::exposition(text(&samples), &moment.snapshot, form))
    };
    Ok(ask(context, params.terms()?, work).await?.into_response())
}

/// The newest sample of each series that has one within the lookback, unless it is a stale marker.
fn last_samples(
    moment: &Moment,
    selectors: &[Vec<Matcher>],
    lookback_ms: i64,
) -> Result<BTreeMap<LabelSet, Sample>, QueryError> {
    let source = Lensed::new(&moment.snapshot.view);
    let now_ms = wall_ms();
    let mut last = BTreeMap::new();
    for matchers in selectors {
        let selection =
            source.select(matchers, now_ms.saturating_sub(lookback_ms).saturating_add(1)..=now_ms)?;
        for first in (0..selection.count()).step_by(BATCH) {
            moment.check()?;
            selection.read(first..(first + BATCH).min(selection.count()), &mut |number, samples| {
                if let Some(sample) = samples.last().filter(|sample| !is_stale(sample.v)) {
                    last.insert(selection.labels(number), *sample);
                }
            })?;
        }
    }
    Ok(last)
}

/// By metric, because a family's lines have to stand together.
fn text(samples: &BTreeMap<LabelSet, Sample>) -> String {
    let mut families: BTreeMap<&str, Vec<(&LabelSet, &Sample)>> = BTreeMap::new();
    for (labels, sample) in samples {
        families.entry(labels.value(NAME)).or_default().push((labels, sample));
    }
    let mut text = String::new();
    for (name, samples) in families {
        for (at, (labels, sample)) in samples.into_iter().enumerate() {
            let others: Vec<(&str, &str)> = labels.iter().filter(|(label, _)| *label != NAME).collect();
            let is_first = at == 0;
            write_sample(&mut text, (name, is_first), &others, (sample.v, sample.t_ms));
        }
    }
    text
}
