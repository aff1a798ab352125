//! Which streams live nowhere any more: every place that is neither in memory, nor in a table, nor marked as damaged,
//! nor in any block. Blocks are asked newest first, for what is still in doubt, so most of their index is not read.
//! It runs on any thread; what was named meanwhile the store takes out of the result.

use roaring::RoaringBitmap;

use crate::windows::Windows;

/// A look for streams that live nowhere.
pub struct SweepJob {
    /// Places of streams that nothing in memory refers to.
    pub(crate) doubtful: RoaringBitmap,
    pub(crate) windows: Windows,
}

/// What a sweep has found.
pub struct SweepDone {
    /// Places of streams that lived nowhere when it began.
    pub(crate) dead: RoaringBitmap,
}

impl SweepJob {
    /// Asks the blocks.
    pub fn run(self) -> SweepDone {
        let Self { mut doubtful, windows } = self;
        for block in windows.newest_first() {
            if doubtful.is_empty() {
                break;
            }
            block.take_out_places(&mut doubtful);
        }
        SweepDone { dead: doubtful }
    }
}
