//! The columns of times that a block being written can still share. The streams of one scrape have the same
//! times and mostly follow each other, so a bounded memory of recent columns finds nearly all of them. It grows
//! with what is put into it: most blocks are small.

use super::index::Column;

/// Columns remembered: at 480 points each they take 4 MB.
const SLOTS_MAX: usize = 1024;
/// Columns that the memory of a new block has room for.
const SLOTS_MIN: usize = 16;

/// Recently written columns, each in the one slot that its hash names.
#[derive(Debug)]
pub(super) struct Pool {
    slots: Vec<Slot>,
    newest: usize,
    /// Slots that were filled.
    filled: usize,
}

#[derive(Clone, Debug, Default)]
struct Slot {
    times: Vec<i64>,
    column: Column,
}

impl Pool {
    pub(super) fn new() -> Self {
        Self { slots: vec![Slot::default(); SLOTS_MIN], newest: 0, filled: 0 }
    }

    /// The column that holds exactly these times, if it is remembered.
    pub(super) fn find(&mut self, times: &[i64]) -> Option<Column> {
        let holds = |slot: &&Slot| slot.times == times;
        if let Some(slot) = self.slots.get(self.newest).filter(holds) {
            return Some(slot.column);
        }
        let place = self.slot_of(times);
        let slot = self.slots.get(place).filter(holds)?;
        self.newest = place;
        Some(slot.column)
    }

    /// Remembers a column, in place of what was in its slot.
    pub(super) fn insert(&mut self, times: &[i64], column: Column) {
        if self.filled >= self.slots.len() / 4 && self.slots.len() < SLOTS_MAX {
            self.grow();
        }
        self.newest = self.slot_of(times);
        if let Some(slot) = self.slots.get_mut(self.newest) {
            self.filled += usize::from(slot.times.is_empty());
            slot.times.clear();
            slot.times.extend_from_slice(times);
            slot.column = column;
        }
    }

    /// Four times the slots, each column in its new one.
    fn grow(&mut self) {
        let wider = vec![Slot::default(); self.slots.len() * 4];
        let slots = std::mem::replace(&mut self.slots, wider);
        self.filled = 0;
        for slot in slots.into_iter().filter(|slot| !slot.times.is_empty()) {
            let place = self.slot_of(&slot.times);
            if let Some(place) = self.slots.get_mut(place) {
                self.filled += usize::from(place.times.is_empty());
                *place = slot;
            }
        }
    }

    /// Hashes the length and up to eight of the times: all of them are compared anyway.
    fn slot_of(&self, times: &[i64]) -> usize {
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        let step = times.len() / 8 + 1;
        let mix = |state: u64, word: u64| (state.rotate_left(23) ^ word).wrapping_mul(SPREAD);
        let hash =
            times.iter().step_by(step).fold(times.len() as u64, |state, time| mix(state, *time as u64));
        (hash >> 32) as usize % self.slots.len()
    }
}
