//! What the store does about damage: it marks what readers, merges and scrubs have found, keeps the marks in the
//! manifest, and has a block written anew where that loses nothing.

use std::collections::BTreeSet;

use crate::damage::{self, Damage, DamageMarks};
use crate::windows::window_start;

use super::{Hole, Store};

impl Store {
    /// What is damaged: points that may be missing here, and are to come back from a peer.
    pub fn damage(&self) -> &DamageMarks {
        &self.manifest.damage
    }

    /// Takes marks off: their points are whole again, or nobody has them. What was kept of the blocks of a window
    /// goes with its last mark.
    pub fn mend(&mut self, mended: &[Damage]) {
        if self.manifest.damage.retain(|mark| !mended.contains(mark)) {
            let marked: BTreeSet<i64> = self.manifest.damage.iter().map(|mark| mark.window).collect();
            let is_mended = |window| mended.iter().any(|mark| mark.window == window);
            self.forget_quarantine(|window| is_mended(window) && !marked.contains(&window));
            self.background.manifest_is_old = true;
            self.sweeping.is_due = true;
        }
    }

    /// Takes in what was found in blocks that are open: they are written anew without it.
    pub(super) fn note_damage(&mut self, found: impl IntoIterator<Item = Damage>) {
        for damage in found {
            if damage.part.is_held() || self.mark(damage) {
                self.background.worn.insert(damage.window);
            }
        }
    }

    /// Takes in what a merge has left out: the block that it was in is in force no more.
    pub(super) fn note_isolated_damage(&mut self, found: impl IntoIterator<Item = Damage>) {
        for damage in found {
            if damage.part.is_held() {
                self.background.worn.insert(damage.window);
            } else {
                self.mark(damage);
            }
        }
    }

    /// Takes in what readers have found.
    pub(super) fn take_findings(&mut self) {
        let found = self.findings.take();
        self.note_damage(found);
    }

    /// Marks damage, durably with the next manifest; whether that is news.
    pub(super) fn mark(&mut self, damage: Damage) -> bool {
        let is_news = self.manifest.damage.insert(damage);
        if is_news {
            let Damage { window, first, last, part } = damage;
            tracing::error!(window, first, last, %part, "a block is damaged: points of these streams may be missing");
            self.background.manifest_is_old = true;
        }
        is_news
    }

    /// Windows have been unlinked. A counter's greatest point may have been in what was damaged, so the marks
    /// stay as long as the base would have kept it.
    pub(super) fn expire_damage(&mut self, windows: &[i64], totals_from_ms: i64) {
        let is_kept = |mark: &Damage| window_start(mark.window.saturating_add(1)) > totals_from_ms;
        if self.manifest.damage.retain(is_kept) {
            self.background.manifest_is_old = true;
        }
        self.forget_quarantine(|window| windows.contains(&window));
    }

    /// The first segment with a frame that waits for its table.
    pub(super) fn first_unread_segment(&self) -> u64 {
        let waiting = self.holes.values().filter_map(|hole| match hole {
            Hole::NoTable(location) => Some(location.position.segment),
            Hole::Rot | Hole::Unread(_) => None,
        });
        waiting.min().unwrap_or(u64::MAX)
    }

    fn forget_quarantine(&mut self, fits: impl Fn(i64) -> bool) {
        match damage::quarantined(&*self.disk, fits) {
            Ok(paths) => self.background.dead_later.extend(paths),
            Err(error) => tracing::warn!(%error, "damaged blocks that were kept stay"),
        }
    }
}
