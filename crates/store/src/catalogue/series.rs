//! The series as arrays by number: their identities, and their labels as varint symbol pairs in one arena. A
//! number whose series is gone is given out again; what its labels took stays in the arena until the
//! catalogue tidies up.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use roaring::RoaringBitmap;
use shoal_model::SeriesId;

use crate::bytes::{Reader, put_varint};

/// Identities and labels by number, and numbers by identity.
#[derive(Default)]
pub(super) struct SeriesTable {
    pub(super) ids: Vec<SeriesId>,
    starts: Vec<u64>,
    arena: Vec<u8>,
    dead_bytes: usize,
    free: RoaringBitmap,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl SeriesTable {
    /// The number of a series.
    pub(super) fn find(&self, id: &SeriesId) -> Option<u32> {
        self.table.find(hash(&self.hasher, id), |number| self.ids.get(*number as usize) == Some(id)).copied()
    }

    /// Takes in a series that is known to be new.
    pub(super) fn push(&mut self, id: SeriesId, pairs: &[(u32, u32)]) -> u32 {
        let start = self.arena.len() as u64;
        put_pairs(&mut self.arena, pairs);
        let number = match self.free.min() {
            Some(number) => {
                self.free.remove(number);
                self.ids[number as usize] = id;
                self.starts[number as usize] = start;
                number
            }
            None => {
                let number = u32::try_from(self.ids.len()).expect("memory ends before four billion series");
                self.ids.push(id);
                self.starts.push(start);
                number
            }
        };
        let Self { ids, table, hasher, .. } = self;
        table.insert_unique(hash(hasher, &id), number, |other| hash(hasher, &ids[*other as usize]));
        number
    }

    /// Forgets a series; its number may be given out again.
    pub(super) fn remove(&mut self, number: u32) {
        self.dead_bytes += self.encoded(number).len();
        let id = self.ids[number as usize];
        if let Ok(entry) = self.table.find_entry(hash(&self.hasher, &id), |other| *other == number) {
            entry.remove();
        }
        self.ids[number as usize] = SeriesId([0; 16]);
        self.free.insert(number);
    }

    /// The identity of a series.
    pub(super) fn id(&self, number: u32) -> Option<SeriesId> {
        self.ids.get(number as usize).copied()
    }

    /// The symbols of a series' labels, in order of name.
    pub(super) fn pairs(&self, number: u32) -> impl Iterator<Item = (u32, u32)> {
        let start = self.starts.get(number as usize).map_or(usize::MAX, |start| *start as usize);
        let mut reader = Reader::new(self.arena.get(start..).unwrap_or_default());
        let count = reader.varint32().unwrap_or(0);
        (0..count).map_while(move |_| Some((reader.varint32().ok()?, reader.varint32().ok()?)))
    }

    /// The bytes of a series' labels in the arena.
    pub(super) fn encoded(&self, number: u32) -> &[u8] {
        let start = self.starts.get(number as usize).map_or(usize::MAX, |start| *start as usize);
        let arena = self.arena.get(start..).unwrap_or_default();
        let mut reader = Reader::new(arena);
        let count = reader.varint32().unwrap_or(0);
        let whole = (0..count * 2).all(|_| reader.varint32().is_ok());
        debug_assert!(whole, "the arena holds what was put in");
        arena.get(..arena.len() - reader.rest().len()).unwrap_or_default()
    }

    /// Puts a new arena in place of the old: `rewrite` turns each live series' pairs into the new ones.
    pub(super) fn rewrite(&mut self, mut rewrite: impl FnMut((u32, u32)) -> (u32, u32)) {
        let mut arena = Vec::with_capacity(self.arena.len() - self.dead_bytes);
        for number in 0..self.ids.len() as u32 {
            if !self.free.contains(number) {
                let pairs: Vec<(u32, u32)> = self.pairs(number).map(&mut rewrite).collect();
                self.starts[number as usize] = arena.len() as u64;
                put_pairs(&mut arena, &pairs);
            }
        }
        self.arena = arena;
        self.dead_bytes = 0;
    }

    /// A table of what a snapshot holds: identities by number, and the labels of the series that live, in order
    /// of number. The labels must have been found whole.
    pub(super) fn restore(
        ids: Vec<SeriesId>,
        live: &RoaringBitmap,
        arena: Vec<u8>,
        starts: Vec<u64>,
    ) -> Self {
        let mut table = HashTable::with_capacity(live.len() as usize);
        let hasher = DefaultHashBuilder::default();
        for number in live {
            if let Some(id) = ids.get(number as usize) {
                let rehash = |other: &u32| ids.get(*other as usize).map_or(0, |id| hash(&hasher, id));
                table.insert_unique(hash(&hasher, id), number, rehash);
            }
        }
        let mut free = RoaringBitmap::new();
        free.insert_range(0..u32::try_from(ids.len()).unwrap_or(u32::MAX));
        free -= live;
        Self { ids, starts, arena, dead_bytes: 0, free, table, hasher }
    }

    /// How many series there are.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Bytes in the arena of series that are gone, and of all.
    pub(super) fn dead_and_all_bytes(&self) -> (usize, usize) {
        (self.dead_bytes, self.arena.len())
    }

    /// About how much memory the table takes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.ids.capacity() * 16
            + self.starts.capacity() * 8
            + self.arena.capacity()
            + self.free.serialized_size()
            + self.table.allocation_size()
    }
}

fn hash(hasher: &DefaultHashBuilder, id: &SeriesId) -> u64 {
    hasher.hash_one(u128::from_le_bytes(id.0))
}

fn put_pairs(out: &mut Vec<u8>, pairs: &[(u32, u32)]) {
    put_varint(out, pairs.len() as u64);
    for (name, value) in pairs {
        put_varint(out, u64::from(*name));
        put_varint(out, u64::from(*value));
    }
}
