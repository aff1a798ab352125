//! Gauges: the reading with the greatest (time, writer) among the live writers, bits unchanged.

use std::ops::RangeInclusive;

use shoal_model::{Family, Point, stale};

use super::live::{LiveWriters, last_live};
use super::timeline::{events, moments};
use super::{Liveness, WriterPoints, needed};

/// The merged value at a ms; `parts` in order of writer.
pub(super) fn value(parts: &[WriterPoints<'_>], at_ms: i64, liveness: Liveness) -> f64 {
    parts
        .iter()
        .filter_map(|part| last_live(part, at_ms, liveness).map(|point| (point, part.writer)))
        .max_by_key(|(point, writer)| (point.time, *writer))
        .map_or_else(stale, |(point, _)| point.value)
}

/// The merged samples of a range; `parts` in order of writer.
pub(super) fn merge(parts: &[WriterPoints<'_>], range: RangeInclusive<i64>) -> Vec<Point> {
    let events = events(parts, &needed(Family::Gauge, range.clone()));
    let mut live = LiveWriters::new(parts.len());
    let mut samples = Vec::with_capacity(events.len());
    for (ms, group) in moments(&events) {
        for event in group {
            live.observe(event.writer, event.point);
        }
        while live.pop_aged(ms).is_some() {}
        if range.contains(&ms) {
            samples.push(Point::new(ms, live.newest().unwrap_or_else(stale)));
        }
    }
    samples
}
