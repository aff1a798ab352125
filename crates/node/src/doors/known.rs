//! Series that were written before, by the very bytes of their labels on the wire: a hash of them leads to the
//! stream's place, and no label is looked at. The hash is seeded anew by each process and is a key of this cache,
//! never an identity. Who could make two series share one may write to both anyway.

use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use hashbrown::HashTable;
use shoal_model::Writer;
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

/// Entries kept beyond those of the streams that there are: a series may be spelled in several ways.
const SPELLINGS_MAX: usize = 1 << 16;

/// The hash of a series' bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    slot: u64,
    check: u32,
}

#[derive(Clone, Copy)]
struct Entry {
    slot: u64,
    check: u32,
    place: u32,
}

/// The entries lie in the order in which they were first met, and senders repeat that order: where one was found, the
/// next is likely behind it, and no table is looked into.
#[derive(Default)]
struct Places {
    revision: u64,
    entries: Vec<Entry>,
    /// Where each entry lies.
    table: HashTable<u32>,
}

/// The cache.
pub struct KnownSeries {
    seed: u64,
    places: RwLock<Places>,
}

/// Look-ups of one moment.
pub(super) struct Lookup<'a> {
    places: RwLockReadGuard<'a, Places>,
    /// Where the next entry is expected.
    next: usize,
}

impl Default for KnownSeries {
    fn default() -> Self {
        Self { seed: rand::random(), places: RwLock::default() }
    }
}

impl KnownSeries {
    /// What keys are hashed with: another for each writer.
    pub(super) fn seed(&self, writer: Writer) -> u64 {
        if writer == Writer::NONE { self.seed } else { xxh3_64_with_seed(&writer.0, self.seed) }
    }

    /// For looking up.
    pub(super) fn read(&self) -> Lookup<'_> {
        Lookup { places: self.places.read().unwrap_or_else(PoisonError::into_inner), next: 0 }
    }

    /// Forgets what was found at another revision.
    pub(super) fn forget_before(&self, revision: u64) {
        self.remember(revision, 0, std::iter::empty());
    }

    /// Remembers places that were found at a revision of the catalogue. What was found at another one is forgotten.
    pub(super) fn remember(&self, revision: u64, streams: usize, found: impl Iterator<Item = (Key, u32)>) {
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        if places.revision != revision || places.entries.len() > 2 * streams + SPELLINGS_MAX {
            *places = Places { revision, ..Places::default() };
        }
        found.for_each(|(key, place)| places.put(key, place));
    }
}

impl Places {
    fn find(&self, key: Key) -> Option<usize> {
        let is_same = |index: &u32| self.entries.get(*index as usize).is_some_and(|entry| entry.is(key));
        self.table.find(key.slot, is_same).map(|index| *index as usize)
    }

    fn put(&mut self, key: Key, place: u32) {
        if let Some(entry) = self.find(key).and_then(|index| self.entries.get_mut(index)) {
            entry.place = place;
            return;
        }
        let (index, Key { slot, check }) = (self.entries.len() as u32, key);
        self.entries.push(Entry { slot, check, place });
        let slot_of = |index: &u32| self.entries.get(*index as usize).map_or(0, |entry| entry.slot);
        self.table.insert_unique(slot, index, slot_of);
    }
}

impl Entry {
    fn is(&self, key: Key) -> bool {
        self.slot == key.slot && self.check == key.check
    }
}

impl Key {
    pub(super) fn new(seed: u64, bytes: &[u8]) -> Self {
        let hash = xxh3_128_with_seed(bytes, seed);
        Self { slot: hash as u64, check: (hash >> 64) as u32 }
    }
}

impl Lookup<'_> {
    /// At which revision of the catalogue the places were found.
    pub(super) fn revision(&self) -> u64 {
        self.places.revision
    }

    /// The place of a series; quickest for the one that was met first after the last one asked for.
    pub(super) fn place(&mut self, key: Key) -> Option<u32> {
        if self.places.entries.get(self.next).is_none_or(|entry| !entry.is(key)) {
            self.next = self.places.find(key)?;
        }
        self.next += 1;
        self.places.entries.get(self.next - 1).map(|entry| entry.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_by_bytes_and_writer_until_the_revision_changes() {
        let known = KnownSeries::default();
        let (none, other) = (known.seed(Writer::NONE), known.seed(Writer([1; 16])));
        known.remember(0, 1, [(Key::new(none, b"a"), 7)].into_iter());
        assert_eq!(known.read().place(Key::new(none, b"a")), Some(7));
        assert_eq!(known.read().place(Key::new(none, b"b")), None);
        assert_eq!(known.read().place(Key::new(other, b"a")), None);
        known.remember(1, 1, [(Key::new(none, b"b"), 8)].into_iter());
        assert_eq!(known.read().place(Key::new(none, b"a")), None);
        assert_eq!((known.read().revision(), known.read().place(Key::new(none, b"b"))), (1, Some(8)));
    }

    #[test]
    fn places_are_found_in_any_order() {
        let known = KnownSeries::default();
        let seed = known.seed(Writer::NONE);
        let key = |n: u32| Key::new(seed, &n.to_le_bytes());
        known.remember(0, 100, (0..100).map(|n| (key(n), n)));
        known.remember(0, 100, (0..100).step_by(2).map(|n| (key(n), 1_000 + n)));
        let expected = |n: u32| Some(if n.is_multiple_of(2) { 1_000 + n } else { n });
        let mut lookup = known.read();
        for n in (0..100).chain((0..100).rev()).chain([7, 7, 99, 0, 1, 2, 50]) {
            assert_eq!(lookup.place(key(n)), expected(n), "{n}");
        }
        assert_eq!((lookup.place(key(100)), lookup.place(key(3))), (None, Some(3)));
        assert_eq!(lookup.places.entries.len(), 100);
    }

    #[test]
    fn spellings_without_end_do_not_take_memory_without_end() {
        let known = KnownSeries::default();
        let seed = known.seed(Writer::NONE);
        for n in 0..3 * SPELLINGS_MAX as u64 {
            known.remember(0, 0, [(Key::new(seed, &n.to_le_bytes()), 1)].into_iter());
            assert!(known.read().places.entries.len() <= SPELLINGS_MAX + 1);
        }
    }
}
