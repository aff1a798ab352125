//! A look-up of some streams in a block: of each page of the index the chunks that are wanted, neighbours read
//! in one go.

use std::ops::RangeInclusive;

use super::chunk::ChunkReader;
use super::index::Entry;
use super::reader::Block;
use super::rot::Rot;
use super::stretch::Stretch;

/// Bytes between two chunks that are cheaper read than skipped.
const GAP_BYTES: u64 = 8 * 1024;
/// Bytes of the index read with a page: the next one wanted is often near.
const PAGES_AHEAD_BYTES: u64 = 4 * 1024;

/// One look-up of some streams: buffers, and the chunks of the page at hand that are wanted.
pub(super) struct Lookup<'a> {
    block: &'a Block,
    times: RangeInclusive<i64>,
    pages: Stretch,
    entries: Vec<Entry>,
    data: Stretch,
    chunk: ChunkReader,
}

impl<'a> Lookup<'a> {
    pub(super) fn new(block: &'a Block, times: RangeInclusive<i64>) -> Self {
        let (pages, data) = (Stretch::default(), Stretch::default());
        Self { block, times, pages, entries: Vec::new(), data, chunk: ChunkReader::new() }
    }

    /// Loads the entries of a page that are of some places and in the range of times.
    pub(super) fn page(&mut self, page: usize, mut places: &[u32]) -> Result<(), Rot> {
        self.block.load_page(page, &mut self.pages, PAGES_AHEAD_BYTES, &mut self.entries)?;
        self.entries.retain(|entry| {
            while let [first, rest @ ..] = places
                && *first < entry.place
            {
                places = rest;
            }
            places.first() == Some(&entry.place) && entry.touches(&self.times)
        });
        Ok(())
    }

    /// The places of those entries, one for each chunk.
    pub(super) fn places(&self) -> impl Iterator<Item = u32> {
        self.entries.iter().map(|entry| entry.place)
    }

    /// Decodes those chunks, and hands out the points in the range; notes those that are damaged.
    pub(super) fn hand_out(&mut self, each: &mut impl FnMut(u32, &[i64], &[f64]), found: &mut Vec<Rot>) {
        let neighbours = |a: &Entry, b: &Entry| begin(b).saturating_sub(a.range().end) <= GAP_BYTES;
        for run in self.entries.chunk_by(neighbours) {
            let [first, ..] = run else { continue };
            let end = run.last().map_or(0, |last| last.range().end);
            // Where a run cannot be read in one go, its chunks may still be read one by one.
            let _ = self.data.load(self.block.file(), begin(first)..end);
            for entry in run {
                if let Err(part) = self.chunk.load(self.block.file(), &self.data, entry) {
                    found.push(self.block.rot(part, entry.place..=entry.place));
                    continue;
                }
                let (times, values) = (self.chunk.times(), self.chunk.values());
                let from = times.partition_point(|time| time < self.times.start());
                let to = times.partition_point(|time| time <= self.times.end());
                if let (Some(times @ [_, ..]), Some(values)) = (times.get(from..to), values.get(from..to)) {
                    each(entry.place, times, values);
                }
            }
        }
    }
}

/// Where the reading of a chunk begins: at its column, if that is near.
pub(super) fn begin(entry: &Entry) -> u64 {
    let column = entry.column.offset;
    if entry.offset - column <= GAP_BYTES { column } else { entry.offset }
}
