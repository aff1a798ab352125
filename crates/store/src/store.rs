//! The store: a door's batch or a peer's frame is appended to the journal, joined into the memtable, and the
//! applied frontier advances; a sync, carried out by the driver, moves the synced frontier after it. A full
//! memtable is flushed to blocks, which is the checkpoint; blocks are merged. Syncs, flushes and merges are jobs
//! that the driver runs on other threads. Whatever cannot be read is a named hole, never silence.

mod appending;
mod background;
mod damaged;
mod owing;
mod replay;
mod scrubbing;
mod serve;
mod snapshotting;
mod sweeping;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use shoal_merge::frontier::entry_fingerprint;
use shoal_merge::{Digest, Frontier};
use shoal_model::{Family, Matcher, Origin, Stream};
use thiserror::Error;

use crate::annotations::SharedAnnotations;
use crate::base::Base;
use crate::catalogue::{CatalogueFile, SharedCatalogue};
use crate::damage::{Damaged, Findings};
use crate::disk::Disk;
use crate::frame::{FrameError, FrameId};
use crate::journal::{Commit, Journal, Location, Position, RecordKind, SyncJob};
use crate::manifest::Manifest;
use crate::memtable::{Memtable, MemtableView, Recycled};
use crate::table::file::{Run, TableFile};
use crate::table::{TableError, Tables};
use crate::view::{SeriesView, View};
use crate::windows::Windows;

pub use appending::{Appended, KnownPoints};
pub use background::{Done, Job};
pub use owing::Settlement;
pub use replay::{Opened, Replayed};
pub use snapshotting::SnapshotRefused;

/// Why the store did not take something. Nothing was changed unless the variant says so.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The disk refused, for example because it is full; try another node, or this one later.
    #[error("the disk refused the write: {0}")]
    Disk(#[source] io::Error),
    /// A write or sync failed in a way that leaves the journal's end unknown; this node takes no more writes
    /// until it is started again, but still reads.
    #[error("the journal failed and takes no more writes until a restart: {0}")]
    JournalFailed(String),
    /// Both memtables are full: the disk does not keep up with flushing. Try later, or another node.
    #[error("the disk does not keep up: try again later or at another node")]
    Behind,
    /// The batch does not fit a frame; send smaller ones.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A peer's table contradicts what is known.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// What became of a frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Apply {
    /// It was stored and its points can be read; the bodies of its member records.
    Applied(Vec<Bytes>),
    /// It was known already.
    Known,
    /// Frames before it are missing; the last one held without a gap.
    Gap {
        /// Its number.
        have: u64,
    },
    /// Table entries that it needs are missing.
    NeedsTable {
        /// How many entries are known.
        known: u32,
    },
}

/// A frame that was held and cannot be read any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hole {
    /// Its bytes have rotted.
    Rot,
    /// Its bytes are there, but table entries that it needs are not.
    NoTable(Location),
    /// Its bytes have rotted after its points were read: they are in memory, and the next flush makes them durable.
    Unread(Location),
}

impl Hole {
    /// Whether the frame's points are missing here.
    pub fn lacks_points(self) -> bool {
        !matches!(self, Hole::Unread(_))
    }
}

/// What an operator may trade.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long points are kept.
    pub retention: Duration,
    /// How long the greatest point of an ended counter is kept.
    pub totals: Duration,
    /// Points in a memtable at least, and at most; between them it has eight for each stream.
    pub memtable_points: (u64, u64),
    /// Bytes of flushed journal kept for peers.
    pub journal_bytes_max: u64,
    /// How long it takes to verify every checksum once, in the background.
    pub scrub_round: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            retention: Duration::from_secs(15 * 86_400),
            totals: Duration::from_secs(150 * 86_400),
            memtable_points: (1 << 19, 6_000_000),
            journal_bytes_max: u64::MAX,
            scrub_round: Duration::from_secs(7 * 86_400),
        }
    }
}

/// A memtable that is full, and the state of the store when it was.
struct Frozen {
    table: Arc<Memtable>,
    checkpoint: Position,
    applied: Frontier,
    holes: Vec<FrameId>,
    members: Vec<Bytes>,
    settlement: Option<Settlement>,
}

/// Files that one job at a time appends to.
struct Files {
    catalogue: CatalogueFile,
    tables: TableFile,
}

/// One node's store.
pub struct Store {
    own: Origin,
    options: Options,
    disk: Arc<dyn Disk>,
    journal: Journal,
    failed: Option<String>,
    tables: Tables,
    fresh_runs: Vec<Run>,
    catalogue: SharedCatalogue,
    annotations: SharedAnnotations,
    files: Option<Files>,
    active: Arc<Memtable>,
    frozen: Option<Frozen>,
    recycled: Recycled,
    windows: Windows,
    base: Base,
    horizon_ms: i64,
    manifest: Manifest,
    background: background::State,
    members: Vec<Bytes>,
    holes: BTreeMap<FrameId, Hole>,
    applied: Frontier,
    synced: Frontier,
    syncing: Option<Frontier>,
    /// Whether anything was written since the last sync was asked for.
    is_unsynced: bool,
    unreadable: u64,
    findings: Findings,
    snapshotting: snapshotting::Snapshotting,
    scrubbing: scrubbing::Scrubbing,
    /// Loans and origins of which nothing more comes: their tables go with their last frame.
    ended: BTreeSet<Origin>,
    keeps_windows: bool,
    sweeping: sweeping::Sweeping,
}

impl Store {
    /// The sync that is due, if any; report it with [`Store::handle_synced`]. There is one at a time.
    pub fn poll_sync(&mut self) -> Option<SyncJob> {
        if self.syncing.is_some() || self.failed.is_some() || !std::mem::take(&mut self.is_unsynced) {
            return None;
        }
        self.syncing = Some(self.applied.clone());
        Some(self.journal.sync_job())
    }

    /// A sync has ended. After a failed one nobody knows what is on the disk: no more writes in this life.
    pub fn handle_synced(&mut self, job: &SyncJob, result: io::Result<()>) {
        let Some(frontier) = self.syncing.take() else { return };
        if let Err(error) = result
            && !shoal_merge::Mutant::FailedSyncIgnored.is_on()
        {
            self.failed = Some(error.to_string());
            return;
        }
        let head = FrameId { origin: self.own, seq: frontier.get(self.own) };
        self.synced = frontier;
        if !self.manifest.shown.is_empty()
            && self.debt().is_none()
            && self.held().covers(&self.manifest.shown)
        {
            self.manifest.shown = Frontier::default();
        }
        debug_assert!(self.is_unsynced || self.synced == self.applied, "a sync is forgotten");
        self.journal.note_synced(job);
        if let Err(error) = self.journal.commit(&Commit { synced: job.end(), head }) {
            self.note_failure(error);
        }
    }

    /// What reads see.
    pub fn applied(&self) -> &Frontier {
        &self.applied
    }

    /// What is durable here and can be served: all that a peer is ever told is held.
    pub fn held(&self) -> Frontier {
        let calls_early = shoal_merge::Mutant::HeldBeforeSync.is_on();
        self.without_holes(if calls_early { &self.applied } else { &self.synced })
    }

    /// What can be read here without a gap, durable or not: what a pull says.
    pub fn have(&self) -> Frontier {
        self.without_holes(&self.applied)
    }

    /// The oldest millisecond that reads see.
    pub fn horizon_ms(&self) -> i64 {
        self.horizon_ms
    }

    /// How far an origin's frames are durable here and can be served.
    pub fn held_of(&self, origin: Origin) -> u64 {
        let known = if shoal_merge::Mutant::HeldBeforeSync.is_on() { &self.applied } else { &self.synced };
        self.below_holes(origin, known.get(origin))
    }

    /// The frames that were held and cannot be read any more.
    pub fn holes(&self) -> impl Iterator<Item = (FrameId, Hole)> {
        self.holes.iter().map(|(id, hole)| (*id, *hole))
    }

    /// What answers hash: two nodes with the same hash give the same answer to the same question. Who is in debt, or
    /// holds points of frames that have not come, answers like nobody.
    pub fn answer_hash(&self) -> u128 {
        let hole = |id: FrameId| entry_fingerprint(id.origin, id.seq).rotate_left(64);
        let hash = self.lacking().map(hole).fold(self.applied.fingerprint(), u128::wrapping_add);
        // What is damaged differs from node to node, even where the marks are alike.
        let damage = self.manifest.damage.iter().map(|mark| {
            let seq =
                (mark.window as u64).rotate_left(32) ^ u64::from(mark.first) << 32 ^ u64::from(mark.last);
            entry_fingerprint(self.own, seq).rotate_left(32)
        });
        let hash = damage.fold(hash, u128::wrapping_add);
        let is_alike = self.debt().is_none() && self.applied.covers(&self.manifest.shown);
        let owed = (!is_alike).then(|| entry_fingerprint(self.own, 0).rotate_left(16));
        owed.into_iter().fold(hash, u128::wrapping_add)
    }

    /// The frames of which a view may show points: beyond those applied, what lenders' views showed.
    pub fn shown(&self) -> Frontier {
        self.with_lent(&self.applied)
    }

    /// Whether what a view shows of these frames outlasts a loss of power.
    pub fn keeps(&self, shown: &Frontier) -> bool {
        self.with_lent(&self.synced).covers(shown)
    }

    fn with_lent(&self, frontier: &Frontier) -> Frontier {
        let mut with_lent = frontier.clone();
        with_lent.merge(&self.manifest.shown);
        with_lent
    }

    /// The series that fit, each family on its own, in order of labels.
    pub fn select(&self, matchers: &[Matcher]) -> Vec<SeriesView> {
        self.view().select(matchers)
    }

    /// The points as they are now, for reading on any thread.
    pub fn view(&self) -> View {
        let frozen = self.frozen.as_ref().map(|frozen| MemtableView::new(&frozen.table));
        View {
            memtables: frozen.into_iter().chain([MemtableView::new(&self.active)]).collect(),
            windows: self.windows.clone(),
            base: self.base.clone(),
            horizon_ms: self.horizon_ms,
            catalogue: self.catalogue.clone(),
            annotations: self.annotations.clone(),
            damage: self.manifest.damage.clone(),
            findings: self.findings.clone(),
            _epochs: vec![self.sweeping.epoch()],
        }
    }

    /// The same for one who keeps it for long and goes by places: as long as it is there, each stream keeps its own.
    pub fn lasting_view(&self) -> View {
        let mut view = self.view();
        view._epochs.extend(self.sweeping.epoch_under_way());
        view
    }

    /// A digest of every point that reads see, independent of order and layout; none while points are missing. It
    /// reads everything that is not sealed: for diagnosis and tests, on a thread of its own by [`View::digest`].
    pub fn digest(&self) -> Result<Digest, Damaged> {
        self.view().digest()
    }

    /// The catalogue, for reading on any thread.
    pub fn catalogue(&self) -> &SharedCatalogue {
        &self.catalogue
    }

    /// The family that holds a series' labels, if it is another than the stream's.
    pub fn other_family(&self, stream: &Stream) -> Option<Family> {
        let family = self.catalogue.read().family(&stream.labels.series_id())?;
        (family != stream.kind.family()).then_some(family)
    }

    /// What metrics mean, and exemplars, for looking from any thread.
    pub fn annotations(&self) -> &SharedAnnotations {
        &self.annotations
    }

    /// How many points are held; one that stands in several blocks, before they are merged, counts each time.
    pub fn point_count(&self) -> u64 {
        let frozen = self.frozen.as_ref().map_or(0, |frozen| frozen.table.len());
        self.windows.points() + self.active.len() + frozen
    }

    /// How many series are known.
    pub fn series_count(&self) -> usize {
        self.catalogue.read().series_count()
    }

    /// How many streams are known.
    pub fn stream_count(&self) -> usize {
        self.catalogue.read().stream_count()
    }

    /// Bytes of the journal on disk.
    pub fn journal_bytes(&self) -> u64 {
        self.journal.len_bytes()
    }

    /// Bytes of the blocks on disk.
    pub fn block_bytes(&self) -> u64 {
        self.windows.bytes()
    }

    /// Points in memory that are in no block yet.
    pub fn unflushed_points(&self) -> u64 {
        self.active.len() + self.frozen.as_ref().map_or(0, |frozen| frozen.table.len())
    }

    /// Records passed over since the start because their writer made them unreadable.
    pub fn unreadable_records(&self) -> u64 {
        self.unreadable
    }

    /// Why the store takes no more writes, if it does not.
    pub fn failure(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// The members' records, to be kept by the next checkpoint and handed back at the next start: in place of those
    /// that were kept, and until the next one that a frame brings, which is kept in any case.
    pub fn keep_members(&mut self, members: Vec<Bytes>) {
        self.members = members;
    }

    fn without_holes(&self, frontier: &Frontier) -> Frontier {
        if self.holes.is_empty() {
            return frontier.clone();
        }
        Frontier::from_entries(frontier.iter().map(|(origin, seq)| (origin, self.below_holes(origin, seq))))
    }

    /// The frames whose points are missing here.
    fn lacking(&self) -> impl Iterator<Item = FrameId> + '_ {
        let holes = self.holes.iter().filter(|_| !shoal_merge::Mutant::HolesHidden.is_on());
        holes.filter(|(_, hole)| hole.lacks_points()).map(|(id, _)| *id)
    }

    fn below_holes(&self, origin: Origin, seq: u64) -> u64 {
        let range = FrameId { origin, seq: 0 }..=FrameId { origin, seq };
        // What is owed is fetched otherwise: no frame of it will come.
        let is_owed = |id: &FrameId| self.debt().is_some_and(|debt| debt.covers(*id));
        self.holes
            .range(range)
            .find(|(id, _)| !is_owed(id) && !shoal_merge::Mutant::HolesHidden.is_on())
            .map_or(seq, |(id, _)| id.seq - 1)
    }

    fn check_journal(&self) -> Result<(), StoreError> {
        self.failed.clone().map_or(Ok(()), |reason| Err(StoreError::JournalFailed(reason)))
    }

    fn write(&mut self, kind: RecordKind, body: &[u8]) -> Result<Location, StoreError> {
        self.journal.append(kind, body).map_err(|error| self.note_failure(error))
    }

    fn note_failure(&mut self, error: io::Error) -> StoreError {
        if error.kind() == io::ErrorKind::Other {
            self.failed = Some(error.to_string());
        }
        StoreError::Disk(error)
    }
}

#[cfg(test)]
mod tests;
