//! Which series there are in a range of time, told by the indexes alone: no chunk is read, so a chunk that reaches
//! into the range counts as a point in it.

use std::ops::RangeInclusive;

use shoal_model::{Kind, Matcher};

use super::{SeriesView, View, axis, read_memtable, window};

impl View {
    /// The names of the labels of the series that all matchers fit, sorted, whether these have points or not.
    pub fn label_names(&self, matchers: &[Matcher]) -> Vec<String> {
        self.catalogue.read().label_names(matchers)
    }

    /// The values of one label of the series that all matchers fit, sorted, whether these have points or not.
    pub fn label_values(&self, name: &str, matchers: &[Matcher]) -> Vec<String> {
        self.catalogue.read().label_values(name, matchers)
    }

    /// Whether each series has points in a range of ms, or damage may hide some. Some at a time: what is known of
    /// each of their chunks is in memory meanwhile.
    pub fn present(&self, series: &[SeriesView], millis: RangeInclusive<i64>) -> Vec<bool> {
        let millis = (*millis.start()).max(self.horizon_ms)..=*millis.end();
        let mut present = vec![false; series.len()];
        if millis.is_empty() {
            return present;
        }
        for is_delta in [false, true] {
            let streams = series.iter().enumerate().flat_map(|(number, one)| {
                let streams = one.streams.iter().filter(|stream| (stream.1 == Kind::Delta) == is_delta);
                streams.map(move |(_, _, place)| (*place, number))
            });
            let mut wanted: Vec<(u32, usize)> = streams.collect();
            wanted.sort_unstable();
            let kind = if is_delta { Kind::Delta } else { Kind::Sample };
            self.mark_present(kind, &wanted, &millis, &mut present);
        }
        present
    }

    /// Marks the series of streams on one axis: places in ascending order, each with the number of its series.
    fn mark_present(
        &self,
        kind: Kind,
        wanted: &[(u32, usize)],
        millis: &RangeInclusive<i64>,
        present: &mut [bool],
    ) {
        let places: Vec<u32> = wanted.iter().map(|(place, _)| *place).collect();
        let (from, to) = (*millis.start(), *millis.end());
        let axis = axis(kind, from, to);
        let mut mark = |places: RangeInclusive<u32>| {
            let first = wanted.partition_point(|(place, _)| place < places.start());
            let hit = wanted[first..].iter().take_while(|(place, _)| places.contains(place));
            hit.for_each(|(_, number)| present[*number] = true);
        };
        if wanted.is_empty() {
            return;
        }
        for block in self.windows.range(window(from)..=window(to)) {
            for rot in block.touched(&places, axis.clone(), |place| mark(place..=place)) {
                mark(rot.places);
            }
        }
        for damage in self.damage.within(window(from)..=window(to)) {
            mark(damage.first..=damage.last);
        }
        let mut points = Vec::new();
        for (place, number) in wanted {
            if !present[*number] {
                points.clear();
                self.memtables
                    .iter()
                    .for_each(|memtable| read_memtable(memtable, *place, &axis, &mut points));
                present[*number] = !points.is_empty();
            }
        }
    }
}
