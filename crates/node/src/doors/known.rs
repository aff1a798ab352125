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

#[derive(Default)]
struct Places {
    revision: u64,
    table: HashTable<Entry>,
}

/// The cache.
pub struct KnownSeries {
    seed: u64,
    places: RwLock<Places>,
}

/// Look-ups of one moment.
pub(super) struct Lookup<'a>(RwLockReadGuard<'a, Places>);

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
        Lookup(self.places.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Forgets what was found at another revision.
    pub(super) fn forget_before(&self, revision: u64) {
        self.remember(revision, 0, std::iter::empty());
    }

    /// Remembers places that were found at a revision of the catalogue. What was found at another one is forgotten.
    pub(super) fn remember(&self, revision: u64, streams: usize, found: impl Iterator<Item = (Key, u32)>) {
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        if places.revision != revision || places.table.len() > 2 * streams + SPELLINGS_MAX {
            *places = Places { revision, ..Places::default() };
        }
        for (Key { slot, check }, place) in found {
            let is_same = |entry: &Entry| entry.slot == slot && entry.check == check;
            let entry = places.table.entry(slot, is_same, |entry| entry.slot);
            entry.insert(Entry { slot, check, place });
        }
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
        self.0.revision
    }

    pub(super) fn place(&self, key: Key) -> Option<u32> {
        let is_same = |entry: &Entry| entry.slot == key.slot && entry.check == key.check;
        self.0.table.find(key.slot, is_same).map(|entry| entry.place)
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
    fn spellings_without_end_do_not_take_memory_without_end() {
        let known = KnownSeries::default();
        let seed = known.seed(Writer::NONE);
        for n in 0..3 * SPELLINGS_MAX as u64 {
            known.remember(0, 0, [(Key::new(seed, &n.to_le_bytes()), 1)].into_iter());
            assert!(known.read().0.table.len() <= SPELLINGS_MAX + 1);
        }
    }
}
