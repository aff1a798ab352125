//! The points of all writers on one time line in ms: what the merging rules walk along, so that a range
//! costs one pass and not one look-up a writer and sample.

use std::ops::RangeInclusive;

use shoal_model::Point;
use shoal_model::time::millis;

use super::WriterPoints;

/// One point of one writer.
#[derive(Clone, Copy)]
pub(super) struct Event {
    /// The writer, by its place in the parts.
    pub(super) writer: usize,
    /// The point, its time in ms.
    pub(super) point: Point,
}

/// The points with ms in the range in order of (ms, writer, place on the writer's axis).
pub(super) fn events(parts: &[WriterPoints<'_>], range: &RangeInclusive<i64>) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::with_capacity(parts.iter().map(|part| part.between(range).len()).sum());
    for (writer, part) in parts.iter().enumerate() {
        events.extend(part.between(range).iter().map(|point| {
            let point = Point::new(millis(part.kind, point.time), point.value);
            Event { writer, point }
        }));
    }
    // Stable, and quick on a few sorted runs.
    events.sort_by_key(|event| event.point.time);
    events
}

/// The events in groups of one ms each.
pub(super) fn moments(events: &[Event]) -> impl Iterator<Item = (i64, &[Event])> {
    events
        .chunk_by(|a, b| a.point.time == b.point.time)
        .filter_map(|group| group.first().map(|event| (event.point.time, group)))
}
