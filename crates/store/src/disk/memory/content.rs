//! What is in a file: as its readers see it, and as it would be after a power loss.

use std::ops::Range;

use rand::rngs::SmallRng;
use rand::{Rng, RngCore};

/// A disk writes pages in any order.
const PAGE_BYTES: usize = 64;

/// The bytes of one file.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    pub(super) synced: Vec<u8>,
    /// How many of the first bytes are the same in both: files grow at their end, and only that is synced.
    same: usize,
    /// What a failed sync has marked as written although it was not: no later sync writes it.
    forgotten: Vec<Range<usize>>,
}

impl Content {
    pub(super) fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
        self.same = self.same.min(len);
        self.forgotten.retain_mut(|range| {
            range.end = range.end.min(len);
            range.start < range.end
        });
    }

    pub(super) fn sync(&mut self) {
        self.synced.truncate(self.same);
        self.synced.extend_from_slice(&self.bytes[self.same..]);
        self.same = self.bytes.len();
        for range in &self.forgotten {
            if let Some(lost) = self.synced.get_mut(range.clone()) {
                lost.fill(0);
                self.same = self.same.min(range.start);
            }
        }
    }

    /// What Linux does where a sync fails: the pages are clean from then on, and were not written.
    pub(super) fn fail_sync(&mut self) {
        let same = self.bytes.iter().zip(&self.synced).take_while(|(a, b)| a == b).count();
        if same < self.bytes.len() {
            self.forgotten.push(same..self.bytes.len());
        }
    }

    /// The synced bytes, and the first `kept` of those after them.
    pub(super) fn keep(&mut self, kept: usize) {
        let tail = self.bytes.get(self.synced.len()..).unwrap_or_default();
        self.synced.extend_from_slice(&tail[..kept.min(tail.len())]);
        self.settle();
    }

    /// One of the states that the disk may be in: nothing of what was not synced, a part of it, a part with
    /// something else at its end, or some pages of it and not others.
    pub(super) fn tear(&mut self, rng: &mut SmallRng) {
        if self.bytes == self.synced {
            return self.settle();
        }
        let same = self.bytes.iter().zip(&self.synced).take_while(|(a, b)| a == b).count();
        let end = rng.random_range(same..=self.bytes.len());
        match rng.random_range(0..5) {
            0 => {}
            1 => self.synced = self.bytes[..end].to_vec(),
            2 => {
                self.synced = self.bytes[..end].to_vec();
                let mut other = vec![0; rng.random_range(0..2 * PAGE_BYTES)];
                if rng.random_bool(0.5) {
                    rng.fill_bytes(&mut other);
                }
                self.synced.extend_from_slice(&other);
            }
            _ => self.keep_pages(same, rng),
        }
        self.settle();
    }

    /// Of every page after the first difference either what was written or what was there before.
    fn keep_pages(&mut self, same: usize, rng: &mut SmallRng) {
        let mut kept = self.synced.clone();
        kept.resize(self.bytes.len(), 0);
        for start in (same - same % PAGE_BYTES..self.bytes.len()).step_by(PAGE_BYTES) {
            let page = start..(start + PAGE_BYTES).min(self.bytes.len());
            if rng.random_bool(0.5) {
                kept[page.clone()].copy_from_slice(&self.bytes[page]);
            }
        }
        self.synced = kept;
    }

    fn settle(&mut self) {
        self.bytes.clone_from(&self.synced);
        self.same = self.bytes.len();
        self.forgotten.clear();
    }
}
