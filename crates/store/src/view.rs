//! What a reader sees: the points that were there when the view was taken, whatever is written, flushed or merged
//! meanwhile. Views are cheap, and no writer waits for one.

mod condensed;
mod presence;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use shoal_merge::{Digest, order};
use shoal_model::{Family, Kind, Labels, Matcher, Point, Writer, time};

use crate::annotations::{Annotations, SharedAnnotations};
use crate::base::Base;
use crate::block::{ShardDigests, ShardMix};
use crate::catalogue::{SeriesEntry, SharedCatalogue};
use crate::damage::{Damage, DamageMarks, Damaged, Findings};
use crate::memtable::MemtableView;
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
    pub(crate) annotations: SharedAnnotations,
    pub(crate) damage: DamageMarks,
    pub(crate) findings: Findings,
    /// Keep the places of streams that this view can see from being given to others.
    pub(crate) _epochs: Vec<Arc<()>>,
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

/// The points of a series' streams.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesRead {
    /// The streams, with the points that could be read.
    pub streams: Vec<StreamView>,
    /// Why points may be missing, each once.
    pub damage: Vec<Damage>,
}

impl SeriesRead {
    /// The streams, if nothing is missing.
    pub fn whole(self) -> Result<Vec<StreamView>, Damaged> {
        if self.damage.is_empty() { Ok(self.streams) } else { Err(Damaged(self.damage)) }
    }
}

/// What could be read of one stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamRead {
    /// The points in order of time.
    pub points: Vec<Point>,
    /// Why points may be missing, each once.
    pub damage: Vec<Damage>,
}

impl View {
    /// What metrics mean, and exemplars, as they are now.
    pub fn annotations(&self) -> std::sync::RwLockReadGuard<'_, Annotations> {
        self.annotations.read()
    }

    /// Adds a stream's points within a range of milliseconds, in order of time. Below the horizon a counter has
    /// its greatest point only, and other streams have none. On an error what is whole was added.
    pub fn read(
        &self,
        place: u32,
        kind: Kind,
        millis: RangeInclusive<i64>,
        out: &mut Vec<Point>,
    ) -> Result<(), Damaged> {
        let mut damage = Vec::new();
        for read in self.read_many(&[(place, kind)], millis) {
            out.extend(read.points);
            damage.extend(read.damage);
        }
        if damage.is_empty() { Ok(()) } else { Err(Damaged(damage)) }
    }

    /// The same for many streams, each given once by its place and kind: for each what could be read of it. Each
    /// block is gone through once for all of them, which is many times cheaper than stream by stream.
    pub fn read_many(&self, streams: &[(u32, Kind)], millis: RangeInclusive<i64>) -> Vec<StreamRead> {
        let (from, to) = (*millis.start().max(&self.horizon_ms), *millis.end());
        let mut reads = self.read_within(streams, from..=to);
        if *millis.start() < self.horizon_ms {
            self.add_greatest_below_horizon(streams, to, &mut reads);
        }
        reads
    }

    /// Adds the greatest point of each counter before the horizon, whether its window has gone by now or not.
    fn add_greatest_below_horizon(&self, streams: &[(u32, Kind)], to: i64, reads: &mut [StreamRead]) {
        let counters: Vec<_> = streams.iter().copied().filter(|(_, kind)| *kind == Kind::Counter).collect();
        let below = self.read_within(&counters, i64::MIN..=self.horizon_ms - 1);
        let wanted = streams.iter().zip(reads).filter(|((_, kind), _)| *kind == Kind::Counter);
        for (((place, _), read), below) in wanted.zip(below) {
            let points = below.points.into_iter().chain(self.base.get(*place));
            read.points.extend(order::greatest(points).filter(|point| point.time <= to));
            read.damage.extend(below.damage);
            read.settle();
        }
    }

    /// The same whatever the horizon.
    pub(crate) fn read_within(
        &self,
        streams: &[(u32, Kind)],
        millis: RangeInclusive<i64>,
    ) -> Vec<StreamRead> {
        let mut reads = vec![StreamRead::default(); streams.len()];
        if millis.is_empty() {
            return reads;
        }
        let (deltas, others): (Vec<_>, Vec<_>) =
            (0..).zip(streams).partition(|(_, (_, kind))| *kind == Kind::Delta);
        for streams in [deltas, others] {
            let mut wanted: Vec<_> = streams.iter().map(|(index, (place, _))| (*place, *index)).collect();
            wanted.sort_unstable();
            if let Some((_, (_, kind))) = streams.first() {
                self.read_blocks(*kind, &wanted, &millis, &mut reads);
            }
        }
        for ((place, kind), read) in streams.iter().zip(&mut reads) {
            let (from, to) = (*millis.start(), *millis.end());
            let axis = axis(*kind, from, to);
            self.memtables
                .iter()
                .for_each(|memtable| read_memtable(memtable, *place, &axis, &mut read.points));
            self.note_marks(*place, window(from)..=window(to), read);
            read.settle();
        }
        reads
    }

    /// Adds the points of streams on one axis: places in ascending order, each with the number of its list.
    fn read_blocks(
        &self,
        kind: Kind,
        wanted: &[(u32, usize)],
        millis: &RangeInclusive<i64>,
        reads: &mut [StreamRead],
    ) {
        let places: Vec<u32> = wanted.iter().map(|(place, _)| *place).collect();
        let (from, to) = (*millis.start(), *millis.end());
        for block in self.windows.range(window(from)..=window(to)) {
            let mut rest = wanted;
            let rot = block.read_many(&places, axis(kind, from, to), |place, times, values| {
                while let [(first, _), later @ ..] = rest
                    && *first < place
                {
                    rest = later;
                }
                let read = rest.first().and_then(|(_, index)| reads.get_mut(*index));
                let points = times.iter().zip(values).map(|(time, value)| Point::new(*time, *value));
                read.expect("a block hands out what was asked for").points.extend(points);
            });
            for rot in rot {
                let damage = Damage::of(block.meta().window, &rot);
                self.findings.note(&[damage]);
                for (_, index) in wanted.iter().filter(|(place, _)| rot.places.contains(place)) {
                    reads[*index].damage.push(damage);
                }
            }
        }
    }

    /// What was damaged earlier may be in no block any more.
    fn note_marks(&self, place: u32, windows: RangeInclusive<i64>, read: &mut StreamRead) {
        let hits = |mark: &&Damage| (mark.first..=mark.last).contains(&place);
        read.damage.extend(self.damage.within(windows).filter(hits));
    }

    /// The series that fit, each family on its own, in order of labels. Series that came after the view was taken
    /// may be among them, without points.
    pub fn select(&self, matchers: &[Matcher]) -> Vec<SeriesView> {
        let found = self.catalogue.read().select(matchers);
        found.into_iter().flat_map(families).collect()
    }

    /// The points of a series' streams within a range of milliseconds.
    pub fn read_series(&self, series: &SeriesView, millis: RangeInclusive<i64>) -> SeriesRead {
        let read = self.read_all(std::slice::from_ref(series), millis).pop();
        read.expect("as many as were asked for")
    }

    /// The same for many series at once, which is cheaper: for each the points of its streams. All of them are in
    /// memory then, so the caller chooses how many.
    pub fn read_all(&self, series: &[SeriesView], millis: RangeInclusive<i64>) -> Vec<SeriesRead> {
        let streams = series.iter().flat_map(|series| &series.streams);
        let places: Vec<_> = streams.map(|(_, kind, place)| (*place, *kind)).collect();
        let mut reads = self.read_many(&places, millis).into_iter();
        let read = |one: &SeriesView| gather(one, reads.by_ref().take(one.streams.len()));
        series.iter().map(read).collect()
    }

    /// The digests of one window: sums over the points that a read of it sees, whatever blocks they lie in. A
    /// window with damage has none.
    pub fn window_digests(&self, window: i64) -> Result<ShardDigests, Damaged> {
        let mut damage: BTreeSet<Damage> = self.damage.within(window..=window).copied().collect();
        if let [block] = self.windows.of(window)
            && damage.is_empty()
            && !self.fresh_points().any(|(kind, point)| window_of(kind, point.time) == window)
        {
            match block.digests() {
                Ok(Some(digests)) => return Ok(digests),
                Ok(None) => {}
                // They can be computed again, and whoever looks after the block is told.
                Err(rot) => self.findings.note(&[Damage::of(window, &rot)]),
            }
        }
        let millis = window_start(window)..=window_end(window);
        let mut digests = ShardDigests::new();
        let places = self.catalogue.read().places();
        for first in (0..places).step_by(DIGEST_STREAMS) {
            let streams = self.known_streams(first..places.min(first + DIGEST_STREAMS as u32));
            let wanted: Vec<_> = streams.iter().map(|(stream, _)| *stream).collect();
            for ((_, mix), read) in streams.iter().zip(self.read_within(&wanted, millis.clone())) {
                let (times, values): (Vec<_>, Vec<_>) =
                    read.points.iter().map(|point| (point.time, point.value)).unzip();
                digests.add(*mix, &times, &values);
                damage.extend(read.damage);
            }
        }
        if damage.is_empty() { Ok(digests) } else { Err(Damaged(damage.into_iter().collect())) }
    }

    fn known_streams(&self, places: std::ops::Range<u32>) -> Vec<((u32, Kind), ShardMix)> {
        let catalogue = self.catalogue.read();
        places
            .filter_map(|place| Some(((place, catalogue.kind(place)?), catalogue.shard_mix(place)?)))
            .collect()
    }

    /// A digest of every point that reads see from the horizon on; none while points are missing.
    pub fn digest(&self) -> Result<Digest, Damaged> {
        let mut windows: BTreeSet<i64> = self.windows.iter().map(|(window, _)| window).collect();
        windows.extend(self.damage.iter().map(|mark| mark.window));
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
    pub(crate) fn fresh_points(&self) -> impl Iterator<Item = (Kind, Point)> + '_ {
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

impl StreamRead {
    fn settle(&mut self) {
        settle(&mut self.points, 0);
        self.damage.sort_unstable();
        self.damage.dedup();
    }
}

/// The streams of a series with what was read of them.
fn gather(series: &SeriesView, reads: impl IntoIterator<Item = StreamRead>) -> SeriesRead {
    let mut damage = BTreeSet::new();
    let streams = series.streams.iter().zip(reads).map(|((writer, kind, _), read)| {
        damage.extend(read.damage);
        StreamView { writer: *writer, kind: *kind, points: read.points }
    });
    let streams = streams.collect();
    SeriesRead { streams, damage: damage.into_iter().collect() }
}

fn window(ms: i64) -> i64 {
    ms.div_euclid(WINDOW_MS)
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
