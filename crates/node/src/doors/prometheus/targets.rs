//! `/api/v1/targets`: every target from any node. How a target fares is known to the node that scrapes it; the
//! others read it from the series that it writes, and a node that scrapes nothing finds the targets there too.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value as Json, json};
use shoal_model::limits::LIVE;
use shoal_model::{Labels, Matcher, MatcherOp, NodeId, Point, Writer, is_stale};

use super::super::Context;
use super::super::asking::Unanswered;
use super::params::Params;
use super::{Refusal, json};
use crate::clock::wall_ms;
use crate::engine::Snapshot;
use crate::scrape::{Health, Listed, Listing};

/// The time of what has not happened, as Go writes it.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// What the store knows of a target that another node scrapes.
#[derive(Clone, Copy)]
struct Told {
    up: Point,
    by: Writer,
    took_seconds: Option<f64>,
}

/// The call.
pub(super) async fn targets(State(context): State<Context>, params: Params) -> Response {
    answer(&context, &params).await.unwrap_or_else(Refusal::into_response)
}

async fn answer(context: &Context, params: &Params) -> Result<Response, Refusal> {
    let pool = params.text("scrapePool").unwrap_or_default().to_owned();
    let state = params.text("state").unwrap_or("any").to_owned();
    let Listing { active, dropped } = context.scraped.listing();
    let now_ms = wall_ms();
    let mut told =
        context.engine.inspect(move |snapshot| told(&snapshot, now_ms)).await.map_err(Unanswered::from)?;
    let fits = |job: &str| pool.is_empty() || pool == job;
    let mut shown: Vec<Json> = Vec::new();
    for target in &active {
        let known = target.up.as_ref().and_then(|up| told.remove(up));
        if fits(&target.job) {
            shown.push(active_target(target, known, context.engine.node()));
        }
    }
    let others = told.into_iter().filter(|(labels, _)| fits(labels.value("job")));
    shown.extend(others.map(|(labels, told)| told_target(&labels, told)));
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    dropped.iter().for_each(|(job, _)| *counts.entry(job).or_default() += 1);
    let dropped = dropped.iter().filter(|(job, _)| fits(job));
    let dropped: Vec<_> =
        dropped.map(|(job, labels)| json!({"discoveredLabels": labels, "scrapePool": job})).collect();
    let wanted =
        |which: &str, list: Vec<Json>| if state == "any" || state == which { list } else { Vec::new() };
    let data = json!({
        "activeTargets": wanted("active", shown),
        "droppedTargets": wanted("dropped", dropped),
        "droppedTargetCounts": counts,
    });
    Ok(json::plain(&data))
}

/// The targets that nodes have lately scraped, by the labels of `up`.
fn told(snapshot: &Snapshot, now_ms: i64) -> BTreeMap<Labels, Told> {
    let recent = now_ms - LIVE.as_millis() as i64..=now_ms + LIVE.as_millis() as i64;
    let of = |name: &str| -> Vec<(Labels, (Point, Writer))> {
        let Ok(matcher) = Matcher::new("__name__", MatcherOp::Equal, name) else { return Vec::new() };
        let found = snapshot.view.select(&[matcher]).into_iter().filter_map(|series| {
            let read = snapshot.view.read_series(&series, recent.clone());
            // What was pushed or written remotely is nobody's target here.
            let scraped = read.streams.iter().filter(|stream| stream.writer != Writer::NONE);
            let newest = scraped.filter_map(|stream| Some((*stream.points.last()?, stream.writer)));
            let newest = newest.max_by_key(|(point, _)| point.time)?;
            (!is_stale(newest.0.value)).then_some((series.labels, newest))
        });
        found.collect()
    };
    let named = |labels: &Labels, name: &str| {
        let pairs = labels.iter().filter(|(label, _)| *label != "__name__").chain([("__name__", name)]);
        Labels::new(pairs).ok()
    };
    let took: BTreeMap<Labels, f64> = of("scrape_duration_seconds")
        .into_iter()
        .filter_map(|(labels, (point, _))| Some((named(&labels, "up")?, point.value)))
        .collect();
    let told = of("up").into_iter().map(|(labels, (up, by))| {
        let took_seconds = took.get(&labels).copied();
        (labels, Told { up, by, took_seconds })
    });
    told.collect()
}

fn active_target(target: &Listed, told: Option<Told>, here: NodeId) -> Json {
    let own =
        target.health.as_ref().map(|health| health.lock().unwrap_or_else(PoisonError::into_inner).clone());
    let health = match (own, told) {
        (Some(Health { scraped_ms: Some(ms), took, error, is_up }), _) => {
            let mut shown = shown_health(is_up, error.unwrap_or_default(), ms, took.as_secs_f64());
            shown["scrapedBy"] = json!(here.to_string());
            shown
        }
        (_, Some(told)) => told.shown(),
        _ => {
            json!({"health": "unknown", "lastError": "", "lastScrape": NEVER, "lastScrapeDuration": 0})
        }
    };
    let mut shown = json!({
        "discoveredLabels": target.discovered,
        "labels": target.labels,
        "scrapePool": target.job,
        "scrapeUrl": target.url,
        "globalUrl": target.url,
        "scrapeInterval": span(target.interval),
        "scrapeTimeout": span(target.timeout),
    });
    extend(&mut shown, health);
    shown
}

/// A target that this node knows by what is told of it only.
fn told_target(labels: &Labels, told: Told) -> Json {
    let pairs: BTreeMap<_, _> = labels.iter().filter(|(name, _)| *name != "__name__").collect();
    let mut shown = json!({
        "discoveredLabels": {},
        "labels": pairs,
        "scrapePool": labels.value("job"),
        "scrapeUrl": "",
        "globalUrl": "",
        "scrapeInterval": "",
        "scrapeTimeout": "",
    });
    extend(&mut shown, told.shown());
    shown
}

impl Told {
    /// With the scraping node's id, which is its writer's too; Prometheus' clients pass over the field.
    fn shown(self) -> Json {
        let Told { up, by, took_seconds } = self;
        let mut shown =
            shown_health(up.value == 1.0, String::new(), up.time, took_seconds.unwrap_or_default());
        shown["scrapedBy"] = json!(NodeId(by.0).to_string());
        shown
    }
}

fn shown_health(is_up: bool, error: String, scraped_ms: i64, took_seconds: f64) -> Json {
    json!({
        "health": if is_up { "up" } else { "down" },
        "lastError": error,
        "lastScrape": rfc3339(scraped_ms),
        "lastScrapeDuration": took_seconds,
    })
}

fn extend(shown: &mut Json, more: Json) {
    if let (Json::Object(shown), Json::Object(more)) = (shown, more) {
        shown.extend(more);
    }
}

/// A length of time as Prometheus writes it, in the largest unit that divides it.
fn span(duration: Duration) -> String {
    let ms = duration.as_millis();
    let units = [(3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let unit = units.into_iter().find(|(unit, _)| ms >= *unit && ms.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{ms}ms"), |(unit, name)| format!("{}{name}", ms / unit))
}

/// A time since 1970 as text, by the calendar of days from 0000-03-01 on, when leap days end years.
fn rfc3339(ms: i64) -> String {
    let (days, in_day) = (ms.div_euclid(86_400_000) + 719_468, ms.rem_euclid(86_400_000));
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute) = (in_day / 3_600_000, in_day / 60_000 % 60);
    let (second, milli) = (in_day / 1_000 % 60, in_day % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_spans_are_written_as_prometheus_writes_them() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(951_782_400_000 - 1), "2000-02-28T23:59:59.999Z");
        assert_eq!(rfc3339(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(rfc3339(1_735_689_599_123), "2024-12-31T23:59:59.123Z");
        let spans = [15_000, 60_000, 90_000, 7_200_000, 1_500].map(|ms| span(Duration::from_millis(ms)));
        assert_eq!(spans, ["15s", "1m", "90s", "2h", "1500ms"]);
    }
}
