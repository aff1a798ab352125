//! A block being read, by stream and by time. An open one keeps its sparse index in memory and nothing else;
//! a look-up reads one page of the index and the chunks it names, neighbours in one go.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::disk::{Disk, DiskFile};

use super::digests::ShardDigests;
use super::footer::Footer;
use super::index::{Entry, SparseIndex};
use super::lookup::Lookup;
use super::meta::Meta;
use super::rot::{BlockError, Fault, Part, Rot};
use super::scan::Scan;
use super::stretch::Stretch;
use super::{HEADER_BYTES, MAGIC};

/// Every place: rot that leaves nothing readable.
const ALL: RangeInclusive<u32> = 0..=u32::MAX;

/// Points as two columns of one length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns {
    /// Places on the stream's time axis.
    pub times: Vec<i64>,
    /// The values at them.
    pub values: Vec<f64>,
}

/// An open block. It may be read by many threads at once.
pub struct Block {
    path: Arc<str>,
    file: Arc<dyn DiskFile>,
    footer: Footer,
    index: SparseIndex,
}

impl Block {
    /// Opens the block that the manifest lists as `meta`; one that says otherwise of itself is rot.
    pub fn open(disk: &dyn Disk, path: &str, meta: &Meta) -> Result<Self, BlockError> {
        let block = Self::open_any(disk, path)?;
        if block.meta() == meta { Ok(block) } else { Err(Fault::Rot(Part::Footer).at(&block.path, ALL)) }
    }

    /// Opens a block that no manifest lists, whatever it says of itself.
    pub fn open_any(disk: &dyn Disk, path: &str) -> Result<Self, BlockError> {
        let path: Arc<str> = path.into();
        let file = disk.open(&path)?;
        let footer = Footer::read(&*file).map_err(|fault| fault.at(&path, ALL))?;
        let index = footer.sparse_index(&*file).map_err(|fault| fault.at(&path, ALL))?;
        Ok(Self { path, file, footer, index })
    }

    /// What the block says of itself.
    pub fn meta(&self) -> &Meta {
        &self.footer.meta
    }

    /// The file's path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The digests of a sealed block, read from the disk.
    pub fn digests(&self) -> Result<Option<ShardDigests>, Rot> {
        self.footer.shard_digests(&*self.file).map_err(|_| self.rot(Part::Digests, ALL))
    }

    /// Appends a stream's points with times (on its axis) in a range, in order of time; gives the damage that it
    /// went around.
    #[must_use = "points may be missing"]
    pub fn read(&self, place: u32, times: RangeInclusive<i64>, out: &mut Columns) -> Vec<Rot> {
        self.read_many(&[place], times, |_, times, values| {
            out.times.extend_from_slice(times);
            out.values.extend_from_slice(values);
        })
    }

    /// Hands out the points of many streams (places ascending, else it panics) with times in a range: in order
    /// of place, within a stream in order of time, once a chunk. It goes around damage, of which nothing is
    /// handed out, and names it.
    #[must_use = "points may be missing"]
    pub fn read_many(
        &self,
        places: &[u32],
        times: RangeInclusive<i64>,
        mut each: impl FnMut(u32, &[i64], &[f64]),
    ) -> Vec<Rot> {
        self.look_up(places, times, |lookup, found| lookup.hand_out(&mut each, found))
    }

    /// Names the streams (places ascending, else it panics) that have a chunk which reaches into a range of times;
    /// reads the index alone.
    #[must_use = "streams may be missing"]
    pub fn touched(&self, places: &[u32], times: RangeInclusive<i64>, mut each: impl FnMut(u32)) -> Vec<Rot> {
        self.look_up(places, times, |lookup, _| lookup.places().for_each(&mut each))
    }

    /// Goes through the pages of the index that hold any of the streams.
    fn look_up(
        &self,
        places: &[u32],
        times: RangeInclusive<i64>,
        mut each_page: impl FnMut(&mut Lookup<'_>, &mut Vec<Rot>),
    ) -> Vec<Rot> {
        assert!(places.is_sorted(), "places ascend");
        let mut found = Vec::new();
        let mut lookup = Lookup::new(self, times);
        let (mut rest, mut page) = (places, 0);
        while let Some(&place) = rest.first() {
            page = page.max(self.index.page_of(place));
            if self.index.first_place(page).is_none_or(|first| places.last() < Some(&first)) {
                break;
            }
            match lookup.page(page, rest) {
                Ok(()) => each_page(&mut lookup, &mut found),
                Err(rot) => found.push(rot),
            }
            page += 1;
            let done = match self.index.first_place(page) {
                Some(next) => rest.partition_point(|place| *place < next),
                None => rest.len(),
            };
            rest = rest.get(done..).unwrap_or_default();
        }
        found
    }

    /// Reads the block from one end to the other.
    pub fn scan(&self) -> Scan<'_> {
        Scan::new(self)
    }

    /// Verifies every checksum, and that all can be decoded. An empty list is a sound block.
    pub fn verify(&self) -> Vec<Rot> {
        let mut found = Vec::new();
        found.extend(self.check_ends().err());
        found.extend(self.digests().err());
        let mut scan = self.scan();
        while let Some(chunk) = scan.advance() {
            found.extend(chunk.err());
        }
        found
    }

    /// Reads both ends again, which an open block looks at no more.
    fn check_ends(&self) -> Result<(), Rot> {
        let mut header = [0; HEADER_BYTES as usize];
        let read = self.file.read_at(0, &mut header);
        if read.is_err() || header != [MAGIC, [0; 4]].as_flattened() {
            return Err(self.rot(Part::Header, ALL));
        }
        let footer = Footer::read(&*self.file).ok().filter(|footer| *footer == self.footer);
        let footer = footer.ok_or_else(|| self.rot(Part::Footer, ALL))?;
        match footer.sparse_index(&*self.file) {
            Ok(_) => Ok(()),
            Err(_) => Err(self.rot(Part::SparseIndex, ALL)),
        }
    }

    pub(super) fn index(&self) -> &SparseIndex {
        &self.index
    }

    pub(super) fn file(&self) -> &dyn DiskFile {
        &*self.file
    }

    /// Where the chunks end.
    pub(super) fn chunks_end(&self) -> u64 {
        self.footer.pages_offset
    }

    /// Names the file in damage, and whose points it costs.
    pub(super) fn rot(&self, part: Part, places: RangeInclusive<u32>) -> Rot {
        Rot { path: Arc::clone(&self.path), part, places }
    }

    /// Decodes a page of the index, with up to `ahead` bytes read for the next ones.
    pub(super) fn load_page(
        &self,
        page: usize,
        stretch: &mut Stretch,
        ahead: u64,
        entries: &mut Vec<Entry>,
    ) -> Result<(), Rot> {
        entries.clear();
        let range = self.index.page(page);
        let fetched = stretch.fetch(&*self.file, &range, ahead, self.index.end());
        let bytes = stretch.get(&range).filter(|_| fetched.is_ok()).unwrap_or_default();
        let decoded = self.index.decode_page(page, bytes, self.chunks_end(), entries);
        decoded.map_err(|_| {
            entries.clear();
            self.rot(Part::Page, self.index.places(page))
        })
    }
}

impl std::fmt::Debug for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Block").field("path", &self.path).field("meta", self.meta()).finish_non_exhaustive()
    }
}
