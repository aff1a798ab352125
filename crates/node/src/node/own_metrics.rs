//! Self-metrics: the node writes its own and its host's figures as samples, so that a fresh cluster shows real
//! data. The label `instance` tells the nodes apart.

use std::collections::BTreeMap;
use std::time::Duration;

use shoal_model::{Batch, Kind, Labels, Point, Stream, StreamPoints, Writer};
use shoal_replication::{Acks, Readiness};
use tokio::time::MissedTickBehavior;

use crate::clock::wall_ms;
use crate::doors::{self, Context, Door};
use crate::engine::Notes;
use crate::figures::Figure;
use crate::host;

/// Writes the figures again and again, until the task is ended.
pub(super) async fn write(context: Context, every: Duration) {
    // What the node would refuse of itself is no news.
    if context.engine.readiness().wait_for(|readiness| *readiness == Readiness::Ready).await.is_err() {
        return;
    }
    let mut interval = tokio::time::interval(every);
    interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        interval.tick().await;
        let Ok(status) = context.engine.status().await else { return };
        let host = tokio::task::spawn_blocking(host::gather).await.unwrap_or_default();
        let own = doors::own_figures(&context, &status);
        let instance = context.about.profile.client.to_string();
        let now_ms = wall_ms();
        let batch = batch(host.iter().chain(&own), &instance, now_ms);
        let meanings = meanings(host.iter().chain(&own), now_ms);
        let points = batch.point_count() as u64;
        match context.engine.write_noted(batch, meanings, Acks::Auto).await {
            Ok(_) => context.refusals.accept(Door::Itself, points),
            Err(error) => {
                context.refusals.refuse(Door::Itself, "not_written", points);
                tracing::debug!(%error, "own metrics were not written");
            }
        }
    }
}

/// What the figures mean, each family once.
fn meanings<'a>(figures: impl Iterator<Item = &'a Figure>, now_ms: i64) -> Notes {
    let families: BTreeMap<&str, &Figure> = figures.map(|figure| (figure.family, figure)).collect();
    let mut notes = Notes::default();
    for (family, figure) in families {
        notes.describe(family, figure.kind.number(), figure.help, "", now_ms);
    }
    notes
}

fn batch<'a>(figures: impl Iterator<Item = &'a Figure>, instance: &str, now_ms: i64) -> Batch {
    let streams = figures.filter_map(|figure| {
        let name = figure.name();
        let own = [("__name__", name.as_str()), ("instance", instance)];
        let labels = figure.labels.iter().map(|(name, value)| (*name, value.as_str())).chain(own);
        let stream = Stream { labels: Labels::new(labels).ok()?, writer: Writer::NONE, kind: Kind::Sample };
        Some(StreamPoints { stream, points: vec![Point::new(now_ms, figure.value)] })
    });
    Batch { streams: streams.collect() }
}
