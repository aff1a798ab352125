//! Decoding of chunks: a stream's values, and the column of times that they share with their neighbours, which
//! is decoded once.

use std::ops::Range;

use crate::codec::{decode_times, decode_values};
use crate::disk::DiskFile;

use super::index::{Column, Entry};
use super::rot::{Part, checked};
use super::stretch::Stretch;

/// Decoded columns remembered, each in the one slot that its offset names.
const SLOTS: usize = 64;
/// The offset of no column.
const NONE: u64 = u64::MAX;

/// The chunk that was decoded last.
#[derive(Debug)]
pub(super) struct ChunkReader {
    slots: Vec<Slot>,
    current: usize,
    values: Vec<f64>,
    aside: Stretch,
}

#[derive(Clone, Debug)]
struct Slot {
    offset: u64,
    times: Vec<i64>,
}

impl ChunkReader {
    pub(super) fn new() -> Self {
        let empty = Slot { offset: NONE, times: Vec::new() };
        Self { slots: vec![empty; SLOTS], current: 0, values: Vec::new(), aside: Stretch::default() }
    }

    /// The times of the chunk, ascending.
    pub(super) fn times(&self) -> &[i64] {
        self.slots.get(self.current).map_or(&[], |slot| &slot.times)
    }

    /// The values at those times, as many.
    pub(super) fn values(&self) -> &[f64] {
        &self.values
    }

    /// Decodes a chunk, from a stretch where that holds it and else from the file.
    pub(super) fn load(&mut self, file: &dyn DiskFile, stretch: &Stretch, entry: &Entry) -> Result<(), Part> {
        self.load_times(file, stretch, &entry.column)?;
        self.values.clear();
        let bytes = part(file, stretch, &mut self.aside, entry.range(), Part::Values)?;
        decode_values(bytes, entry.column.points, &mut self.values).map_err(|_| Part::Values)?;
        if self.values.len() == self.times().len() { Ok(()) } else { Err(Part::Values) }
    }

    fn load_times(&mut self, file: &dyn DiskFile, stretch: &Stretch, column: &Column) -> Result<(), Part> {
        self.current = slot_of(column.offset);
        let slot = self.slots.get_mut(self.current).expect("a slot for every hash");
        if slot.offset != column.offset {
            slot.offset = NONE;
            slot.times.clear();
            let bytes = part(file, stretch, &mut self.aside, column.range(), Part::Times)?;
            decode_times(bytes, column.points, &mut slot.times).map_err(|_| Part::Times)?;
            if !slot.times.is_sorted_by(|a, b| a < b) {
                return Err(Part::Times);
            }
            slot.offset = column.offset;
        }
        let ends = (slot.times.first(), slot.times.last());
        let agrees = slot.times.len() == column.points && ends == (Some(&column.first), Some(&column.last));
        if agrees { Ok(()) } else { Err(Part::Times) }
    }
}

/// The bytes of a part, its checksum verified.
fn part<'a>(
    file: &dyn DiskFile,
    stretch: &'a Stretch,
    aside: &'a mut Stretch,
    range: Range<u64>,
    part: Part,
) -> Result<&'a [u8], Part> {
    let bytes = match stretch.get(&range) {
        Some(bytes) => bytes,
        None => {
            aside.load(file, range.clone()).map_err(|_| part)?;
            aside.get(&range).unwrap_or_default()
        }
    };
    checked(bytes).map_err(|_| part)
}

fn slot_of(offset: u64) -> usize {
    (offset.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % SLOTS
}
