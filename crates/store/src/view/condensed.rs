//! Reading with a short past: of what lies well before a range only what a lens needs to know of it, from the
//! summaries of sealed windows. Each summary and each block is gone through once for all streams of a read.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use shoal_model::{Kind, Point};

use super::{SeriesRead, SeriesView, StreamRead, View, gather};
use crate::block::Block;
use crate::summary;
use crate::windows::{WINDOW_MS, window_end, window_of, window_start};

/// A stream by its place and kind.
type Place = (u32, Kind);

impl View {
    /// Like [`View::read_series`], but of what lies well before the range only what a lens needs to know: running
    /// totals, and the last points of gauges. The points before the range are not those that were written.
    pub fn read_condensed(&self, series: &SeriesView, millis: RangeInclusive<i64>) -> SeriesRead {
        let read = self.read_all_condensed(std::slice::from_ref(series), millis).pop();
        read.expect("as many as were asked for")
    }

    /// The same for many series at once, which is cheaper. All of their points are in memory then, so the caller
    /// chooses how many.
    pub fn read_all_condensed(&self, series: &[SeriesView], millis: RangeInclusive<i64>) -> Vec<SeriesRead> {
        let streams = series.iter().flat_map(|series| &series.streams);
        let places: Vec<Place> = streams.map(|(_, kind, place)| (*place, *kind)).collect();
        // What was long ago says nothing of a sample now, so its last one may be anywhere.
        let (samples, others): (Vec<_>, Vec<_>) =
            (0..places.len()).partition(|number| places[*number].1 == Kind::Sample);
        let mut reads = vec![StreamRead::default(); places.len()];
        let pick =
            |numbers: &[usize]| -> Vec<Place> { numbers.iter().map(|number| places[*number]).collect() };
        let whole = self.read_many(&pick(&samples), i64::MIN..=*millis.end());
        let short = self.read_short(&pick(&others), millis);
        for (number, read) in samples.into_iter().zip(whole).chain(others.into_iter().zip(short)) {
            reads[number] = read;
        }
        let mut reads = reads.into_iter();
        series.iter().map(|one| gather(one, reads.by_ref().take(one.streams.len()))).collect()
    }

    fn read_short(&self, streams: &[Place], millis: RangeInclusive<i64>) -> Vec<StreamRead> {
        let first_full = summary::first_full_window(*millis.start());
        let mut reads = self.read_past(streams, first_full);
        let full = (*millis.start()).min(window_start(first_full))..=*millis.end();
        for (read, later) in reads.iter_mut().zip(self.read_many(streams, full)) {
            read.add(later);
            read.settle();
        }
        reads
    }

    /// What later windows need of the streams' windows before `first_full`.
    fn read_past(&self, streams: &[Place], first_full: i64) -> Vec<StreamRead> {
        let mut reads = vec![StreamRead::default(); streams.len()];
        let oldest = self.horizon_ms.div_euclid(WINDOW_MS);
        if self.horizon_ms > i64::MIN {
            self.add_greatest_below_horizon(streams, i64::MAX, &mut reads);
        }
        if first_full <= oldest {
            return reads;
        }
        let fresh: Vec<BTreeSet<i64>> = streams.iter().map(|stream| self.fresh_windows(*stream)).collect();
        let windows = self.windows.iter().map(|(window, _)| window).chain(fresh.iter().flatten().copied());
        let windows: BTreeSet<i64> = windows.filter(|window| (oldest..first_full).contains(window)).collect();
        let mut whole: Vec<(RangeInclusive<i64>, Vec<usize>)> = Vec::new();
        for window in windows {
            let summary = self.windows.summary(window);
            let (fresh, mut sealed): (Vec<usize>, Vec<usize>) =
                (0..streams.len()).partition(|number| summary.is_none() || fresh[*number].contains(&window));
            sealed.sort_unstable_by_key(|number| streams[*number].0);
            let unread = summary.map(|block| read_summary(block, streams, &sealed, &mut reads));
            let numbers = [fresh, unread.unwrap_or_default()].concat();
            match whole.last_mut() {
                Some((windows, same)) if *windows.end() == window - 1 && *same == numbers => {
                    *windows = *windows.start()..=window;
                }
                _ => whole.push((window..=window, numbers)),
            }
        }
        for (windows, numbers) in whole.into_iter().filter(|(_, numbers)| !numbers.is_empty()) {
            self.read_windows(windows, streams, &numbers, &mut reads);
        }
        for ((place, _), read) in streams.iter().zip(&mut reads) {
            self.note_marks(*place, oldest..=first_full - 1, read);
        }
        reads
    }

    /// The windows in which a stream has points that are in no block yet.
    fn fresh_windows(&self, (place, kind): Place) -> BTreeSet<i64> {
        let mut points = Vec::new();
        self.memtables.iter().for_each(|memtable| memtable.read(place, &mut points));
        points.iter().map(|point| window_of(kind, point.time)).collect()
    }

    /// Adds all points of some of the streams in some windows.
    fn read_windows(
        &self,
        windows: RangeInclusive<i64>,
        streams: &[Place],
        numbers: &[usize],
        reads: &mut [StreamRead],
    ) {
        let wanted: Vec<Place> = numbers.iter().map(|number| streams[*number]).collect();
        let millis = window_start(*windows.start())..=window_end(*windows.end());
        for (number, read) in numbers.iter().zip(self.read_within(&wanted, millis)) {
            reads[*number].add(read);
        }
    }
}

impl StreamRead {
    fn add(&mut self, more: StreamRead) {
        self.points.extend(more.points);
        self.damage.extend(more.damage);
    }
}

/// Adds what a summary has of some streams, given in order of place; gives those of which it cannot be read, which
/// costs nothing but time.
fn read_summary(block: &Block, streams: &[Place], numbers: &[usize], reads: &mut [StreamRead]) -> Vec<usize> {
    let places: Vec<u32> = numbers.iter().map(|number| streams[*number].0).collect();
    let mut found: Vec<Vec<Point>> = vec![Vec::new(); numbers.len()];
    let rot = block.read_many(&places, i64::MIN..=i64::MAX, |place, times, values| {
        let at = places.partition_point(|before| *before < place);
        found[at].extend(times.iter().zip(values).map(|(time, value)| Point::new(*time, *value)));
    });
    let mut unread = Vec::new();
    for (number, points) in numbers.iter().zip(found) {
        if rot.iter().any(|rot| rot.places.contains(&streams[*number].0)) {
            unread.push(*number);
        } else {
            reads[*number].points.extend(points);
        }
    }
    unread
}
