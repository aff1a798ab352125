//! Opening a store: the manifest names the blocks, the catalogue and the tables; the journal is read from the
//! checkpoint on. What has rotted there, or lost the table it needs, becomes a hole.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use shoal_merge::Frontier;
use shoal_model::Origin;

use super::{Files, Hole, Options, Store, background};
use crate::annotations::{Annotations, SharedAnnotations};
use crate::base::Base;
use crate::block::{self, Block, BlockError};
use crate::catalogue::{CatalogueFile, SharedCatalogue};
use crate::damage::{self, Damage, Findings};
use crate::disk::Disk;
use crate::flush::into_io;
use crate::frame::{Frame, FrameId};
use crate::journal::{Entry, Journal, Location, RecordKind, Recovered, Rot};
use crate::manifest::{self, Manifest};
use crate::memtable::{Memtable, Recycled};
use crate::summary;
use crate::table::file::TableFile;
use crate::table::{Chunk, Tables};
use crate::windows::Windows;

/// A store and what its replay found.
pub struct Opened {
    /// The store; all that it holds is synced.
    pub store: Store,
    /// Bodies of the member records, those kept by the checkpoint first.
    pub members: Vec<Bytes>,
    /// What an operator should know.
    pub replayed: Replayed,
}

/// What a replay found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Frames read.
    pub frames: u64,
    /// Bytes of a torn tail that were cut; none of them was ever promised.
    pub cut_bytes: u64,
    /// Stretches of the journal that have rotted.
    pub rot: Vec<Rot>,
}

impl Store {
    /// Opens the store below `disk`, which may be empty, to write frames under the origin `own`, which must
    /// never have been used before.
    pub fn open(disk: Arc<dyn Disk>, own: Origin, options: Options) -> io::Result<Opened> {
        // What is removed from here on is removed because the manifest that is there says so: it must stay.
        disk.sync_dir("")?;
        let mut manifest = Manifest::load(&*disk)?;
        let (catalogue, catalogue_file) =
            CatalogueFile::load(Arc::clone(&disk), manifest.catalogue_len).map_err(io::Error::other)?;
        let mut tables = Tables::default();
        let table_file = TableFile::open(&*disk, manifest.tables, &mut tables)?;
        let windows = open_blocks(&*disk, &mut manifest)?;
        let base = Base::load(&*disk, manifest.base)?;
        let Recovered { journal, entries, rot, cut_bytes, heads } =
            Journal::open(Arc::clone(&disk), manifest.checkpoint)?;
        let mut store = Self {
            own,
            options,
            journal,
            failed: None,
            tables,
            fresh_runs: Vec::new(),
            catalogue: SharedCatalogue::new(catalogue),
            annotations: SharedAnnotations::new(Annotations::load(&*disk)?),
            files: Some(Files { catalogue: catalogue_file, tables: table_file }),
            active: Arc::new(Memtable::default()),
            frozen: None,
            recycled: Recycled::default(),
            windows,
            base,
            horizon_ms: manifest.horizon_ms,
            background: background::State::default(),
            members: manifest.members.clone(),
            holes: manifest.holes.iter().map(|id| (*id, Hole::Rot)).collect(),
            applied: owed(&manifest),
            synced: Frontier::default(),
            syncing: None,
            is_unsynced: false,
            unreadable: 0,
            findings: Findings::default(),
            snapshotting: Default::default(),
            scrubbing: Default::default(),
            ended: Default::default(),
            keeps_windows: false,
            sweeping: Default::default(),
            manifest,
            disk,
        };
        store.background.shown = store.manifest.shown.clone();
        store.journal.keep(store.options.journal_bytes_max);
        // A flush during the replay uses the numbers of blocks that a crash left unnamed.
        store.remove_strangers()?;
        let frames = store.replay(&entries, &heads)?;
        store.synced = store.applied.clone();
        store.is_unsynced = false;
        store.end_old_loans();
        let members = store.members.clone();
        Ok(Opened { store, members, replayed: Replayed { frames, cut_bytes, rot } })
    }

    fn replay(&mut self, entries: &[Entry], heads: &[FrameId]) -> io::Result<u64> {
        let (mut frames, mut found) = (0, Vec::new());
        let mut waiting: BTreeMap<FrameId, Location> = BTreeMap::new();
        let forgotten = usize::from(shoal_merge::Mutant::ReplayForgetsLast.is_on());
        for entry in &entries[..entries.len().saturating_sub(forgotten)] {
            if self.is_full() {
                // The flush's checkpoint lies before all that was not joined in yet.
                self.find_holes(std::mem::take(&mut found), &[]);
                let first = waiting.values().map(|location| location.position).min();
                let checkpoint = first.unwrap_or(entry.location.position);
                self.flush_inline(checkpoint)?;
            }
            let body = self.journal.read(entry.location)?;
            match entry.kind {
                RecordKind::Table => self.replay_table(&body),
                RecordKind::Frame => match Frame::decode(body) {
                    Ok(frame) if self.can_read(&frame) => {
                        frames += 1;
                        found.push(frame.id());
                        // It filled the hole that an earlier copy was, whose table is missing.
                        waiting.remove(&frame.id());
                        self.join_frame(&frame);
                    }
                    Ok(frame) => drop(waiting.insert(frame.id(), entry.location)),
                    Err(_) => {}
                },
                RecordKind::Loan => self.replay_loan(body),
                RecordKind::Commit | RecordKind::Index | RecordKind::Start => {}
            }
        }
        for (id, location) in waiting {
            frames += 1;
            found.push(id);
            self.retry(id, location);
        }
        self.find_holes(found, heads);
        Ok(frames)
    }

    fn replay_table(&mut self, body: &[u8]) {
        let Ok(chunk) = Chunk::decode(body) else { return };
        let places = chunk.streams.iter().map(|stream| self.place(stream)).collect();
        if let Err(error) = self.define_places(chunk.origin, chunk.first, places) {
            tracing::error!(%error, "a table in the journal contradicts another");
        }
    }

    /// A loan that cannot be read is still owed, and fetched again.
    fn replay_loan(&mut self, body: Bytes) {
        if let Some(frame) = Frame::decode(body).ok().filter(|frame| self.can_read(frame)) {
            self.join_frame(&frame);
        }
    }

    fn can_read(&self, frame: &Frame) -> bool {
        frame.header().table_len <= self.tables.known(frame.id().origin)
    }

    /// Reads a frame whose table entries were not there before it; it stays a hole if they still are not.
    fn retry(&mut self, id: FrameId, location: Location) -> Vec<Bytes> {
        match self.read_waiting(location) {
            Some(frame) => {
                self.holes.remove(&id);
                self.join_frame(&frame)
            }
            None => {
                self.holes.insert(id, Hole::NoTable(location));
                Vec::new()
            }
        }
    }

    /// A frame that waited for its table, if that is there now.
    fn read_waiting(&self, location: Location) -> Option<Frame> {
        let frame = Frame::decode(self.journal.read(location).ok()?).ok()?;
        self.can_read(&frame).then_some(frame)
    }

    /// Every number between the checkpoint and an origin's last frame that is not in the journal is a hole.
    fn find_holes(&mut self, mut found: Vec<FrameId>, heads: &[FrameId]) {
        found.sort_unstable();
        found.dedup();
        for id in &found {
            if !matches!(self.holes.get(id), Some(Hole::NoTable(_))) {
                self.holes.remove(id);
            }
        }
        let last = found.iter().chain(heads);
        let mut reach = self.applied.clone();
        reach.merge(&Frontier::from_entries(last.map(|id| (id.origin, id.seq))));
        for (origin, seqs) in self.applied.missing_from(&reach) {
            let missing =
                seqs.map(|seq| FrameId { origin, seq }).filter(|id| found.binary_search(id).is_err());
            self.holes.extend(missing.map(|id| (id, Hole::Rot)));
        }
        self.applied = reach;
    }

    /// Reads the frames that waited for an origin's table; the bodies of their member records. Each is written once
    /// more: a checkpoint may have passed it as a hole.
    pub(super) fn resolve_holes(&mut self, origin: Origin) -> Vec<Bytes> {
        let range = FrameId { origin, seq: 0 }..=FrameId { origin, seq: u64::MAX };
        let waiting: Vec<_> = self.holes.range(range).map(|(id, hole)| (*id, *hole)).collect();
        let located = waiting.into_iter().filter_map(|(id, hole)| match hole {
            Hole::NoTable(location) => Some((id, location)),
            Hole::Rot | Hole::Unread(_) => None,
        });
        let mut members = Vec::new();
        for (id, location) in located.collect::<Vec<_>>() {
            let Some(frame) = self.read_waiting(location) else { continue };
            match self.write_frame(&frame) {
                Ok(()) => members.append(&mut self.join_frame(&frame)),
                Err(error) => {
                    tracing::warn!(%error, seq = id.seq, "a frame that waited for its table stays unread")
                }
            }
        }
        members
    }

    /// Removes blocks that no manifest names: a crash came between writing and naming them.
    fn remove_strangers(&self) -> io::Result<()> {
        let paths = |meta| [block::path(meta), summary::path(meta)];
        let known: BTreeSet<String> = self.manifest.blocks.iter().flat_map(paths).collect();
        let strangers = block::list(&*self.disk)?.into_iter().filter(|path| !known.contains(path));
        strangers.into_iter().try_for_each(|path| self.disk.remove(&path))
    }
}

/// What counts as applied at the checkpoint: what was, and what is owed instead.
fn owed(manifest: &Manifest) -> Frontier {
    let mut applied = Frontier::from_entries(manifest.applied.iter().copied());
    if let Some(debt) = &manifest.debt {
        applied.merge(&debt.frontier);
    }
    applied
}

/// Opens the blocks. One whose ends have rotted cannot be read at all: it is kept aside, and the manifest marks
/// its window and names it no more before its own name goes.
fn open_blocks(disk: &dyn Disk, manifest: &mut Manifest) -> io::Result<Windows> {
    let (mut windows, mut damaged) = (Windows::default(), Vec::new());
    for meta in &manifest.blocks {
        match Block::open(disk, &block::path(meta), meta) {
            Ok(block) => {
                if let Some(summary) = background::sealed_summary(disk, &block) {
                    windows.add_summary(summary);
                }
                windows.add(Arc::new(block));
            }
            Err(BlockError::Rot(rot)) => {
                tracing::error!(%rot, "a block has rotted: its points may be missing");
                damaged.push((meta.clone(), Damage::of(meta.window, &rot)));
            }
            Err(error) => return Err(into_io(error)),
        }
    }
    if !damaged.is_empty() {
        damage::quarantine(disk, damaged.iter().map(|(meta, _)| meta))?;
        manifest.blocks.retain(|meta| damaged.iter().all(|(other, _)| other != meta));
        for (_, damage) in damaged {
            manifest.damage.insert(damage);
        }
        manifest::store(disk, &manifest.encode())?;
    }
    Ok(windows)
}
