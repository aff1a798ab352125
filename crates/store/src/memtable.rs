//! The memtable: the newest points of all streams, appended in the order they came, each linked to the one
//! before it of its stream. One writer appends; readers follow the links without a lock and see what had been
//! appended when their view was taken. Flushing one recycles its pages.
//!
//! ```text
//!  a point is two or three words:  | previous 32 | after base 32 | value 64 |
//!                                  | previous 32 |  0xffffffff   | value 64 | time 64 |
//! ```
//!
//! `previous` is a word number plus one, 0 for none. The longer form holds times more than 24
//! days from the first one, and those of delta streams, whose axis is finer than a millisecond.

mod directory;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use shoal_model::Point;
use shoal_model::time::DELTA_MILLIS_MAX;

use directory::{Directory, PAGES};

/// Words of a page: half a megabyte.
const PAGE_WORDS: usize = 1 << 16;
/// Chain heads of one page.
const HEADS: usize = 1 << 12;
/// Pages a memtable may have, four gigabytes: word numbers fit 32 bits.
const PAGES_MAX: usize = PAGES / 2;
/// Words of the longest point.
const POINT_WORDS_MAX: usize = 3;
/// How far before the first time the base lies: late points are rarely older.
const BEFORE_FIRST_MS: u32 = u32::MAX / 2;
/// What stands for "the time follows the value".
const WIDE: u32 = u32::MAX;

type Page = Box<[AtomicU64]>;
type HeadPage = Box<[AtomicU32]>;

/// Points in memory.
pub struct Memtable {
    base: OnceLock<i64>,
    pages: Directory<Page>,
    /// A head for every place that a catalogue can give.
    heads: Directory<HeadPage>,
    words: AtomicU64,
    points: AtomicU64,
}

/// Pages that were allocated before and can be used again: touching new memory costs more than the append.
#[derive(Default)]
pub struct Recycled {
    pages: Vec<Page>,
}

/// What a reader sees of a memtable: the points that had been appended when the view was taken.
#[derive(Clone)]
pub struct MemtableView {
    table: Arc<Memtable>,
    words: u64,
}

impl Default for Memtable {
    fn default() -> Self {
        Self {
            base: OnceLock::new(),
            pages: Directory::default(),
            heads: Directory::default(),
            words: AtomicU64::new(0),
            points: AtomicU64::new(0),
        }
    }
}

impl Memtable {
    /// Appends a point; only one thread may. False, and nothing was appended, when the memtable is full.
    pub fn append(&self, place: u32, point: Point, recycled: &mut Recycled) -> bool {
        let mut at = self.words.load(Ordering::Relaxed) as usize;
        if at % PAGE_WORDS > PAGE_WORDS - POINT_WORDS_MAX {
            at = (at / PAGE_WORDS + 1) * PAGE_WORDS;
        }
        if at / PAGE_WORDS >= PAGES_MAX {
            return false;
        }
        let Some(page) = self.pages.get_or_init(at / PAGE_WORDS, || recycled.page()) else { return false };
        let Some(head) = self.head_or_new(place) else { return false };
        let after = self.after_base(point.time);
        let previous = head.load(Ordering::Relaxed);
        let link = u64::from(previous) << 32 | u64::from(after.unwrap_or(WIDE));
        let Some([link_slot, value_slot, rest @ ..]) = page.get(at % PAGE_WORDS..) else { return false };
        link_slot.store(link, Ordering::Relaxed);
        value_slot.store(point.value.to_bits(), Ordering::Relaxed);
        let mut end = at + 2;
        if after.is_none() {
            let Some(time_slot) = rest.first() else { return false };
            time_slot.store(point.time as u64, Ordering::Relaxed);
            end += 1;
        }
        head.store(at as u32 + 1, Ordering::Release);
        self.words.store(end as u64, Ordering::Release);
        self.points.store(self.points.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        true
    }

    /// Points appended, duplicates included.
    pub fn len(&self) -> u64 {
        self.points.load(Ordering::Relaxed)
    }

    /// Whether nothing was appended.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes allocated.
    pub fn memory_bytes(&self) -> usize {
        let pages = self.pages.memory_bytes() + self.pages.iter().count() * PAGE_WORDS * 8;
        pages + self.heads.memory_bytes() + self.heads.iter().count() * HEADS * 4
    }

    /// Gives the pages up for use by another memtable.
    pub fn recycle(self, recycled: &mut Recycled) {
        recycled.pages.extend(self.pages.into_pages());
    }

    /// The time as the short form holds it. The first time in milliseconds sets the base, a while before it.
    fn after_base(&self, time: i64) -> Option<u32> {
        if self.base.get().is_none() && (0..DELTA_MILLIS_MAX).contains(&time) {
            self.base.get_or_init(|| time - i64::from(BEFORE_FIRST_MS));
        }
        let after = time.checked_sub(*self.base.get()?).and_then(|after| u32::try_from(after).ok());
        after.filter(|after| *after != WIDE)
    }

    fn head_or_new(&self, place: u32) -> Option<&AtomicU32> {
        let page = || (0..HEADS).map(|_| AtomicU32::new(0)).collect();
        self.heads.get_or_init(place as usize / HEADS, page)?.get(place as usize % HEADS)
    }

    fn word(&self, at: usize) -> u64 {
        let page = self.pages.get(at / PAGE_WORDS);
        page.and_then(|page| page.get(at % PAGE_WORDS)).map_or(0, |word| word.load(Ordering::Relaxed))
    }
}

impl Recycled {
    fn page(&mut self) -> Page {
        self.pages.pop().unwrap_or_else(|| (0..PAGE_WORDS).map(|_| AtomicU64::new(0)).collect())
    }

    /// Keeps at most the pages that this many points take in the short form.
    pub fn shrink(&mut self, points_max: u64) {
        self.pages.truncate((points_max as usize * 2).div_ceil(PAGE_WORDS + 1 - POINT_WORDS_MAX));
    }
}

impl MemtableView {
    /// What has been appended so far.
    pub fn new(table: &Arc<Memtable>) -> Self {
        Self { words: table.words.load(Ordering::Acquire), table: Arc::clone(table) }
    }

    /// Adds a stream's points, newest first and with duplicates, as they were appended.
    pub fn read(&self, place: u32, out: &mut Vec<Point>) {
        let page = self.table.heads.get(place as usize / HEADS);
        let Some(head) = page.and_then(|page| page.get(place as usize % HEADS)) else { return };
        self.follow(head.load(Ordering::Acquire), out);
    }

    /// The places that have points, in order.
    pub fn places(&self) -> impl Iterator<Item = u32> + '_ {
        self.table.heads.iter().flat_map(|(number, page)| {
            let used = page.iter().enumerate().filter(|(_, head)| head.load(Ordering::Acquire) != 0);
            used.map(move |(index, _)| (number * HEADS + index) as u32)
        })
    }

    fn follow(&self, mut link: u32, out: &mut Vec<Point>) {
        while let Some(at) = link.checked_sub(1) {
            let first = self.table.word(at as usize);
            link = (first >> 32) as u32;
            if u64::from(at) >= self.words {
                continue;
            }
            let value = f64::from_bits(self.table.word(at as usize + 1));
            let time = match first as u32 {
                WIDE => self.table.word(at as usize + 2) as i64,
                after => self.table.base.get().copied().unwrap_or_default() + i64::from(after),
            };
            out.push(Point::new(time, value));
        }
    }
}

#[cfg(test)]
mod tests;
