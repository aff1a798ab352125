//! The streams as arrays by place. A series knows its first stream; a second one hangs on a chain and stands in
//! a small table besides, so that one stream a series, the common case, costs neither, and ten thousand
//! writers of one series are still found at once.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use roaring::RoaringBitmap;
use shoal_model::{Kind, Writer};

use super::writers::Writers;

/// No stream: the end of a chain, or a series without one.
const NONE: u32 = u32::MAX;

/// A place where no stream is.
pub(super) const FREE: u8 = 0;

/// Series, writer and kind by place, and places by series.
#[derive(Default)]
pub(super) struct Streams {
    pub(super) writers: Writers,
    pub(super) series: Vec<u32>,
    pub(super) writer: Vec<u32>,
    pub(super) kind: Vec<u8>,
    /// The next stream of the same series.
    next: Vec<u32>,
    /// The first stream of each series.
    heads: Vec<u32>,
    /// The streams that are not the first of their series.
    others: HashTable<u32>,
    hasher: DefaultHashBuilder,
    free: RoaringBitmap,
}

impl Streams {
    /// The place of a stream.
    pub(super) fn find(&self, series: u32, writer: &Writer, kind: Kind) -> Option<u32> {
        let head = self.heads.get(series as usize).copied().filter(|head| *head != NONE)?;
        let key = (series, self.writers.find(writer)?, kind as u8);
        if self.key(head) == Some(key) {
            return Some(head);
        }
        self.others.find(self.hasher.hash_one(key), |place| self.key(*place) == Some(key)).copied()
    }

    /// The place that the next new stream gets: the least that is free.
    pub(super) fn next_place(&self) -> u32 {
        self.free.min().unwrap_or(self.kind.len() as u32)
    }

    /// How many places there are, free ones included.
    pub(super) fn places(&self) -> u32 {
        self.kind.len() as u32
    }

    /// The places that are not free.
    pub(super) fn live_places(&self) -> RoaringBitmap {
        let mut places = RoaringBitmap::new();
        places.insert_range(0..self.places());
        places - &self.free
    }

    /// Makes a place, which is free at first.
    pub(super) fn add_place(&mut self) {
        let place = u32::try_from(self.kind.len()).ok().filter(|place| *place != NONE);
        self.free.insert(place.expect("memory ends before four billion streams"));
        self.series.push(0);
        self.writer.push(0);
        self.kind.push(FREE);
        self.next.push(NONE);
    }

    /// Puts a new stream at a free place.
    pub(super) fn insert(&mut self, place: u32, series: u32, writer: Writer, kind: Kind) {
        let was_free = self.free.remove(place);
        assert!(was_free, "a stream is put at a free place");
        let index = place as usize;
        self.series[index] = series;
        self.writer[index] = self.writers.acquire(writer);
        self.kind[index] = kind as u8;
        if self.heads.len() <= series as usize {
            self.heads.resize(series as usize + 1, NONE);
        }
        self.link(place, series);
    }

    /// Hangs a place behind the head of its series, or makes it the head.
    fn link(&mut self, place: u32, series: u32) {
        let head = self.heads[series as usize];
        if head == NONE {
            self.heads[series as usize] = place;
            self.next[place as usize] = NONE;
            return;
        }
        self.next[place as usize] = std::mem::replace(&mut self.next[head as usize], place);
        let Self { others, hasher, series, writer, kind, .. } = self;
        let hash = |place: &u32| hasher.hash_one(key_at(series, writer, kind, *place));
        others.insert_unique(hash(&place), place, hash);
    }

    /// Frees places; the series that are left without a stream, in order.
    pub(super) fn remove(&mut self, places: &RoaringBitmap) -> RoaringBitmap {
        let series: RoaringBitmap =
            places.iter().filter_map(|place| self.key(place)).map(|(series, ..)| series).collect();
        let mut bare = RoaringBitmap::new();
        for series in series {
            self.relink(series, places);
            if self.heads[series as usize] == NONE {
                bare.insert(series);
            }
        }
        bare
    }

    /// Takes a series' chain apart and puts together what stays.
    fn relink(&mut self, series: u32, leaving: &RoaringBitmap) {
        let chain: Vec<u32> = self.of_series(series).collect();
        for place in &chain {
            let hash = self.hasher.hash_one(self.key(*place).expect("a chain holds streams"));
            if let Ok(entry) = self.others.find_entry(hash, |other| other == place) {
                entry.remove();
            }
        }
        self.heads[series as usize] = NONE;
        for place in chain {
            if leaving.contains(place) {
                self.writers.release(self.writer[place as usize]);
                self.kind[place as usize] = FREE;
                self.next[place as usize] = NONE;
                self.free.insert(place);
            } else {
                self.link(place, series);
            }
        }
    }

    /// The places of a series' streams, in no order that means anything.
    pub(super) fn of_series(&self, series: u32) -> impl Iterator<Item = u32> {
        let at = |place: u32| Some(place).filter(|place| *place != NONE);
        let head = self.heads.get(series as usize).copied().and_then(at);
        std::iter::successors(head, move |place| self.next.get(*place as usize).copied().and_then(at))
    }

    /// The series of the stream at a place.
    pub(super) fn series(&self, place: u32) -> Option<u32> {
        self.key(place).map(|(series, ..)| series)
    }

    /// The writer of the stream at a place.
    pub(super) fn writer(&self, place: u32) -> Option<Writer> {
        self.key(place).and_then(|(_, writer, _)| self.writers.writer(writer))
    }

    /// The kind of the stream at a place.
    pub(super) fn kind(&self, place: u32) -> Option<Kind> {
        self.kind.get(place as usize).copied().and_then(Kind::from_code)
    }

    /// What a snapshot holds: series, writer number and kind by place, all of which must make sense.
    pub(super) fn restore(writers: Vec<Writer>, series: Vec<u32>, writer: Vec<u32>, kind: Vec<u8>) -> Self {
        let mut uses = vec![0; writers.len()];
        let mut free = RoaringBitmap::new();
        let mut series_max = 0;
        for (place, kind) in (0..).zip(&kind) {
            if *kind == FREE {
                free.insert(place);
            } else {
                uses[writer[place as usize] as usize] += 1;
                series_max = series_max.max(series[place as usize]);
            }
        }
        let next = vec![NONE; kind.len()];
        let heads = vec![NONE; series_max as usize + 1];
        let writers = Writers::restore(writers, uses);
        let mut streams = Self { writers, series, writer, kind, next, heads, free, ..Self::default() };
        for place in 0..streams.places() {
            if let Some(series) = streams.series(place) {
                streams.link(place, series);
            }
        }
        streams
    }

    /// How many streams there are.
    pub(super) fn len(&self) -> usize {
        self.kind.len() - self.free.len() as usize
    }

    /// About how much memory the streams take.
    pub(super) fn memory_bytes(&self) -> usize {
        let words = [&self.series, &self.writer, &self.next, &self.heads];
        words.map(|words| words.capacity() * 4).iter().sum::<usize>()
            + self.kind.capacity()
            + self.others.allocation_size()
            + self.free.serialized_size()
            + self.writers.memory_bytes()
    }

    /// Series, writer and kind as numbers; `None` for a place without a stream.
    fn key(&self, place: u32) -> Option<(u32, u32, u8)> {
        let kind = self.kind.get(place as usize).copied().filter(|kind| *kind != FREE)?;
        Some((*self.series.get(place as usize)?, *self.writer.get(place as usize)?, kind))
    }
}

fn key_at(series: &[u32], writer: &[u32], kind: &[u8], place: u32) -> (u32, u32, u8) {
    (series[place as usize], writer[place as usize], kind[place as usize])
}
