//! What a reader sees: the points that were there when the view was taken, whatever is written, flushed or merged
//! meanwhile. Views are cheap, and no writer waits for one.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use shoal_merge::{Digest, order};
use shoal_model::{Family, Kind, Labels, Matcher, Point, Writer, time};

use crate::base::Base;
use crate::block::{Block, BlockError, Columns, ShardDigests};
use crate::catalogue::{SeriesEntry, SharedCatalogue};
use crate::memtable::MemtableView;
use crate::windows::{WINDOW_MS, Windows, window_end, window_of, window_start};

/// The points of one moment.
#[derive(Clone)]
pub struct View {
    pub(crate) memtables: Vec<MemtableView>,
    pub(crate) windows: Windows,
    pub(crate) base: Base,
    pub(crate) horizon_ms: i64,
    pub(crate) catalogue: SharedCatalogue,
}

/// One series, one family, with its streams, as a query sees it.
#[derive(Clone, Debug)]
pub struct SeriesView {
    /// The labels.
    pub labels: Labels,
    /// The family of the streams.
    pub family: Family,
    /// Whether another family holds the labels, so that this one appears with a `__kind__` label.
    pub is_second: bool,
    /// The streams in order of (writer, kind), each with its place for [`View::read`].
    pub streams: Vec<(Writer, Kind, u32)>,
}

/// One stream's points.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamView {
    /// Who counts.
    pub writer: Writer,
    /// How the points read.
    pub kind: Kind,
    /// The points in order of time.
    pub points: Vec<Point>,
}

impl View {
    /// Adds a stream's points within a range of milliseconds, in order of time. Below the horizon a counter has
    /// its greatest point only, and other streams have none. On an error the points of whole chunks were added.
    pub fn read(
        &self,
        place: u32,
        kind: Kind,
        millis: RangeInclusive<i64>,
        out: &mut Vec<Point>,
    ) -> Result<(), BlockError> {
        let first = out.len();
        let (from, to) = (*millis.start().max(&self.horizon_ms), *millis.end());
        let mut result = Ok(());
        if kind == Kind::Counter && *millis.start() < self.horizon_ms {
            let greatest;
            (greatest, result) = self.greatest_below_horizon(place);
            out.extend(greatest.filter(|point| point.time <= to));
        }
        result = self.read_within(place, kind, from..=to, out).and(result);
        settle(out, first);
        result
    }

    /// A counter's greatest point before the horizon, whether its window has gone by now or not.
    fn greatest_below_horizon(&self, place: u32) -> (Option<Point>, Result<(), BlockError>) {
        let mut below = Vec::new();
        let result = self.read_within(place, Kind::Counter, i64::MIN..=self.horizon_ms - 1, &mut below);
        let points = below.into_iter().chain(self.base.get(place));
        let greatest = points.max_by(|a, b| order::compare(a.value, b.value).then(a.time.cmp(&b.time)));
        (greatest, result)
    }

    /// The same whatever the horizon.
    fn read_within(
        &self,
        place: u32,
        kind: Kind,
        millis: RangeInclusive<i64>,
        out: &mut Vec<Point>,
    ) -> Result<(), BlockError> {
        let (first, mut result) = (out.len(), Ok(()));
        let (from, to) = millis.into_inner();
        if from <= to {
            let axis = axis(kind, from, to);
            let windows = from.div_euclid(WINDOW_MS)..=to.div_euclid(WINDOW_MS);
            for block in self.windows.range(windows) {
                result = read_block(block, place, axis.clone(), out).and(result);
            }
            for memtable in &self.memtables {
                read_memtable(memtable, place, &axis, out);
            }
        }
        settle(out, first);
        result
    }

    /// The series that fit, each family on its own, in order of labels. Series that came after the view was taken
    /// may be among them, without points.
    pub fn select(&self, matchers: &[Matcher]) -> Vec<SeriesView> {
        let found = self.catalogue.read().select(matchers);
        found.into_iter().flat_map(families).collect()
    }

    /// The points of a series' streams within a range of milliseconds.
    pub fn read_series(
        &self,
        series: &SeriesView,
        millis: RangeInclusive<i64>,
    ) -> Result<Vec<StreamView>, BlockError> {
        let streams = series.streams.iter().map(|(writer, kind, place)| {
            let mut points = Vec::new();
            self.read(*place, *kind, millis.clone(), &mut points)?;
            Ok(StreamView { writer: *writer, kind: *kind, points })
        });
        streams.collect()
    }

    /// The digests of one window: sums over the points that a read of it sees, whatever blocks they lie in.
    pub fn window_digests(&self, window: i64) -> Result<ShardDigests, BlockError> {
        if let [block] = self.windows.of(window)
            && let Some(digests) = block.digests()?
            && !self.fresh_points().any(|(kind, point)| window_of(kind, point.time) == window)
        {
            return Ok(digests);
        }
        let millis = window_start(window)..=window_end(window);
        let mut digests = ShardDigests::new();
        let places = self.catalogue.read().places();
        for place in 0..places {
            let known = (self.catalogue.read().kind(place), self.catalogue.read().shard_mix(place));
            let (Some(kind), Some(mix)) = known else { continue };
            let mut points = Vec::new();
            self.read_within(place, kind, millis.clone(), &mut points)?;
            let (times, values): (Vec<_>, Vec<_>) =
                points.iter().map(|point| (point.time, point.value)).unzip();
            digests.add(mix, &times, &values);
        }
        Ok(digests)
    }

    /// A digest of every point that reads see from the horizon on.
    pub fn digest(&self) -> Result<Digest, BlockError> {
        let mut windows: BTreeSet<i64> = self.windows.iter().map(|(window, _)| window).collect();
        for (kind, point) in self.fresh_points() {
            windows.insert(window_of(kind, point.time));
        }
        let mut sum = Digest::default();
        for window in windows.into_iter().filter(|window| window_end(*window) >= self.horizon_ms) {
            self.window_digests(window)?.iter().for_each(|digest| sum.merge(digest));
        }
        Ok(sum)
    }

    /// The points that are in no block yet.
    fn fresh_points(&self) -> impl Iterator<Item = (Kind, Point)> + '_ {
        self.memtables.iter().flat_map(move |memtable| {
            memtable.places().flat_map(move |place| {
                let (kind, mut points) = (self.catalogue.read().kind(place), Vec::new());
                memtable.read(place, &mut points);
                points.into_iter().filter_map(move |point| Some((kind?, point)))
            })
        })
    }

    /// The oldest millisecond that reads see.
    pub fn horizon_ms(&self) -> i64 {
        self.horizon_ms
    }

    /// The blocks by window.
    pub fn windows(&self) -> &Windows {
        &self.windows
    }
}

fn families(entry: SeriesEntry) -> Vec<SeriesView> {
    let SeriesEntry { labels, streams } = entry;
    let mut families: BTreeMap<Family, Vec<(Writer, Kind, u32)>> = BTreeMap::new();
    for stream in streams {
        families.entry(stream.1.family()).or_default().push(stream);
    }
    let views = families.into_iter().enumerate();
    let view =
        |(i, (family, streams))| SeriesView { labels: labels.clone(), family, is_second: i > 0, streams };
    views.map(view).collect()
}

fn axis(kind: Kind, from: i64, to: i64) -> RangeInclusive<i64> {
    let first = match from.checked_sub(1) {
        Some(before) if before >= time::millis(kind, i64::MIN) => {
            time::last_place_at(kind, before).saturating_add(1)
        }
        _ => i64::MIN,
    };
    first..=time::last_place_at(kind, to)
}

fn read_block(
    block: &Block,
    place: u32,
    axis: RangeInclusive<i64>,
    out: &mut Vec<Point>,
) -> Result<(), BlockError> {
    let mut columns = Columns::default();
    let result = block.read(place, axis, &mut columns);
    out.extend(columns.times.iter().zip(&columns.values).map(|(time, value)| Point::new(*time, *value)));
    result
}

fn read_memtable(memtable: &MemtableView, place: u32, axis: &RangeInclusive<i64>, out: &mut Vec<Point>) {
    let first = out.len();
    memtable.read(place, out);
    if let Some(fresh) = out.get_mut(first..) {
        fresh.reverse();
    }
    let mut index = 0;
    out.retain(|point| {
        index += 1;
        index <= first || axis.contains(&point.time)
    });
}

/// Sorts what was added from `first` on, and joins values of one time.
pub(crate) fn settle(points: &mut Vec<Point>, first: usize) {
    let Some(fresh) = points.get_mut(first..) else { return };
    if fresh.is_sorted_by(|a, b| a.time < b.time) {
        return;
    }
    fresh.sort_by_key(|point| point.time);
    let mut kept = first;
    for index in first + 1..points.len() {
        let (last, next) = (points[kept], points[index]);
        if last.time == next.time {
            points[kept].value = order::join(last.value, next.value);
        } else {
            kept += 1;
            points[kept] = next;
        }
    }
    points.truncate(kept + 1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use shoal_merge::PointMap;

    proptest! {
        #[test]
        fn settling_is_the_join_of_the_points(points in prop::collection::vec((0_i64..20, any::<u64>()), 0..40)) {
            let mut points: Vec<Point> = points.into_iter().map(|(t, bits)| Point::new(t, f64::from_bits(bits))).collect();
            let expected: PointMap = points.iter().copied().collect();
            settle(&mut points, 0);
            prop_assert_eq!(points, expected.iter().collect::<Vec<_>>());
        }
    }
}
