//! Which streams live nowhere any more: every place that is neither in memory, nor in a table, nor marked as damaged,
//! nor in any block. Blocks are asked newest first, for what is still in doubt, so most of their index is not read.
//! It runs on any thread; what was named meanwhile the store takes out of the result.

use roaring::RoaringBitmap;

use crate::base::Base;
use crate::memtable::MemtableView;
use crate::windows::Windows;

/// A look for streams that live nowhere.
pub struct SweepJob {
    /// The places of all streams; in the end of those that nothing refers to.
    pub(crate) doubtful: RoaringBitmap,
    pub(crate) tables: Vec<u32>,
    pub(crate) memtables: Vec<MemtableView>,
    pub(crate) base: Base,
    pub(crate) windows: Windows,
}

/// What a sweep has found.
pub struct SweepDone {
    /// Places of streams that lived nowhere when it began.
    pub(crate) dead: RoaringBitmap,
}

impl SweepJob {
    /// Looks at everything.
    pub fn run(self) -> SweepDone {
        let Self { mut doubtful, tables, memtables, base, windows } = self;
        let fresh = memtables.iter().flat_map(|memtable| memtable.places());
        for place in tables.into_iter().chain(fresh).chain(base.places()) {
            doubtful.remove(place);
        }
        for block in windows.newest_first() {
            if doubtful.is_empty() {
                break;
            }
            block.take_out_places(&mut doubtful);
        }
        SweepDone { dead: doubtful }
    }
}
