//! The jobs that the store hands out: flushing the full memtable, writing the manifest, merging blocks, and letting
//! go of what is older than the retention. There is at most one of each under way; a failed one is tried again a
//! while later, and nothing is lost meanwhile: what is not in the manifest is still in the journal.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use roaring::RoaringBitmap;
use shoal_merge::Frontier;
use shoal_model::{Kind, Origin, Point};

use super::{Files, Frozen, Store, StoreError};
use crate::base::Base;
use crate::block::{Block, Meta};
use crate::catalogue::SharedCatalogue;
use crate::compaction::{self, MergeDone, MergeJob};
use crate::damage::Damage;
use crate::debt::Debt;
use crate::disk::Disk;
use crate::flush::{FlushDone, FlushError, FlushJob, Flushed};
use crate::journal::Position;
use crate::manifest::{self, Manifest};
use crate::memtable::{Memtable, MemtableView};
use crate::scrub::{ScrubDone, ScrubJob};
use crate::snapshot::{SnapshotDone, SnapshotJob};
use crate::summary;
use crate::sweep::{SweepDone, SweepJob};
use crate::windows::{WINDOW_MS, window_start};

/// How long after a failed job the next one is tried.
const RETRY_MS: i64 = 5_000;
/// How often merges are looked for while no block is written.
const LOOK_MS: u64 = 10_000;
/// Memtable points for each known stream.
const POINTS_PER_STREAM: u64 = 8;
/// Block numbers set aside for one flush: one for each window it may touch.
const FLUSH_NUMBERS: u64 = 1 << 24;
/// Bytes of journal after which a memtable is flushed even if it is not full: bounds the replay.
const REPLAY_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Work for another thread.
pub enum Job {
    /// Writes a full memtable to blocks.
    Flush(Box<FlushJob>),
    /// Writes the manifest.
    Manifest(ManifestJob),
    /// Merges blocks of one window.
    Merge(Box<MergeJob>),
    /// Takes over the greatest points of counters from windows that are to go.
    Expire(Box<ExpireJob>),
    /// Copies the store into another directory.
    Snapshot(Box<SnapshotJob>),
    /// Verifies the checksums of one file.
    Scrub(Box<ScrubJob>),
    /// Looks for streams that live nowhere.
    Sweep(Box<SweepJob>),
}

/// A job that has been run, to be handed back by [`Store::handle_done`].
pub enum Done {
    /// A flush.
    Flush(Box<FlushDone>),
    /// A manifest.
    Manifest(io::Result<()>),
    /// A merge.
    Merge(Box<MergeDone>),
    /// An expiry.
    Expire(Box<ExpireDone>),
    /// A snapshot.
    Snapshot(Box<SnapshotDone>),
    /// A scrub.
    Scrub(Box<ScrubDone>),
    /// A sweep.
    Sweep(SweepDone),
}

/// A manifest to be written.
pub struct ManifestJob {
    disk: Arc<dyn Disk>,
    bytes: Vec<u8>,
}

/// Windows that are to go, and the base that is to outlive them.
pub struct ExpireJob {
    disk: Arc<dyn Disk>,
    blocks: Vec<Arc<Block>>,
    catalogue: SharedCatalogue,
    base: Base,
    number: u64,
    totals_from_ms: i64,
}

/// The base without the windows.
pub struct ExpireDone {
    blocks: Vec<Arc<Block>>,
    number: u64,
    totals_from_ms: i64,
    damage: Vec<Damage>,
    result: io::Result<Base>,
}

/// What is under way.
#[derive(Default)]
pub(super) struct State {
    flushing: bool,
    merging: bool,
    expiring: bool,
    writing_manifest: bool,
    /// Checkpoint, base and tables of the manifest under way: older files go once it is durable, not earlier.
    naming: (Position, u64, u64),
    /// The debt that it names: the frontier covers it once it is durable.
    owing: Option<Debt>,
    /// What loans may show by that manifest.
    showing: Frontier,
    /// The same by the last one that is durable.
    pub(super) shown: Frontier,
    pub(super) manifest_is_old: bool,
    /// Whether the tables' file, and the catalogue's log, are to be written anew by the next flush.
    pub(super) tables_anew: bool,
    /// Places of tables that were dropped and may still stand in the tables' file, and of those that the flush under
    /// way leaves out of it, if it writes the file anew.
    pub(super) dropped: RoaringBitmap,
    pub(super) leaving: Option<RoaringBitmap>,
    pub(super) log_anew: bool,
    /// Whether the base is to be written anew, by an expiry even of nothing.
    pub(super) base_anew: bool,
    /// Windows with a block that is to be written anew: something of it has rotted that costs no points.
    pub(super) worn: BTreeSet<i64>,
    /// Whether the blocks have changed since merges were looked for, and when that was.
    blocks_changed: bool,
    looked_at_ms: i64,
    retry_at_ms: Option<i64>,
    has_failed: bool,
    /// Files that the manifest under way, and the one after it, no longer name.
    dying: Vec<String>,
    pub(super) dead_later: Vec<String>,
}

impl State {
    /// Whether a merge is under way.
    pub(super) fn merges(&self) -> bool {
        self.merging
    }
}

/// The files of a block: a sealed one has a summary beside it.
fn files(block: &Block) -> impl Iterator<Item = String> {
    let summary = block.meta().is_sealed.then(|| summary::path(block.meta()));
    std::iter::once(block.path().to_owned()).chain(summary)
}

pub(super) fn sealed_summary(disk: &dyn Disk, block: &Block) -> Option<Block> {
    if block.meta().is_sealed { summary::open(disk, block.meta()) } else { None }
}

impl Job {
    /// Runs the job; it blocks on the disk and takes its time.
    pub fn run(self) -> Done {
        match self {
            Job::Flush(job) => Done::Flush(Box::new(job.run())),
            Job::Manifest(job) => Done::Manifest(manifest::store(&*job.disk, &job.bytes)),
            Job::Merge(job) => Done::Merge(Box::new(job.run())),
            Job::Expire(job) => Done::Expire(Box::new(job.run())),
            Job::Snapshot(job) => Done::Snapshot(Box::new(job.run())),
            Job::Scrub(job) => Done::Scrub(Box::new(job.run())),
            Job::Sweep(job) => Done::Sweep(job.run()),
        }
    }
}

impl Done {
    /// Whether the disk kept the job from being done. Damage that it found and worked around is none.
    pub fn has_failed(&self) -> bool {
        match self {
            Done::Flush(done) => done.result.is_err(),
            Done::Manifest(result) => result.is_err(),
            Done::Merge(done) => done.result.is_err(),
            Done::Expire(done) => done.result.is_err(),
            Done::Snapshot(done) => done.result.is_err(),
            Done::Scrub(done) => done.result.is_err(),
            Done::Sweep(_) => false,
        }
    }
}

impl ExpireJob {
    fn run(self) -> ExpireDone {
        let mut damage = Vec::new();
        let base = self.base.joined(self.greatest(&mut damage), self.totals_from_ms);
        let result = base.save(&*self.disk, self.number).map(|()| base);
        let Self { blocks, number, totals_from_ms, .. } = self;
        ExpireDone { blocks, number, totals_from_ms, damage, result }
    }

    /// The greatest point of each counter in each block.
    fn greatest(&self, damage: &mut Vec<Damage>) -> Vec<(u32, Point)> {
        let mut greatest: Vec<(u32, Point)> = Vec::new();
        for block in &self.blocks {
            let mut scan = block.scan();
            while let Some(chunk) = scan.advance() {
                if let Err(rot) = chunk {
                    damage.push(Damage::of(block.meta().window, &rot));
                    continue;
                }
                if self.catalogue.read().kind(scan.place()) == Some(Kind::Counter) {
                    let points = scan.times().iter().zip(scan.values());
                    let points = points.map(|(time, value)| Point::new(*time, *value));
                    greatest.extend(shoal_merge::order::greatest(points).map(|point| (scan.place(), point)));
                }
            }
        }
        greatest
    }
}

impl Store {
    /// The next job, if there is one; `now_ms` is the wall clock. Run it on any thread and hand the result to
    /// [`Store::handle_done`].
    pub fn poll_job(&mut self, now_ms: i64) -> Option<Job> {
        self.note_time(now_ms);
        self.take_findings();
        if let Some(job) = self.snapshot_job() {
            return Some(job);
        }
        if self.background.retry_at_ms.is_some() {
            return None;
        }
        self.manifest_job()
            .or_else(|| self.flush_job())
            .or_else(|| self.expire_job(now_ms))
            .or_else(|| self.merge_job(now_ms))
            .or_else(|| self.sweep_job())
            .or_else(|| self.scrub_job(now_ms))
    }

    /// Whether windows stay though they are old: the clock that says so cannot be trusted.
    pub fn keep_windows(&mut self, keeps: bool) {
        self.keeps_windows = keeps;
    }

    /// Takes the result of a job in.
    pub fn handle_done(&mut self, done: Done) {
        match done {
            Done::Flush(done) => self.flushed(*done),
            Done::Manifest(result) => self.manifest_written(result),
            Done::Merge(done) => self.merged(*done),
            Done::Expire(done) => self.expired(*done),
            Done::Snapshot(done) => self.snapshot_taken(*done),
            Done::Scrub(done) => self.scrubbed(*done),
            Done::Sweep(done) => self.swept(done),
        }
    }

    /// Whether jobs are under way or wait.
    pub fn is_settled(&self) -> bool {
        let State { flushing, merging, expiring, writing_manifest, manifest_is_old, .. } = self.background;
        !(flushing || merging || expiring || writing_manifest || manifest_is_old || self.frozen.is_some())
    }

    /// Freezes the memtable, so that the next flush takes all that is there now.
    pub fn freeze(&mut self) {
        if !self.active.is_empty() {
            self.freeze_any(self.journal.end());
        }
    }

    /// The same even with nothing in it: a flush is also what writes catalogue and tables.
    pub(super) fn freeze_any(&mut self, checkpoint: Position) {
        if self.frozen.is_some() {
            return;
        }
        let table = std::mem::replace(&mut self.active, Arc::new(Memtable::default()));
        self.frozen = Some(Frozen {
            table,
            checkpoint,
            applied: self.applied.clone(),
            holes: self.lacking().collect(),
            members: self.members.clone(),
            settlement: None,
        });
    }

    /// Makes room for the points of one more frame.
    pub(super) fn make_room(&mut self) -> Result<(), StoreError> {
        if shoal_merge::Mutant::NeverFull.is_on() {
            return Ok(());
        }
        let points_max = self.memtable_points_max();
        let replay = self.journal.bytes_since(self.manifest.checkpoint);
        if self.active.len() >= points_max || replay >= REPLAY_BYTES_MAX && !self.active.is_empty() {
            self.freeze();
        }
        // The next memtable is full too, and the one before it is still being flushed.
        if self.active.len() >= 2 * points_max { Err(StoreError::Behind) } else { Ok(()) }
    }

    /// Whether the next frame of a replay needs room to be made.
    pub(super) fn is_full(&self) -> bool {
        self.active.len() >= self.memtable_points_max()
    }

    /// Makes room while the journal is replayed up to a checkpoint: there is no other thread yet.
    pub(super) fn flush_inline(&mut self, checkpoint: Position) -> io::Result<()> {
        if !self.active.is_empty() {
            self.freeze_any(checkpoint);
        }
        while let Some(job) = self.manifest_job().or_else(|| self.flush_job()) {
            self.handle_done(job.run());
            if self.background.has_failed {
                return Err(io::Error::other("a flush failed while the journal was replayed"));
            }
        }
        Ok(())
    }

    fn memtable_points_max(&self) -> u64 {
        let (least, most) = self.options.memtable_points;
        (self.catalogue.read().stream_count() as u64 * POINTS_PER_STREAM).clamp(least, most)
    }

    /// Moves the horizon with the clock. A store that was just opened has that of its manifest, which is older than the
    /// one at which its last reads stood.
    pub fn move_horizon(&mut self, now_ms: i64) {
        let retention = i64::try_from(self.options.retention.as_millis()).unwrap_or(i64::MAX);
        let oldest = now_ms.saturating_sub(retention).div_euclid(WINDOW_MS);
        self.horizon_ms = self.horizon_ms.max(window_start(oldest));
    }

    /// Moves the horizon, and sets or ends the wait after a failure.
    fn note_time(&mut self, now_ms: i64) {
        self.move_horizon(now_ms);
        if std::mem::take(&mut self.background.has_failed) {
            self.background.retry_at_ms = Some(now_ms.saturating_add(RETRY_MS));
        }
        if self.background.retry_at_ms.is_some_and(|at| at <= now_ms) {
            self.background.retry_at_ms = None;
        }
    }

    fn manifest_job(&mut self) -> Option<Job> {
        if self.background.writing_manifest || !std::mem::take(&mut self.background.manifest_is_old) {
            return None;
        }
        self.background.writing_manifest = true;
        let Manifest { checkpoint, base, tables, .. } = &self.manifest;
        self.background.naming = (*checkpoint, *base, tables.generation);
        self.background.owing = self.manifest.debt.clone();
        self.background.showing = self.manifest.shown.clone();
        self.background.dying.append(&mut self.background.dead_later);
        Some(Job::Manifest(ManifestJob { disk: Arc::clone(&self.disk), bytes: self.manifest.encode() }))
    }

    fn manifest_written(&mut self, result: io::Result<()>) {
        self.background.writing_manifest = false;
        if let Err(error) = result {
            self.background.manifest_is_old = true;
            return self.note_job_failure("the manifest", &error);
        }
        self.background.shown = std::mem::take(&mut self.background.showing);
        if let Some(debt) = self.background.owing.take() {
            self.take_on(&debt);
        }
        if self.snapshotting.holds_files() {
            return;
        }
        for path in std::mem::take(&mut self.background.dying) {
            if let Err(error) = self.disk.remove(&path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(path, %error, "a file that is of no use any more stays");
            }
        }
        if let Err(error) = self.remove_old_files() {
            tracing::warn!(%error, "old files of the store stay");
        }
        self.drop_tables();
    }

    /// Unlinks what the manifest that was just written has left behind.
    fn remove_old_files(&mut self) -> io::Result<()> {
        let (checkpoint, base, generation) = self.background.naming;
        Base::remove_older(&*self.disk, base)?;
        if let Some(files) =
            self.files.as_ref().filter(|files| files.tables.extent().generation == generation)
        {
            files.tables.remove_others(&*self.disk)?;
        }
        // Nobody needs a frame to be served when all its points are below the horizon.
        let expired = self.manifest.ages.expire(self.oldest_kept()).min(self.first_unread_segment());
        self.journal.truncate(checkpoint, self.options.journal_bytes_max, expired)
    }

    /// The window before the horizon's: windows go one window after the horizon has passed them.
    fn oldest_kept(&self) -> i64 {
        self.horizon_ms.div_euclid(WINDOW_MS) - 1
    }

    /// Drops the tables of origins of which the journal holds no frame any more. As long as the file has them, their
    /// streams keep their places, so a table that is read again from it says the same.
    fn drop_tables(&mut self) {
        let held: BTreeSet<Origin> = self.journal.origins().collect();
        let is_needed = |origin: &Origin| {
            let is_awaited = self.applied.get(*origin) == 0 && !self.ended.contains(origin);
            *origin == self.own || held.contains(origin) || is_awaited
        };
        let gone: Vec<Origin> = self.tables.origins().filter(|origin| !is_needed(origin)).collect();
        for origin in gone {
            self.background.dropped.extend(self.tables.remove(origin));
            self.fresh_runs.retain(|run| run.origin != origin);
            self.background.tables_anew = true;
        }
        self.ended.retain(|origin| self.tables.has(*origin));
    }

    fn flush_job(&mut self) -> Option<Job> {
        // With a journal of which nobody knows what is on the disk there can be no checkpoint.
        let may_flush = !self.background.flushing && self.failed.is_none();
        let frozen = self.frozen.as_ref().filter(|_| may_flush)?;
        let Files { catalogue, tables } = self.files.take()?;
        self.background.flushing = true;
        let State { writing_manifest, manifest_is_old, log_anew, .. } = self.background;
        let is_durable = !writing_manifest && !manifest_is_old && !self.snapshotting.holds_files();
        let is_log_due = is_durable && (log_anew || catalogue.rewrite_is_due());
        let all_runs = std::mem::take(&mut self.background.tables_anew).then(|| self.tables.runs());
        self.background.leaving = all_runs.as_ref().map(|_| std::mem::take(&mut self.background.dropped));
        let next_block = self.manifest.next_block;
        self.manifest.next_block += FLUSH_NUMBERS;
        Some(Job::Flush(Box::new(FlushJob {
            disk: Arc::clone(&self.disk),
            memtable: MemtableView::new(&frozen.table),
            catalogue: self.catalogue.clone(),
            annotations: self.annotations.clone(),
            catalogue_file: catalogue,
            table_file: tables,
            runs: std::mem::take(&mut self.fresh_runs),
            all_runs,
            durable_catalogue: is_log_due.then_some(self.manifest.catalogue_len),
            next_block,
            journal: self.journal.sync_job(),
        })))
    }

    fn flushed(&mut self, done: FlushDone) {
        let FlushDone { catalogue_file, table_file, mut runs, result } = done;
        self.background.flushing = false;
        self.files = Some(Files { catalogue: catalogue_file, tables: table_file });
        let Flushed { blocks, catalogue_len, tables, has_new_log } = match result {
            Ok(flushed) => flushed,
            Err(error) => {
                runs.append(&mut self.fresh_runs);
                self.fresh_runs = runs;
                if let Some(leaving) = self.background.leaving.take() {
                    self.background.tables_anew = true;
                    self.background.dropped |= leaving;
                }
                if let FlushError::Journal(_) = error {
                    self.failed = Some(error.to_string());
                }
                return self.note_job_failure("a flush", &error);
            }
        };
        self.sweeping.is_due |= self.background.leaving.take().is_some();
        let Some(frozen) = self.frozen.take() else { return };
        self.background.log_anew &= !has_new_log;
        let newest = blocks.iter().map(|block| block.meta().window).max();
        self.manifest.ages.note(frozen.checkpoint.segment, newest.unwrap_or(i64::MIN));
        for block in blocks {
            self.manifest.blocks.push(block.meta().clone());
            self.windows.add(block);
        }
        self.manifest.catalogue_len = catalogue_len;
        self.manifest.tables = tables;
        self.background.blocks_changed = true;
        self.manifest.checkpoint = frozen.checkpoint;
        self.manifest.applied = frozen.applied.iter().collect();
        self.manifest.holes = frozen.holes;
        self.manifest.members = frozen.members;
        self.forget_unread();
        if self.holes.values().any(|hole| matches!(hole, super::Hole::Unread(_))) {
            self.freeze_any(self.journal.end());
        }
        self.background.manifest_is_old = true;
        if let Some(settlement) = frozen.settlement {
            self.settled(settlement);
        }
        // A reader may still hold the memtable; then its pages are simply freed with it.
        if let Some(table) = Arc::into_inner(frozen.table) {
            table.recycle(&mut self.recycled);
            let points_max = self.memtable_points_max();
            self.recycled.shrink(points_max);
        }
    }

    fn merge_job(&mut self, now_ms: i64) -> Option<Job> {
        if self.background.merging || self.background.expiring {
            return None;
        }
        // A window may be over though nothing was written; that need not be noticed at once.
        let is_due = std::mem::take(&mut self.background.blocks_changed) || !self.background.worn.is_empty();
        if !is_due && now_ms.abs_diff(self.background.looked_at_ms) < LOOK_MS {
            return None;
        }
        self.background.looked_at_ms = now_ms;
        let plan = compaction::plan(&self.windows, &mut self.background.worn, now_ms)?;
        self.background.merging = true;
        let number = self.manifest.next_block;
        self.manifest.next_block += 1;
        let (disk, catalogue) = (Arc::clone(&self.disk), self.catalogue.clone());
        Some(Job::Merge(Box::new(MergeJob { disk, plan, catalogue, number })))
    }

    fn merged(&mut self, done: MergeDone) {
        self.background.merging = false;
        let MergeDone { plan, result } = done;
        let (block, damage) = match result {
            Ok(merged) => merged,
            Err(error) => return self.note_job_failure("a merge", &error),
        };
        let numbers: Vec<_> = plan.inputs.iter().map(|input| input.meta().number).collect();
        self.windows.remove(plan.window, &numbers);
        self.manifest.blocks.retain(|meta| meta.window != plan.window || !numbers.contains(&meta.number));
        self.background.dead_later.extend(plan.inputs.iter().flat_map(|input| files(input)));
        self.manifest.blocks.push(block.meta().clone());
        self.add_block(block);
        self.note_isolated_damage(damage);
        self.background.blocks_changed = true;
        self.background.manifest_is_old = true;
    }

    /// Takes a block in, with its summary if it has one.
    pub(super) fn add_block(&mut self, block: Arc<Block>) {
        if let Some(summary) = sealed_summary(&*self.disk, &block) {
            self.windows.add_summary(summary);
        }
        self.windows.add(block);
    }

    fn expire_job(&mut self, now_ms: i64) -> Option<Job> {
        if self.background.expiring || self.background.merging {
            return None;
        }
        let totals = i64::try_from(self.options.totals.as_millis()).unwrap_or(i64::MAX);
        // By a clock that cannot be trusted nothing goes; a base that has rotted is written anew all the same.
        let (oldest_kept, totals_from_ms) = if self.keeps_windows {
            (i64::MIN, i64::MIN)
        } else {
            (self.oldest_kept(), now_ms.saturating_sub(totals))
        };
        let windows: Vec<i64> =
            self.windows.iter().map(|(window, _)| window).take_while(|w| *w < oldest_kept).collect();
        if windows.is_empty() && !self.background.base_anew {
            return None;
        }
        self.background.expiring = true;
        Some(Job::Expire(Box::new(ExpireJob {
            disk: Arc::clone(&self.disk),
            blocks: windows.iter().flat_map(|window| self.windows.of(*window)).cloned().collect(),
            catalogue: self.catalogue.clone(),
            base: self.base.clone(),
            number: self.manifest.base + 1,
            totals_from_ms,
        })))
    }

    fn expired(&mut self, done: ExpireDone) {
        self.background.expiring = false;
        let base = match done.result {
            Ok(base) => base,
            Err(error) => return self.note_job_failure("an expiry", &error),
        };
        self.note_damage(done.damage);
        let gone: Vec<i64> = done.blocks.iter().map(|block| block.meta().window).collect();
        self.expire_damage(&gone, done.totals_from_ms);
        // Late points may have been flushed to these windows meanwhile: their blocks go another time.
        for block in done.blocks {
            let Meta { window, number, .. } = *block.meta();
            self.background.dead_later.extend(files(&block));
            self.windows.remove(window, &[number]);
            self.manifest.blocks.retain(|meta| (meta.window, meta.number) != (window, number));
        }
        if !gone.is_empty() {
            self.manifest.horizon_ms = self.horizon_ms;
        }
        self.base = base;
        self.sweeping.is_due = true;
        self.background.base_anew = false;
        self.manifest.base = done.number;
        self.background.manifest_is_old = true;
    }

    fn note_job_failure(&mut self, what: &str, error: &dyn std::fmt::Display) {
        self.background.has_failed = true;
        tracing::error!(%error, "{what} failed; it is tried again, and the journal keeps what it was about");
    }
}
