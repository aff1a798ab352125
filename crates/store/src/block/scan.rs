//! A block being read from one end to the other, chunk by chunk, in large reads: for merges, digests and
//! export. Damage costs the chunks that it hit, and the scan goes on behind them.

use super::chunk::ChunkReader;
use super::index::Entry;
use super::lookup::begin;
use super::reader::Block;
use super::rot::{Part, Rot};
use super::stretch::Stretch;

/// Bytes of chunks in one read.
const CHUNKS_AHEAD_BYTES: u64 = 512 * 1024;
/// Bytes of index pages in one read.
const PAGES_AHEAD_BYTES: u64 = 64 * 1024;

/// Where a scan stands. Chunks come in order of place, within a stream in order of time.
pub struct Scan<'a> {
    block: &'a Block,
    page: usize,
    pages: Stretch,
    entries: Vec<Entry>,
    at: usize,
    place: u32,
    data: Stretch,
    chunk: ChunkReader,
}

impl<'a> Scan<'a> {
    pub(super) fn new(block: &'a Block) -> Self {
        Self {
            block,
            page: 0,
            pages: Stretch::default(),
            entries: Vec::new(),
            at: 0,
            place: 0,
            data: Stretch::default(),
            chunk: ChunkReader::new(),
        }
    }

    /// Goes to the next chunk; `None` behind the last one. After an error there is no chunk at hand, and the
    /// next call goes on behind the damage.
    pub fn advance(&mut self) -> Option<Result<(), Rot>> {
        while self.at == self.entries.len() {
            if self.page == self.block.index().len() {
                return None;
            }
            if let Err(error) = self.next_page() {
                return Some(Err(error));
            }
        }
        let entry = *self.entries.get(self.at)?;
        self.at += 1;
        self.place = entry.place;
        Some(self.load(&entry).map_err(|part| self.block.rot(part, entry.place..=entry.place)))
    }

    /// Whose points the chunk at hand holds.
    pub fn place(&self) -> u32 {
        self.place
    }

    /// The times of the chunk at hand, ascending.
    pub fn times(&self) -> &[i64] {
        self.chunk.times()
    }

    /// The values of the chunk at hand, one a time.
    pub fn values(&self) -> &[f64] {
        self.chunk.values()
    }

    fn next_page(&mut self) -> Result<(), Rot> {
        let page = self.page;
        self.page += 1;
        self.at = 0;
        self.block.load_page(page, &mut self.pages, PAGES_AHEAD_BYTES, &mut self.entries)
    }

    fn load(&mut self, entry: &Entry) -> Result<(), Part> {
        if self.data.get(&entry.range()).is_none() {
            let range = begin(entry)..entry.range().end;
            let fetched =
                self.data.fetch(self.block.file(), &range, CHUNKS_AHEAD_BYTES, self.block.chunks_end());
            fetched.map_err(|_| Part::Values)?;
        }
        self.chunk.load(self.block.file(), &self.data, entry)
    }
}
