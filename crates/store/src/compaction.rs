//! Which blocks are merged, and the merge itself. Four blocks of a tier in one window become one of the next;
//! a window that is over becomes one *sealed* block with its digests, and late points lie over it until they
//! are a sixteenth of it. It never merges across windows, so retention is unlinking.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use crate::block::{self, Block, Merged, ShardMix};
use crate::catalogue::SharedCatalogue;
use crate::damage::{self, Damage};
use crate::disk::Disk;
use crate::flush::into_io;
use crate::summary;
use crate::windows::{Windows, window_start};

/// Blocks of one tier that are merged together.
const FAN_IN: usize = 4;
/// How long after its end a window still gets points as a matter of course.
const GRACE_MS: i64 = 10 * 60 * 1000;
/// A sealed window is merged anew when the points over it are this part of it.
const OVERLAY_PART: u64 = 16;

/// Blocks to be merged.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) window: i64,
    pub(crate) inputs: Vec<Arc<Block>>,
    pub(crate) tier: u8,
    pub(crate) seals: bool,
}

/// A merge to be run.
pub struct MergeJob {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) plan: Plan,
    pub(crate) catalogue: SharedCatalogue,
    pub(crate) number: u64,
}

/// What a merge came to.
pub struct MergeDone {
    pub(crate) plan: Plan,
    /// The new block, and what of the inputs is not in it.
    pub(crate) result: io::Result<(Arc<Block>, Vec<Damage>)>,
}

/// The most useful merge, if any: a worn window first, which is one no more, then the oldest one.
pub(crate) fn plan(windows: &Windows, worn: &mut BTreeSet<i64>, now_ms: i64) -> Option<Plan> {
    let is_over = |window: i64| window_start(window + 1).saturating_add(GRACE_MS) <= now_ms;
    while let Some(window) = worn.pop_first() {
        let inputs = windows.of(window).to_vec();
        let deepest = inputs.iter().map(|block| block.meta().tier).max();
        if let Some(deepest) = deepest {
            let seals = is_over(window);
            let tier = if seals { u8::MAX } else { deepest.min(u8::MAX - 1) };
            return Some(Plan { window, inputs, tier, seals });
        }
    }
    windows.iter().find_map(|(window, blocks)| plan_window(window, blocks, is_over(window)))
}

fn plan_window(window: i64, blocks: &[Arc<Block>], is_over: bool) -> Option<Plan> {
    if let [block] = blocks
        && block.meta().is_sealed
    {
        return None;
    }
    let (sealed, open): (Vec<_>, Vec<_>) = blocks.iter().cloned().partition(|block| block.meta().is_sealed);
    let points = |blocks: &[Arc<Block>]| blocks.iter().map(|block| block.meta().points).sum::<u64>();
    let outweighs = points(&open).saturating_mul(OVERLAY_PART) >= points(&sealed);
    if is_over && !open.is_empty() && (sealed.len() != 1 || outweighs) {
        return Some(Plan { window, inputs: blocks.to_vec(), tier: u8::MAX, seals: true });
    }
    let mut tiers: Vec<u8> = open.iter().map(|block| block.meta().tier).collect();
    tiers.sort_unstable();
    let tier =
        tiers.windows(FAN_IN).find(|run| run.first() == run.last()).and_then(|run| run.first().copied())?;
    let inputs = open.into_iter().filter(|block| block.meta().tier == tier).take(FAN_IN).collect();
    Some(Plan { window, inputs, tier: tier.saturating_add(1).min(u8::MAX - 1), seals: false })
}

impl MergeJob {
    /// Merges, writes and syncs.
    pub fn run(self) -> MergeDone {
        let result = self.merge();
        if result.is_err() {
            block::remove_unfinished(&*self.disk, self.plan.window, self.number);
        }
        MergeDone { plan: self.plan, result }
    }

    fn merge(&self) -> io::Result<(Arc<Block>, Vec<Damage>)> {
        let Plan { window, inputs, tier, seals } = &self.plan;
        let writer = block::create(&*self.disk, *window, self.number, *tier)?;
        let mix = |place| self.catalogue.read().shard_mix(place);
        let seal: Option<&dyn Fn(u32) -> Option<ShardMix>> = if *seals { Some(&mix) } else { None };
        let Merged { meta, rot, unnamed } = block::merge(inputs, writer, |_| true, seal)?;
        // What the new block lacks is kept where a person, or a better tool, may find it.
        let is_damaged = |input: &&Arc<Block>| rot.iter().any(|rot| *rot.path == *input.path());
        damage::quarantine(&*self.disk, inputs.iter().filter(is_damaged).map(|input| input.meta()))?;
        if unnamed > 0 {
            tracing::error!(unnamed, "streams of a block are not in the catalogue");
        }
        let block = Block::open(&*self.disk, &block::path(&meta), &meta).map_err(into_io)?;
        if *seals {
            summary::write(&*self.disk, &block, |place| self.catalogue.read().kind(place))?;
        }
        block::sync_directory(&*self.disk, *window)?;
        Ok((Arc::new(block), rot.iter().map(|rot| Damage::of(*window, rot)).collect()))
    }
}
