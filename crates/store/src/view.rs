//! What a reader sees: the points that were there when the view was taken, whatever is written, flushed or merged
//! meanwhile. Views are cheap, and no writer waits for one.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use shoal_merge::{Digest, order};
use shoal_model::{Family, Kind, Labels, Matcher, Point, Writer, time};

use crate::base::Base;
use crate::block::{Block, BlockError, ShardDigests, ShardMix};
use crate::catalogue::{SeriesEntry, SharedCatalogue};
use crate::memtable::MemtableView;
use crate::summary;
use crate::windows::{WINDOW_MS, Windows, window_end, window_of, window_start};

/// Streams whose points are digested in one go: bounds the memory.
const DIGEST_STREAMS: usize = 1024;

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
    /// its greatest point only, and other streams have none. On an error nothing was added.
    pub fn read(
        &self,
        place: u32,
        kind: Kind,
        millis: RangeInclusive<i64>,
        out: &mut Vec<Point>,
    ) -> Result<(), BlockError> {
        let lists = self.read_many(&[(place, kind)], millis)?;
        out.extend(lists.into_iter().flatten());
        Ok(())
    }

    /// The same for many streams, each given once by its place and kind: for each its points. Each block is gone
    /// through once for all of them, which is many times cheaper than stream by stream.
    pub fn read_many(
        &self,
        streams: &[(u32, Kind)],
        millis: RangeInclusive<i64>,
    ) -> Result<Vec<Vec<Point>>, BlockError> {
        let (from, to) = (*millis.start().max(&self.horizon_ms), *millis.end());
        let mut lists = self.read_within(streams, from..=to)?;
        if *millis.start() < self.horizon_ms {
            self.add_greatest_below_horizon(streams, to, &mut lists)?;
        }
        Ok(lists)
    }

    /// Adds the greatest point of each counter before the horizon, whether its window has gone by now or not.
    fn add_greatest_below_horizon(
        &self,
        streams: &[(u32, Kind)],
        to: i64,
        lists: &mut [Vec<Point>],
    ) -> Result<(), BlockError> {
        let counters: Vec<_> = streams.iter().copied().filter(|(_, kind)| *kind == Kind::Counter).collect();
        let below = self.read_within(&counters, i64::MIN..=self.horizon_ms - 1)?;
        let mut greatest = counters.iter().zip(below).map(|((place, _), below)| {
            let points = below.into_iter().chain(self.base.get(*place));
            points.max_by(|a, b| order::compare(a.value, b.value).then(a.time.cmp(&b.time)))
        });
        let wanted = streams.iter().zip(lists).filter(|((_, kind), _)| *kind == Kind::Counter);
        for (_, points) in wanted {
            points.extend(greatest.next().flatten().filter(|point| point.time <= to));
            settle(points, 0);
        }
        Ok(())
    }

    /// The same whatever the horizon.
    fn read_within(
        &self,
        streams: &[(u32, Kind)],
        millis: RangeInclusive<i64>,
    ) -> Result<Vec<Vec<Point>>, BlockError> {
        let mut lists = vec![Vec::new(); streams.len()];
        if millis.is_empty() {
            return Ok(lists);
        }
        let (deltas, others): (Vec<_>, Vec<_>) =
            (0..).zip(streams).partition(|(_, (_, kind))| *kind == Kind::Delta);
        for streams in [deltas, others] {
            let mut wanted: Vec<_> = streams.iter().map(|(index, (place, _))| (*place, *index)).collect();
            wanted.sort_unstable();
            if let Some((_, (_, kind))) = streams.first() {
                self.read_blocks(*kind, &wanted, &millis, &mut lists)?;
            }
        }
        for ((place, kind), points) in streams.iter().zip(&mut lists) {
            let axis = axis(*kind, *millis.start(), *millis.end());
            self.memtables.iter().for_each(|memtable| read_memtable(memtable, *place, &axis, points));
            settle(points, 0);
        }
        Ok(lists)
    }

    /// Adds the points of streams on one axis: places in ascending order, each with the number of its list.
    fn read_blocks(
        &self,
        kind: Kind,
        wanted: &[(u32, usize)],
        millis: &RangeInclusive<i64>,
        lists: &mut [Vec<Point>],
    ) -> Result<(), BlockError> {
        let places: Vec<u32> = wanted.iter().map(|(place, _)| *place).collect();
        let (from, to) = (*millis.start(), *millis.end());
        for block in self.windows.range(from.div_euclid(WINDOW_MS)..=to.div_euclid(WINDOW_MS)) {
            let mut rest = wanted;
            block.read_many(&places, axis(kind, from, to), |place, times, values| {
                while let [(first, _), later @ ..] = rest
                    && *first < place
                {
                    rest = later;
                }
                let list = rest.first().and_then(|(_, index)| lists.get_mut(*index));
                let points = times.iter().zip(values).map(|(time, value)| Point::new(*time, *value));
                list.expect("a block hands out what was asked for").extend(points);
            })?;
        }
        Ok(())
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
        Ok(self.read_all(std::slice::from_ref(series), millis)?.pop().unwrap_or_default())
    }

    /// The same for many series at once, which is cheaper: for each the points of its streams. All of them are in
    /// memory then, so the caller chooses how many.
    pub fn read_all(
        &self,
        series: &[SeriesView],
        millis: RangeInclusive<i64>,
    ) -> Result<Vec<Vec<StreamView>>, BlockError> {
        let streams = series.iter().flat_map(|series| &series.streams);
        let places: Vec<_> = streams.map(|(_, kind, place)| (*place, *kind)).collect();
        let mut lists = self.read_many(&places, millis)?.into_iter();
        let mut views = Vec::with_capacity(series.len());
        for one in series {
            let streams = one.streams.iter().zip(&mut lists);
            let view = |((writer, kind, _), points): (&(Writer, Kind, u32), _)| StreamView {
                writer: *writer,
                kind: *kind,
                points,
            };
            views.push(streams.map(view).collect());
        }
        Ok(views)
    }

    /// Like [`View::read_series`], but of what lies well before the range only what a lens needs to know: running
    /// totals, and the last points of gauges. The points before the range are not those that were written.
    pub fn read_condensed(
        &self,
        series: &SeriesView,
        millis: RangeInclusive<i64>,
    ) -> Result<Vec<StreamView>, BlockError> {
        let streams = series.streams.iter().map(|(writer, kind, place)| {
            let mut points = Vec::new();
            let first_full = match kind {
                Kind::Sample => i64::MIN,
                _ => summary::first_full_window(*millis.start()),
            };
            self.read_past(*place, *kind, first_full, &mut points)?;
            let full = (*millis.start()).min(window_start(first_full))..=*millis.end();
            self.read(*place, *kind, full, &mut points)?;
            settle(&mut points, 0);
            Ok(StreamView { writer: *writer, kind: *kind, points })
        });
        streams.collect()
    }

    /// Adds what later windows need of a stream's windows before `first_full`.
    fn read_past(
        &self,
        place: u32,
        kind: Kind,
        first_full: i64,
        out: &mut Vec<Point>,
    ) -> Result<(), BlockError> {
        if kind == Kind::Counter && self.horizon_ms > i64::MIN {
            let mut greatest = [Vec::new()];
            self.add_greatest_below_horizon(&[(place, kind)], i64::MAX, &mut greatest)?;
            out.extend(greatest.into_iter().flatten());
        }
        let mut fresh = Vec::new();
        self.memtables.iter().for_each(|memtable| memtable.read(place, &mut fresh));
        let fresh: BTreeSet<i64> = fresh.iter().map(|point| window_of(kind, point.time)).collect();
        let oldest = self.horizon_ms.div_euclid(WINDOW_MS);
        let windows = self.windows.iter().map(|(window, _)| window).chain(fresh.iter().copied());
        let windows: BTreeSet<i64> = windows.filter(|window| (oldest..first_full).contains(window)).collect();
        for window in windows {
            let summary = self.windows.summary(window).filter(|_| !fresh.contains(&window));
            let is_read = summary.is_some_and(|block| read_block(block, place, out).is_ok());
            if !is_read {
                let millis = window_start(window)..=window_end(window);
                out.extend(self.read_within(&[(place, kind)], millis)?.into_iter().flatten());
            }
        }
        Ok(())
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
        for first in (0..places).step_by(DIGEST_STREAMS) {
            let streams = self.known_streams(first..places.min(first + DIGEST_STREAMS as u32));
            let wanted: Vec<_> = streams.iter().map(|(stream, _)| *stream).collect();
            for ((_, mix), points) in streams.iter().zip(self.read_within(&wanted, millis.clone())?) {
                let (times, values): (Vec<_>, Vec<_>) =
                    points.iter().map(|point| (point.time, point.value)).unzip();
                digests.add(*mix, &times, &values);
            }
        }
        Ok(digests)
    }

    fn known_streams(&self, places: std::ops::Range<u32>) -> Vec<((u32, Kind), ShardMix)> {
        let catalogue = self.catalogue.read();
        places
            .filter_map(|place| Some(((place, catalogue.kind(place)?), catalogue.shard_mix(place)?)))
            .collect()
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

fn read_block(block: &Block, place: u32, out: &mut Vec<Point>) -> Result<(), BlockError> {
    block.read_many(&[place], i64::MIN..=i64::MAX, |_, times, values| {
        out.extend(times.iter().zip(values).map(|(time, value)| Point::new(*time, *value)));
    })
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
