//! Which file is scrubbed when: one at a time, all of them within a round, beginning anywhere, so that a node that
//! is restarted every day scrubs all of its store too. Damage is marked, a rotten frame becomes a hole, and what is
//! in memory is written anew.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::Store;
use super::background::Job;
use crate::block::{Block, Meta};
use crate::scrub::{ScrubDone, ScrubJob, Scrubbed, Target};

/// The least pause between two files.
const PAUSE_MS: i64 = 5_000;
/// The same as a part of a round: many small files must not make a short round long.
const PAUSES: i64 = 100;

/// Where the scrub stands.
#[derive(Default)]
pub(super) struct Scrubbing {
    is_running: bool,
    /// When the next file is due; unknown before the clock was seen.
    due_ms: Option<i64>,
    /// What is left of this round, as it was when the round began.
    round: VecDeque<Name>,
    rounds: u64,
    bytes: u64,
}

/// A file of a round; it may be gone when its turn comes.
#[derive(Clone, Copy, Debug)]
enum Name {
    Block { window: i64, number: u64 },
    Segment(u64),
    Catalogue,
    Tables,
    Base,
    Manifest,
}

impl Store {
    /// Bytes whose checksums were verified in the background since the start.
    pub fn scrubbed_bytes(&self) -> u64 {
        self.scrubbing.bytes
    }

    /// The next file to scrub, if one is due.
    pub(super) fn scrub_job(&mut self, now_ms: i64) -> Option<Job> {
        let least_pause_ms = self.least_pause_ms();
        let due_ms = *self.scrubbing.due_ms.get_or_insert(now_ms.saturating_add(least_pause_ms));
        // A clock that was set back must not stop the scrub for as long.
        let is_due = due_ms <= now_ms || due_ms.saturating_sub(now_ms) > self.round_ms();
        if self.scrubbing.is_running || !is_due {
            return None;
        }
        if self.scrubbing.round.is_empty() {
            self.begin_round();
        }
        let target = loop {
            let name = self.scrubbing.round.pop_front()?;
            if let Some(target) = self.target(name) {
                break target;
            }
        };
        self.scrubbing.is_running = true;
        self.scrubbing.due_ms = Some(now_ms.saturating_add(self.pause_ms(&target)));
        Some(Job::Scrub(Box::new(ScrubJob {
            disk: Arc::clone(&self.disk),
            target,
            catalogue: self.catalogue.clone(),
        })))
    }

    pub(super) fn scrubbed(&mut self, done: ScrubDone) {
        self.scrubbing.is_running = false;
        let Scrubbed { bytes, damage, frames, summary, is_worn } = match done.result {
            Ok(scrubbed) => scrubbed,
            // It may have been unlinked meanwhile; else it is looked at again in the next round.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return tracing::error!(%error, "a file could not be scrubbed"),
        };
        self.scrubbing.bytes += bytes;
        self.note_damage(damage);
        summary.into_iter().for_each(|summary| self.take_summary(summary));
        // Of several copies the newest counts: reading it tells.
        let rotten = frames.into_iter().filter(|id| self.frame(*id).is_none()).count();
        match done.target {
            Target::Segment(file) if rotten > 0 && file.number >= self.manifest.checkpoint.segment => {
                // What a start would need of it is still in memory.
                self.freeze();
            }
            Target::Block(..) | Target::Segment(_) => {}
            target if is_worn => self.write_anew(&target),
            _ => {}
        }
    }

    /// Takes a summary in that was made anew, unless its block has gone meanwhile.
    fn take_summary(&mut self, summary: Block) {
        let Meta { window, number, .. } = *summary.meta();
        if self.windows.of(window).iter().any(|block| block.meta().number == number) {
            self.windows.add_summary(summary);
        } else {
            self.background.dead_later.push(summary.path().to_owned());
        }
    }

    /// A file has rotted whose content is in memory: it is written anew.
    fn write_anew(&mut self, target: &Target) {
        match target {
            Target::Manifest => self.background.manifest_is_old = true,
            Target::Catalogue(_) => self.background.log_anew = true,
            Target::Tables(_) => self.background.tables_anew = true,
            Target::Base(_) => self.background.base_anew = true,
            Target::Block(..) | Target::Segment(_) => return,
        }
        tracing::error!(file = target.word(), "a file has rotted that memory holds: it is written anew");
        self.freeze_any(self.journal.end());
    }

    fn begin_round(&mut self) {
        let blocks = self.windows.iter().flat_map(|(window, blocks)| {
            blocks.iter().map(move |block| Name::Block { window, number: block.meta().number })
        });
        let segments = self.journal.segment_files();
        let segments = segments.iter().filter(|file| file.is_final).map(|file| Name::Segment(file.number));
        let small = [Name::Catalogue, Name::Tables, Name::Base, Name::Manifest];
        let mut round: VecDeque<Name> = small.into_iter().chain(segments).chain(blocks).collect();
        let [.., low] = self.own.0;
        if self.scrubbing.rounds == 0 {
            round.rotate_left(usize::from(low) * round.len() / 256);
        }
        self.scrubbing.rounds += 1;
        self.scrubbing.round = round;
    }

    fn target(&self, name: Name) -> Option<Target> {
        match name {
            Name::Block { window, number } => {
                let block = self.windows.of(window).iter().find(|block| block.meta().number == number)?;
                let summary = self.windows.summary_of(number).cloned();
                Some(Target::Block(Arc::clone(block), summary))
            }
            Name::Segment(number) => {
                let mut files = self.journal.segment_files().into_iter();
                files.find(|file| file.number == number).map(Target::Segment)
            }
            Name::Catalogue => {
                Some(Target::Catalogue(self.manifest.catalogue_len)).filter(|_| self.has_files())
            }
            Name::Tables => Some(Target::Tables(self.manifest.tables)),
            Name::Base => Some(Target::Base(self.manifest.base)),
            Name::Manifest => Some(Target::Manifest).filter(|_| self.has_files()),
        }
    }

    /// Whether a manifest has ever named files.
    fn has_files(&self) -> bool {
        self.manifest.catalogue_len > 0
    }

    /// The pause after a file: its part of a round.
    fn pause_ms(&self, target: &Target) -> i64 {
        let bytes = match target {
            Target::Block(block, _) => block.meta().bytes,
            Target::Segment(file) => file.len,
            Target::Catalogue(len) => *len,
            Target::Tables(extent) => extent.len,
            Target::Base(_) | Target::Manifest => 0,
        };
        let all = self.block_bytes() + self.journal_bytes() + self.manifest.catalogue_len;
        let round_ms = u128::try_from(self.round_ms()).unwrap_or_default();
        let part = round_ms * u128::from(bytes) / u128::from(all.max(bytes).max(1));
        i64::try_from(part).unwrap_or(i64::MAX).max(self.least_pause_ms())
    }

    fn round_ms(&self) -> i64 {
        i64::try_from(self.options.scrub_round.as_millis()).unwrap_or(i64::MAX)
    }

    fn least_pause_ms(&self) -> i64 {
        PAUSE_MS.min(self.round_ms() / PAUSES)
    }
}
