//! Windows: two hours of time each, and the blocks that hold their points. The set is immutable and shared; a
//! change makes a new one, so a reader keeps what it saw.

use std::collections::BTreeMap;
use std::sync::Arc;

use shoal_model::{Kind, time};

use crate::block::Block;
pub use crate::block::WINDOW_MS;

/// The window of a place on the time axis of a stream of this kind.
pub fn window_of(kind: Kind, time: i64) -> i64 {
    time::millis(kind, time).div_euclid(WINDOW_MS)
}

/// The first millisecond of a window.
pub fn window_start(window: i64) -> i64 {
    window.saturating_mul(WINDOW_MS)
}

/// The last millisecond of a window.
pub fn window_end(window: i64) -> i64 {
    window_start(window).saturating_add(WINDOW_MS - 1)
}

/// The blocks of every window, in order of their numbers.
#[derive(Clone, Default)]
pub struct Windows {
    blocks: Arc<BTreeMap<i64, Vec<Arc<Block>>>>,
    summaries: Arc<BTreeMap<u64, Arc<Block>>>,
}

impl Windows {
    /// The blocks of the windows in a range, in order of time.
    pub fn range(&self, windows: std::ops::RangeInclusive<i64>) -> impl Iterator<Item = &Arc<Block>> {
        let is_empty = windows.is_empty();
        let range = if is_empty { 0..=0 } else { windows };
        self.blocks.range(range).flat_map(|(_, blocks)| blocks).filter(move |_| !is_empty)
    }

    /// The windows that have blocks, in order of time.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &[Arc<Block>])> {
        self.blocks.iter().map(|(window, blocks)| (*window, blocks.as_slice()))
    }

    /// All blocks, the newest window's first.
    pub fn newest_first(&self) -> impl Iterator<Item = &Arc<Block>> {
        self.blocks.values().rev().flatten()
    }

    /// The blocks of one window.
    pub fn of(&self, window: i64) -> &[Arc<Block>] {
        self.blocks.get(&window).map_or(&[], Vec::as_slice)
    }

    /// Takes a block in.
    pub fn add(&mut self, block: Arc<Block>) {
        let blocks = Arc::make_mut(&mut self.blocks).entry(block.meta().window).or_default();
        blocks.push(block);
        blocks.sort_by_key(|block| block.meta().number);
    }

    /// Takes the summary of a sealed block in.
    pub fn add_summary(&mut self, summary: Block) {
        Arc::make_mut(&mut self.summaries).insert(summary.meta().number, Arc::new(summary));
    }

    /// The summary of the block with a number, whatever else is in its window.
    pub fn summary_of(&self, number: u64) -> Option<&Arc<Block>> {
        self.summaries.get(&number)
    }

    /// The summary of a window, if all its points are in one block that has one.
    pub fn summary(&self, window: i64) -> Option<&Arc<Block>> {
        match self.of(window) {
            [block] => self.summaries.get(&block.meta().number),
            _ => None,
        }
    }

    /// Takes blocks out, by number, with their summaries.
    pub fn remove(&mut self, window: i64, numbers: &[u64]) {
        if numbers.iter().any(|number| self.summaries.contains_key(number)) {
            Arc::make_mut(&mut self.summaries).retain(|number, _| !numbers.contains(number));
        }
        let all = Arc::make_mut(&mut self.blocks);
        if let Some(blocks) = all.get_mut(&window) {
            blocks.retain(|block| !numbers.contains(&block.meta().number));
            if blocks.is_empty() {
                all.remove(&window);
            }
        }
    }

    /// Points in all blocks, those that stand in several counted each time.
    pub fn points(&self) -> u64 {
        self.blocks.values().flatten().map(|block| block.meta().points).sum()
    }

    /// Bytes of all blocks.
    pub fn bytes(&self) -> u64 {
        self.blocks.values().flatten().map(|block| block.meta().bytes).sum()
    }
}
