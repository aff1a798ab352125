//! Letting go of streams that live nowhere: a sweep finds them, and their places are given out again once no reader
//! can see an old point under a new name.
//!
//! ```text
//!  due ──▶ running ──▶ waiting ──▶ freed
//!            │           │ until all views from before the sweep are dropped
//!            └───────────┴ a place that is named meanwhile stays
//! ```
//!
//! After a crash an older manifest may be in force, with blocks and tables that name places which were freed since:
//! it also names an older length of the catalogue's log, up to which those places are what they were.

use std::sync::Arc;

use roaring::RoaringBitmap;

use super::Store;
use super::background::Job;
use crate::sweep::{SweepDone, SweepJob};
use crate::view::View;

/// Places that are freed in one go: bounds how long writers wait.
const FREED_AT_ONCE: usize = 16_384;

/// Where the sweep stands.
pub(super) struct Sweeping {
    /// Whether something went since the last sweep began, so that streams may live nowhere.
    pub(super) is_due: bool,
    under_way: Option<UnderWay>,
    /// What every view since the last sweep began holds.
    epoch: Arc<()>,
}

struct UnderWay {
    /// What the views from before it hold.
    epoch: Arc<()>,
    /// Places that were named since it began.
    named: RoaringBitmap,
    dead: Option<RoaringBitmap>,
}

impl Default for Sweeping {
    fn default() -> Self {
        Self { is_due: true, under_way: None, epoch: Arc::default() }
    }
}

impl Sweeping {
    /// What a view holds as long as it may see the points of streams that are about to go.
    pub(super) fn epoch(&self) -> Arc<()> {
        Arc::clone(&self.epoch)
    }

    /// What keeps even a stream without points where it is, if a sweep may have found it.
    pub(super) fn epoch_under_way(&self) -> Option<Arc<()>> {
        self.under_way.as_ref().map(|under_way| Arc::clone(&under_way.epoch))
    }

    /// A place was named by someone who may add points: it stays.
    pub(super) fn note_named(&mut self, place: u32) {
        if let Some(under_way) = &mut self.under_way {
            under_way.named.insert(place);
        }
    }
}

impl Store {
    pub(super) fn sweep_job(&mut self) -> Option<Job> {
        self.free_dead();
        if !self.sweeping.is_due || self.sweeping.under_way.is_some() {
            return None;
        }
        let job = self.begin_sweep();
        self.sweeping.is_due = false;
        let epoch = std::mem::take(&mut self.sweeping.epoch);
        self.sweeping.under_way = Some(UnderWay { epoch, named: RoaringBitmap::new(), dead: None });
        Some(Job::Sweep(Box::new(job)))
    }

    pub(super) fn swept(&mut self, done: SweepDone) {
        if let Some(under_way) = &mut self.sweeping.under_way {
            under_way.dead = Some(done.dead);
        }
        self.free_dead();
    }

    /// All streams, and what may refer to them; tables also as only the disk still has them.
    fn begin_sweep(&self) -> SweepJob {
        let mut doubtful = self.catalogue.read().live_places();
        doubtful -= &self.background.dropped;
        doubtful -= self.background.leaving.clone().unwrap_or_default();
        let View { memtables, windows, base, .. } = self.view();
        SweepJob { doubtful, tables: self.tables.places().collect(), memtables, windows, base }
    }

    /// Frees some of what the last sweep found, when no view from before it is left. Where points may be missing, nobody
    /// knows that a stream has none.
    fn free_dead(&mut self) {
        let Some(UnderWay { epoch, named, dead: Some(dead) }) = &mut self.sweeping.under_way else { return };
        if Arc::get_mut(epoch).is_none() {
            return;
        }
        *dead -= &*named;
        for mark in self.manifest.damage.iter() {
            dead.remove_range(mark.first..=mark.last);
        }
        let now: RoaringBitmap = dead.iter().take(FREED_AT_ONCE).collect();
        *dead -= &now;
        if dead.is_empty() {
            self.sweeping.under_way = None;
        }
        if !now.is_empty() {
            tracing::debug!(streams = now.len(), "streams that live nowhere are forgotten");
            self.catalogue.write().recycle(&now);
        }
    }
}
