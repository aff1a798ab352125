//! The lens: how the streams of one series read as one. Pure functions over the points of one family's
//! streams; each kind's rule stands in a file of its own.
//!
//! With `last_w(t)` the last point of writer w at or before t (ms), and w *live* at t when that point is no
//! stale marker and younger than 5 minutes, the merged value of the series at t is
//!
//! ```text
//!  totals  Σ over counter writers  max of the points ≤ t
//!        + Σ over updown writers live at t  last_w(t)
//!        + Σ over delta writers  Σ of the points ≤ t           exact, rounded once
//!  gauge   the value of the greatest (time, writer) among last_w(t) of the writers live at t
//!  sample  what is shown at t (see `sample`)
//! ```
//!
//! The merged series has one sample at each distinct ms at which one of the writers has a point (`sample`:
//! at which one is shown), and none elsewhere. Where no writer contributes, because all have ended or
//! grown old, the value is the stale marker, so that whoever reads on sees the end; read it as absent.

mod counter;
mod delta;
mod gauge;
mod live;
mod sample;
mod timeline;
mod totals;
mod updown;

use std::ops::RangeInclusive;

use shoal_model::time::{last_place_at, millis};
use shoal_model::{Family, Kind, Point, Writer};

pub use counter::Greatest;
pub use live::Latest;

/// What is at hand of one stream.
#[derive(Clone, Copy, Debug)]
pub struct WriterPoints<'a> {
    /// Whose points.
    pub writer: Writer,
    /// How they read.
    pub kind: Kind,
    /// The points in order of time, no time twice, on the axis of the kind.
    pub points: &'a [Point],
}

/// The merged value as judged at `at_ms`, or `None` where there is no point up to then. Its time is the
/// newest ms up to `at_ms` at which the merged series has a sample; at that ms itself it is that sample.
///
/// All parts are of one family, no two of one writer and kind. For [`Family::Sample`] points after `at_ms`
/// matter too (see [`needed`]).
pub fn value_at(parts: &[WriterPoints<'_>], at_ms: i64) -> Option<Point> {
    read(parts, at_ms, Liveness::Young)
}

/// The last value however old: as [`value_at`], but only a stale marker ends an updown or gauge writer.
pub fn last(parts: &[WriterPoints<'_>], at_ms: i64) -> Option<Point> {
    read(parts, at_ms, Liveness::EverSince)
}

/// The merged series' samples in a range of ms, in order of time. Each equals [`value_at`] of its time.
pub fn merge(parts: &[WriterPoints<'_>], range: RangeInclusive<i64>) -> Vec<Point> {
    let parts = by_writer(parts);
    match family(&parts) {
        None => Vec::new(),
        Some(Family::Totals) => totals::merge(&parts, range),
        Some(Family::Gauge) => gauge::merge(&parts, range),
        Some(Family::Sample) => sample::merge(&parts, range),
    }
}

/// The ms whose points [`merge`] over a range looks at: points outside of it may be left out.
///
/// Totals reach back for ever, but in place of all that a counter reported before the range its greatest
/// point will do, and in place of an updown's its last.
pub fn needed(family: Family, range: RangeInclusive<i64>) -> RangeInclusive<i64> {
    let (from, to) = range.into_inner();
    match family {
        Family::Totals => i64::MIN..=to,
        Family::Gauge => from.saturating_sub(live::LIVE_MS)..=to,
        Family::Sample => from.saturating_sub(2 * live::LIVE_MS)..=to.saturating_add(live::LIVE_MS),
    }
}

/// What ends an updown or gauge writer.
#[derive(Clone, Copy)]
enum Liveness {
    /// A stale marker, or 5 minutes without a point.
    Young,
    /// A stale marker only.
    EverSince,
}

fn read(parts: &[WriterPoints<'_>], at_ms: i64, liveness: Liveness) -> Option<Point> {
    let parts = by_writer(parts);
    let value = match family(&parts)? {
        Family::Totals => totals::value(&parts, at_ms, liveness),
        Family::Gauge => gauge::value(&parts, at_ms, liveness),
        Family::Sample => return sample::last_shown(&parts, at_ms),
    };
    Some(Point::new(newest_ms(&parts, at_ms)?, value))
}

/// Ties go by writer, so every rule sees the writers in order.
fn by_writer<'a>(parts: &[WriterPoints<'a>]) -> Vec<WriterPoints<'a>> {
    let mut parts = parts.to_vec();
    parts.sort_by_key(|part| part.writer);
    parts
}

fn family(parts: &[WriterPoints<'_>]) -> Option<Family> {
    let family = parts.first()?.kind.family();
    debug_assert!(parts.iter().all(|part| part.kind.family() == family), "one family");
    debug_assert!(
        parts.iter().all(|part| part.points.is_sorted_by(|a, b| a.time < b.time)),
        "sorted by time, no time twice"
    );
    Some(family)
}

/// The newest ms up to a given one at which a writer has a point.
fn newest_ms(parts: &[WriterPoints<'_>], at_ms: i64) -> Option<i64> {
    parts.iter().filter_map(|part| part.last_until(at_ms)).map(|point| point.time).max()
}

impl<'a> WriterPoints<'a> {
    /// Splits into the points at or before a ms and those after it.
    fn split(&self, at_ms: i64) -> (&'a [Point], &'a [Point]) {
        let end = last_place_at(self.kind, at_ms);
        self.points.split_at(self.points.partition_point(|point| point.time <= end))
    }

    /// The points at or before a ms.
    fn until(&self, at_ms: i64) -> &'a [Point] {
        self.split(at_ms).0
    }

    /// The last point at or before a ms, its time in ms.
    fn last_until(&self, at_ms: i64) -> Option<Point> {
        self.until(at_ms).last().map(|point| Point::new(millis(self.kind, point.time), point.value))
    }

    /// The points with their ms in a range.
    fn between(&self, range: &RangeInclusive<i64>) -> &'a [Point] {
        let until = self.until(*range.end());
        &until[until.partition_point(|point| millis(self.kind, point.time) < *range.start())..]
    }
}

#[cfg(test)]
mod tests;
