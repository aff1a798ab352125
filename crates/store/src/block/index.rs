//! The index of a block: for each chunk whose points they are, where its values lie and which column of times
//! they share. Pages of 64 entries with a checksum each stay on the disk; a sparse index of the pages' first
//! places is all that an open block keeps in memory.

use std::ops::{Range, RangeInclusive};

use crate::bytes::{Malformed, Reader, put_signed, put_varint};
use crate::codec::CHUNK_POINTS_MAX;

use super::rot::{checked, put_checksum};
use super::{CHECKSUM_BYTES, COLUMN_BYTES_MAX, HEADER_BYTES};

/// Entries of a page: a look-up reads and decodes one.
const PAGE_ENTRIES: usize = 64;
/// Bytes of a page, the checksum included: no entry takes more than 64, the page's own start fewer.
const PAGE_BYTES_MAX: u64 = 65 * 64;
/// Bytes of a page's start in the sparse index.
const START_BYTES: u64 = 8;

/// A column of times in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) offset: u64,
    pub(super) bytes: usize,
    pub(super) points: usize,
    pub(super) first: i64,
    pub(super) last: i64,
}

/// A chunk: one stream's values at the times of a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) place: u32,
    pub(super) offset: u64,
    pub(super) bytes: usize,
    pub(super) column: Column,
}

impl Column {
    /// Where it lies, checksum included.
    pub(super) fn range(&self) -> Range<u64> {
        self.offset..self.offset + (self.bytes + CHECKSUM_BYTES) as u64
    }
}

impl Entry {
    /// Where its values lie, checksum included.
    pub(super) fn range(&self) -> Range<u64> {
        self.offset..self.offset + (self.bytes + CHECKSUM_BYTES) as u64
    }

    /// Whether it has points in a range of times.
    pub(super) fn touches(&self, times: &RangeInclusive<i64>) -> bool {
        self.column.first <= *times.end() && self.column.last >= *times.start()
    }
}

/// How an entry names its column: as the entry before it, as the one that lies right before its values, or by
/// the distance back to it.
mod column_code {
    pub(super) const SAME: u64 = 0;
    pub(super) const FRESH: u64 = 1;
}

/// Where a page begins, and with which stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Start {
    place: u32,
    offset: u32,
}

/// An index being written; it is kept in memory until the chunks are, about four bytes a chunk.
#[derive(Debug, Default)]
pub(super) struct IndexWriter {
    pages: Vec<u8>,
    starts: Vec<u8>,
    page_start: usize,
    entries: usize,
    previous: Entry,
}

impl IndexWriter {
    /// Adds the chunk that was just written; places ascend. False where the index is too long.
    pub(super) fn push(&mut self, entry: Entry) -> bool {
        if self.entries.is_multiple_of(PAGE_ENTRIES) && !self.begin_page(&entry) {
            return false;
        }
        self.put(&entry);
        self.previous = entry;
        self.entries += 1;
        true
    }

    fn begin_page(&mut self, entry: &Entry) -> bool {
        self.end_page();
        let Ok(offset) = u32::try_from(self.pages.len()) else { return false };
        self.starts.extend_from_slice(&entry.place.to_le_bytes());
        self.starts.extend_from_slice(&offset.to_le_bytes());
        let base = if entry.column.range().end == entry.offset { entry.column.offset } else { entry.offset };
        self.previous = page_base(base);
        put_varint(&mut self.pages, base);
        true
    }

    fn end_page(&mut self) {
        if self.entries > 0 {
            put_checksum(&mut self.pages, self.page_start);
        }
        self.page_start = self.pages.len();
    }

    fn put(&mut self, entry: &Entry) {
        let (out, previous) = (&mut self.pages, &self.previous);
        let Entry { place, offset, bytes, column } = *entry;
        put_varint(out, u64::from(place - previous.place));
        put_varint(out, bytes as u64);
        if column == previous.column {
            put_varint(out, column_code::SAME);
            return;
        }
        let end = previous.range().end;
        let is_fresh = column.offset == end && column.range().end == offset;
        put_varint(
            out,
            if is_fresh { column_code::FRESH } else { column_code::FRESH + (end - column.offset) },
        );
        put_varint(out, column.bytes as u64);
        put_varint(out, column.points as u64);
        put_signed(out, column.first.wrapping_sub(previous.column.first));
        put_varint(out, column.last.wrapping_sub(column.first) as u64);
    }

    /// The pages, and the sparse index with its checksum.
    pub(super) fn finish(mut self) -> (Vec<u8>, Vec<u8>) {
        self.end_page();
        put_checksum(&mut self.starts, 0);
        (self.pages, self.starts)
    }
}

/// What stands for the entry before the first one of a page: it ends where the page's chunks begin.
fn page_base(base: u64) -> Entry {
    Entry { offset: base.saturating_sub(CHECKSUM_BYTES as u64), ..Entry::default() }
}

/// The pages' first places, and where each page lies.
#[derive(Debug)]
pub(super) struct SparseIndex {
    starts: Box<[Start]>,
    offset: u64,
    end: u64,
}

impl SparseIndex {
    /// Bytes of the sparse index of so many pages, its checksum included.
    pub(super) fn bytes(pages: u32) -> u64 {
        u64::from(pages) * START_BYTES + CHECKSUM_BYTES as u64
    }

    /// Reads the sparse index of pages that lie in a range of the file.
    pub(super) fn decode(bytes: &[u8], pages: Range<u64>) -> Result<Self, Malformed> {
        let (words, []) = checked(bytes)?.as_chunks::<8>() else { return Err(Malformed) };
        let starts: Box<[Start]> = words
            .iter()
            .map(|word| {
                let word = u64::from_le_bytes(*word);
                Start { place: word as u32, offset: (word >> 32) as u32 }
            })
            .collect();
        let index = Self { starts, offset: pages.start, end: pages.end };
        if index.is_sound() { Ok(index) } else { Err(Malformed) }
    }

    fn is_sound(&self) -> bool {
        let ascends = self.starts.is_sorted_by(|a, b| a.place <= b.place && a.offset < b.offset);
        let begins = self.starts.first().map_or(self.offset == self.end, |start| start.offset == 0);
        let fits = |page| {
            let Range { start, end } = self.page(page);
            start < end && end - start <= PAGE_BYTES_MAX
        };
        ascends && begins && (0..self.len()).all(fits)
    }

    /// How many pages there are.
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// Where the last page ends.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// The first page that a stream can be in.
    pub(super) fn page_of(&self, place: u32) -> usize {
        self.starts.partition_point(|start| start.place < place).saturating_sub(1)
    }

    /// The first place of a page; `None` behind the last page.
    pub(super) fn first_place(&self, page: usize) -> Option<u32> {
        self.starts.get(page).map(|start| start.place)
    }

    /// The places that a page can hold.
    pub(super) fn places(&self, page: usize) -> RangeInclusive<u32> {
        self.first_place(page).unwrap_or(0)..=self.first_place(page + 1).unwrap_or(u32::MAX)
    }

    /// Where a page lies in the file.
    pub(super) fn page(&self, page: usize) -> Range<u64> {
        let at = |page: usize| {
            self.starts.get(page).map_or(self.end, |start| self.offset + u64::from(start.offset))
        };
        at(page)..at(page + 1)
    }

    /// Decodes a page into `entries`, whose chunks end before `chunks_end`.
    pub(super) fn decode_page(
        &self,
        page: usize,
        bytes: &[u8],
        chunks_end: u64,
        entries: &mut Vec<Entry>,
    ) -> Result<(), Malformed> {
        entries.clear();
        let mut reader = Reader::new(checked(bytes)?);
        let base = reader.varint()?;
        if base < HEADER_BYTES || base > chunks_end {
            return Err(Malformed);
        }
        let mut previous = page_base(base);
        while !reader.is_empty() {
            if entries.len() == PAGE_ENTRIES {
                return Err(Malformed);
            }
            let entry = take_entry(&mut reader, &previous, chunks_end)?;
            let goes_on = entries.last().is_some_and(|before| before.place == entry.place);
            if goes_on && entry.column.first <= previous.column.last {
                return Err(Malformed);
            }
            entries.push(entry);
            previous = entry;
        }
        if entries.first().map(|entry| entry.place) == self.first_place(page) {
            Ok(())
        } else {
            Err(Malformed)
        }
    }
}

fn take_entry(reader: &mut Reader<'_>, previous: &Entry, chunks_end: u64) -> Result<Entry, Malformed> {
    let place = previous.place.checked_add(reader.varint32()?).ok_or(Malformed)?;
    let bytes = take_column_bytes(reader)?;
    let end = previous.range().end;
    let (column, offset) = match reader.varint()? {
        column_code::SAME => (previous.column, end),
        code => {
            let column = take_column(reader, previous, end - HEADER_BYTES, code)?;
            (column, if code == column_code::FRESH { column.range().end } else { end })
        }
    };
    let entry = Entry { place, offset, bytes, column };
    let is_sound = column.points > 0 && column.range().end <= offset && entry.range().end <= chunks_end;
    if is_sound { Ok(entry) } else { Err(Malformed) }
}

fn take_column(
    reader: &mut Reader<'_>,
    previous: &Entry,
    distance_max: u64,
    code: u64,
) -> Result<Column, Malformed> {
    let distance = code - column_code::FRESH;
    if distance > distance_max {
        return Err(Malformed);
    }
    let bytes = take_column_bytes(reader)?;
    let points = reader.count()?;
    let first = previous.column.first.wrapping_add(reader.signed()?);
    let last = first.wrapping_add(reader.varint()? as i64);
    if !(1..=CHUNK_POINTS_MAX).contains(&points) || first > last {
        return Err(Malformed);
    }
    Ok(Column { offset: previous.range().end - distance, bytes, points, first, last })
}

fn take_column_bytes(reader: &mut Reader<'_>) -> Result<usize, Malformed> {
    let bytes = reader.count()?;
    if bytes <= COLUMN_BYTES_MAX { Ok(bytes) } else { Err(Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Chunks as a writer lays them out: (place step, bytes, whether the column is new, its points).
    fn lay_out(chunks: &[(u32, usize, bool, usize, i64)]) -> Vec<Entry> {
        let (mut end, mut place) = (HEADER_BYTES, 0);
        let mut columns: Vec<Column> = Vec::new();
        let entry = |&(step, bytes, is_new, points, first): &(u32, usize, bool, usize, i64)| {
            place += step;
            let is_fresh = is_new || columns.is_empty();
            if is_fresh {
                let column =
                    Column { offset: end, bytes: bytes / 2, points, first, last: first + points as i64 };
                end = column.range().end;
                columns.push(column);
            }
            let number = if is_fresh { columns.len() - 1 } else { points % columns.len() };
            let column = columns[number];
            let entry = Entry { place, offset: end, bytes, column };
            end = entry.range().end;
            entry
        };
        chunks.iter().map(entry).collect()
    }

    fn index(entries: &[Entry]) -> (Vec<u8>, SparseIndex) {
        let mut writer = IndexWriter::default();
        assert!(entries.iter().all(|entry| writer.push(*entry)));
        let (pages, sparse) = writer.finish();
        let len = pages.len() as u64;
        (pages, SparseIndex::decode(&sparse, 0..len).unwrap())
    }

    fn page<'a>(pages: &'a [u8], index: &SparseIndex, page: usize) -> &'a [u8] {
        let range = index.page(page);
        &pages[range.start as usize..range.end as usize]
    }

    #[test]
    fn the_golden_page_stays_the_same() {
        let (pages, _) = index(&lay_out(&[
            (3, 9, true, 2, -5),
            (1, 7, false, 2, 0),
            (1, 300, true, 4, 70),
            (9, 5, false, 2, 0),
        ]));
        let hex: String = pages.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "080309010402090201070001ac02019601049601040905eb03040295010283cee822");
    }

    proptest! {
        #[test]
        fn entries_round_trip(
            chunks in prop::collection::vec((1..9_u32, 0..40_usize, any::<bool>(), 1..1024_usize, -99..99_i64), 1..200),
        ) {
            let entries = lay_out(&chunks);
            let (pages, index) = index(&entries);
            let (mut found, mut decoded) = (Vec::new(), Vec::new());
            for number in 0..index.len() {
                index.decode_page(number, page(&pages, &index, number), u64::MAX / 2, &mut decoded).unwrap();
                found.append(&mut decoded);
            }
            prop_assert_eq!(&found, &entries);
            for entry in &entries {
                let number = index.page_of(entry.place);
                prop_assert!(index.places(number).contains(&entry.place));
            }
        }

        #[test]
        fn hostile_pages_never_panic(mut body in prop::collection::vec(any::<u8>(), 0..80)) {
            let (_, index) = index(&lay_out(&[(3, 9, true, 2, -5)]));
            put_checksum(&mut body, 0);
            let mut entries = Vec::new();
            let _ = index.decode_page(0, &body, 1 << 20, &mut entries);
            prop_assert!(entries.iter().all(|entry| entry.range().end <= 1 << 20));
        }
    }
}
