//! The catalogue: which series and streams there are, found by identity or by label. A place is this node's
//! own number for a stream; blocks on its disk refer to it, and it never leaves the node. Everything is kept as
//! arrays and sets of numbers: about a hundred bytes a stream.

pub(crate) mod file;
mod order;
mod pattern;
mod postings;
mod select;
mod series;
mod streams;
mod symbols;
mod writers;

mod shared;

pub use file::{CatalogueError, CatalogueFile};
pub use shared::SharedCatalogue;

use roaring::RoaringBitmap;
use shoal_merge::StreamMix;
use shoal_model::{Family, Kind, Labels, SeriesId, Stream, StreamId, Writer};

use crate::block::ShardMix;
use postings::Postings;
use series::SeriesTable;
use streams::Streams;
use symbols::Symbols;

/// Bytes of labels that are gone and not worth tidying up for.
const DEAD_BYTES_KEPT: usize = 4096;

/// A series that was selected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesEntry {
    /// Its labels.
    pub labels: Labels,
    /// Its streams in order of (writer, kind), with their places.
    pub streams: Vec<(Writer, Kind, u32)>,
}

/// All series and streams that this node knows.
#[derive(Default)]
pub struct Catalogue {
    symbols: Symbols,
    series: SeriesTable,
    postings: Postings,
    streams: Streams,
    /// The places that changed since the log was last appended to.
    touched: RoaringBitmap,
    revision: u64,
}

impl Catalogue {
    /// The place of a stream, if it is known.
    pub fn place(&self, id: &StreamId) -> Option<u32> {
        self.streams.find(self.series.find(&id.series)?, &id.writer, id.kind)
    }

    /// The place of a stream, which is taken in if it is new: at the least place that is free. `id` is the
    /// stream's own, computed by the caller.
    pub fn define(&mut self, stream: &Stream, id: &StreamId) -> u32 {
        debug_assert_eq!(stream.id(), *id, "the identity is the stream's own");
        if let Some(place) = self.place(id) {
            return place;
        }
        let place = self.streams.next_place();
        if place == self.streams.places() {
            self.streams.add_place();
        }
        self.put(place, &stream.labels, id);
        self.touched.insert(place);
        place
    }

    /// Changes whenever a place that was found before may belong to another stream by now, or its series to two
    /// families: whoever remembers places looks them up anew then.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The stream at a place.
    pub fn stream(&self, place: u32) -> Option<Stream> {
        let labels = self.labels(self.streams.series(place)?)?;
        Some(Stream { labels, writer: self.streams.writer(place)?, kind: self.streams.kind(place)? })
    }

    /// The identity of the stream at a place.
    pub fn id(&self, place: u32) -> Option<StreamId> {
        let series = self.series.id(self.streams.series(place)?)?;
        Some(StreamId { series, writer: self.streams.writer(place)?, kind: self.streams.kind(place)? })
    }

    /// The kind of the stream at a place.
    pub fn kind(&self, place: u32) -> Option<Kind> {
        self.streams.kind(place)
    }

    /// The stream's part of every digest of its points, computed anew each time.
    pub fn mix(&self, place: u32) -> Option<StreamMix> {
        self.id(place).map(|id| StreamMix::new(&id))
    }

    /// What digests know of the stream: its shard, the first byte of the series id, and its part of the mix.
    pub fn shard_mix(&self, place: u32) -> Option<ShardMix> {
        let id = self.id(place)?;
        let [shard, ..] = id.series.0;
        Some(ShardMix { shard, mix: StreamMix::new(&id) })
    }

    /// The first family in rank among a series' streams.
    pub fn family(&self, series: &SeriesId) -> Option<Family> {
        let places = self.streams.of_series(self.series.find(series)?);
        places.filter_map(|place| self.streams.kind(place)).map(Kind::family).min()
    }

    /// Forgets streams that live nowhere any more: their places are given out again, and a series without
    /// streams is no longer found.
    pub fn recycle(&mut self, places: &RoaringBitmap) {
        self.revision += 1;
        let places = places & self.live_places();
        self.free(&places);
        self.touched |= places;
        self.tidy_if_due();
    }

    /// The places that hold streams.
    pub fn live_places(&self) -> RoaringBitmap {
        self.streams.live_places()
    }

    /// All places are below this number; some may be free.
    pub fn places(&self) -> u32 {
        self.streams.places()
    }

    /// How many series there are.
    pub fn series_count(&self) -> usize {
        self.series.len()
    }

    /// How many streams there are.
    pub fn stream_count(&self) -> usize {
        self.streams.len()
    }

    /// About how much memory the catalogue takes. Looks at every set: not for each write.
    pub fn memory_bytes(&self) -> usize {
        self.symbols.memory_bytes()
            + self.series.memory_bytes()
            + self.postings.memory_bytes()
            + self.streams.memory_bytes()
            + self.touched.serialized_size()
    }

    /// Puts a stream that is known to be new at a place that is free.
    fn put(&mut self, place: u32, labels: &Labels, id: &StreamId) {
        let known = self.series.find(&id.series);
        let is_torn =
            known.is_some() && self.family(&id.series).is_some_and(|family| family != id.kind.family());
        self.revision += u64::from(is_torn);
        debug_assert!(known.is_none_or(|series| self.labels(series).as_ref() == Some(labels)));
        let series = known.unwrap_or_else(|| self.add_series(labels, id.series));
        self.streams.insert(place, series, id.writer, id.kind);
    }

    fn add_series(&mut self, labels: &Labels, id: SeriesId) -> u32 {
        let mut pairs = Vec::with_capacity(16);
        for (name, value) in labels.iter() {
            pairs.push((self.symbols.intern(name), self.symbols.intern(value)));
        }
        let series = self.series.push(id, &pairs);
        self.postings.insert(series, &pairs);
        series
    }

    /// Frees places that all hold streams.
    fn free(&mut self, places: &RoaringBitmap) {
        for series in &self.streams.remove(places) {
            let pairs: Vec<(u32, u32)> = self.series.pairs(series).collect();
            self.postings.remove(series, &pairs);
            self.series.remove(series);
        }
    }

    fn labels(&self, series: u32) -> Option<Labels> {
        let texts = |(name, value)| (self.symbols.text(name), self.symbols.text(value));
        Labels::new(self.series.pairs(series).map(texts)).ok()
    }

    /// Once more than half of the labels' bytes are of series that are gone, builds symbols and labels anew from
    /// those that live: a pause in proportion to what was recycled since.
    fn tidy_if_due(&mut self) {
        let (dead, all) = self.series.dead_and_all_bytes();
        if dead <= DEAD_BYTES_KEPT || dead <= all / 2 {
            return;
        }
        let mut symbols = Symbols::default();
        let mut numbers = vec![None; self.symbols.len()];
        let old = &self.symbols;
        let mut renumber =
            |symbol: u32| *numbers[symbol as usize].get_or_insert_with(|| symbols.push(old.text(symbol)));
        self.series.rewrite(|(name, value)| (renumber(name), renumber(value)));
        self.postings.renumber(|symbol| numbers[symbol as usize]);
        self.symbols = symbols;
    }
}

#[cfg(test)]
mod tests;
