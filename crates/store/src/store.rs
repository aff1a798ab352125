//! The store: a door's batch or a peer's frame is appended to the journal, joined into the points, and the
//! applied frontier advances; a sync, carried out by the driver, moves the synced frontier after it. At start
//! the journal is replayed. Whatever cannot be read is a named hole, never silence.

mod replay;
mod serve;

use std::collections::BTreeMap;
use std::io;

use bytes::Bytes;
use shoal_merge::frontier::entry_fingerprint;
use shoal_merge::{Digest, Frontier};
use shoal_model::{Batch, Family, Kind, Labels, Matcher, Origin, Point, Stream, Writer};
use thiserror::Error;

use crate::bytes::Malformed;
use crate::catalogue::{Catalogue, Series};
use crate::frame::points::{self as points_record, Column};
use crate::frame::{Frame, FrameError, FrameId, Header, Record, Tag};
use crate::journal::{Commit, Journal, Location, RecordKind, SyncJob};
use crate::points::{Joined, Points};
use crate::table::{Chunk, TableError, Tables};

pub use replay::{Opened, Replayed};

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

/// What an own write became.
#[derive(Debug)]
pub struct Appended {
    /// The frame.
    pub frame: Frame,
}

/// A frame that was held and cannot be read any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hole {
    /// Its bytes have rotted.
    Rot,
    /// Its bytes are there, but table entries that it needs are not.
    NoTable(Location),
}

/// One series, one family, with its streams, as a query sees it.
#[derive(Debug)]
pub struct SeriesView<'a> {
    /// The labels.
    pub labels: &'a Labels,
    /// The family of the streams.
    pub family: Family,
    /// Whether another family holds the labels, so that this one appears with a `__kind__` label.
    pub is_second: bool,
    /// The streams in order of (writer, kind).
    pub streams: Vec<StreamView<'a>>,
}

/// One stream's points.
#[derive(Clone, Copy, Debug)]
pub struct StreamView<'a> {
    /// Who counts.
    pub writer: Writer,
    /// How the points read.
    pub kind: Kind,
    /// The points in order of time.
    pub points: &'a [Point],
}

/// One node's store.
pub struct Store {
    own: Origin,
    journal: Journal,
    failed: Option<String>,
    tables: Tables,
    catalogue: Catalogue,
    points: Points,
    digest: Digest,
    index: BTreeMap<Origin, Vec<Option<Location>>>,
    holes: BTreeMap<FrameId, Hole>,
    applied: Frontier,
    synced: Frontier,
    syncing: Option<Frontier>,
    unreadable: u64,
}

impl Store {
    /// Writes a batch, and records for replication, as the next frame of our own origin. The batch's points
    /// can be read when this returns; they are durable after a sync.
    pub fn append(&mut self, batch: &Batch, records: &[Record<'_>]) -> Result<Appended, StoreError> {
        self.check_journal()?;
        let columns = self.number_streams(batch)?;
        let body = points_record::encode(&columns);
        let mut all = Vec::with_capacity(records.len() + 1);
        if !columns.is_empty() {
            all.push(Record { tag: Tag::POINTS, body: &body });
        }
        all.extend_from_slice(records);
        let id = FrameId { origin: self.own, seq: self.applied.get(self.own) + 1 };
        let header =
            Header { id, table_len: self.tables.known(self.own), points: batch.point_count() as u32 };
        let frame = Frame::encode(header, &all)?;
        self.write_frame(&frame)?;
        self.join_columns(&header, columns);
        Ok(Appended { frame })
    }

    /// Takes a peer's frame in whole: doors refuse, the log does not.
    pub fn apply(&mut self, frame: &Frame) -> Result<Apply, StoreError> {
        let FrameId { origin, seq } = frame.id();
        let have = self.applied.get(origin);
        if seq <= have && !self.holes.contains_key(&frame.id()) {
            return Ok(Apply::Known);
        }
        if seq > have + 1 {
            return Ok(Apply::Gap { have });
        }
        let known = self.tables.known(origin);
        if frame.header().table_len > known {
            return Ok(Apply::NeedsTable { known });
        }
        self.check_journal()?;
        self.write_frame(frame)?;
        Ok(Apply::Applied(self.join_frame(frame)))
    }

    /// Takes a chunk of a peer's table in. Frames that waited for it in the journal can be read from now on;
    /// the bodies of their member records.
    pub fn define(&mut self, chunk: &Chunk) -> Result<Vec<Bytes>, StoreError> {
        let end = chunk.first as usize + chunk.streams.len();
        if end <= self.tables.known(chunk.origin) as usize {
            return Ok(Vec::new());
        }
        self.check_journal()?;
        self.check_agreement(chunk)?;
        self.write(RecordKind::Table, &chunk.encode())?;
        self.define_streams(chunk)?;
        Ok(self.resolve_holes(chunk.origin))
    }

    /// The sync that is due, if any; report it with [`Store::handle_synced`]. There is one at a time.
    pub fn poll_sync(&mut self) -> Option<SyncJob> {
        if self.syncing.is_some() || self.failed.is_some() || self.synced == self.applied {
            return None;
        }
        self.syncing = Some(self.applied.clone());
        Some(self.journal.sync_job())
    }

    /// A sync has ended. After a failed one nobody knows what is on the disk: no more writes in this life.
    pub fn handle_synced(&mut self, job: &SyncJob, result: io::Result<()>) {
        let Some(frontier) = self.syncing.take() else { return };
        if let Err(error) = result {
            self.failed = Some(error.to_string());
            return;
        }
        let head = FrameId { origin: self.own, seq: frontier.get(self.own) };
        self.synced = frontier;
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
        if self.holes.is_empty() {
            return self.synced.clone();
        }
        Frontier::from_entries(
            self.synced.iter().map(|(origin, seq)| (origin, self.below_holes(origin, seq))),
        )
    }

    /// What can be read here without a gap, durable or not: what a pull says.
    pub fn have(&self) -> Frontier {
        if self.holes.is_empty() {
            return self.applied.clone();
        }
        Frontier::from_entries(
            self.applied.iter().map(|(origin, seq)| (origin, self.below_holes(origin, seq))),
        )
    }

    /// How far an origin's frames can be served from its first on.
    pub fn servable(&self, origin: Origin) -> u64 {
        self.below_holes(origin, self.applied.get(origin))
    }

    /// How far an origin's frames are durable here and can be served.
    pub fn held_of(&self, origin: Origin) -> u64 {
        self.below_holes(origin, self.synced.get(origin))
    }

    /// The frames that were held and cannot be read any more.
    pub fn holes(&self) -> impl Iterator<Item = (FrameId, Hole)> {
        self.holes.iter().map(|(id, hole)| (*id, *hole))
    }

    /// What answers hash: two nodes with the same hash give the same answer to the same question.
    pub fn answer_hash(&self) -> u128 {
        let hole = |id: &FrameId| entry_fingerprint(id.origin, id.seq).rotate_left(64);
        self.holes.keys().map(hole).fold(self.applied.fingerprint(), u128::wrapping_add)
    }

    /// A digest of every point held, independent of order and layout.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The series that fit, each family on its own, in order of labels.
    pub fn select(&self, matchers: &[Matcher]) -> Vec<SeriesView<'_>> {
        self.catalogue.select(matchers).into_iter().flat_map(|series| self.views(series)).collect()
    }

    /// The family that holds a series' labels, if it is another than the stream's.
    pub fn other_family(&self, stream: &Stream) -> Option<Family> {
        let family = self.catalogue.series(stream.labels.series_id())?.family()?;
        (family != stream.kind.family()).then_some(family)
    }

    /// How many points are held.
    pub fn point_count(&self) -> u64 {
        self.points.count()
    }

    /// How many series are known.
    pub fn series_count(&self) -> usize {
        self.catalogue.series_count()
    }

    /// How many streams are known.
    pub fn stream_count(&self) -> usize {
        self.catalogue.stream_count()
    }

    /// Bytes of the journal on disk.
    pub fn journal_bytes(&self) -> u64 {
        self.journal.len_bytes()
    }

    /// Records passed over since the start because their writer made them unreadable.
    pub fn unreadable_records(&self) -> u64 {
        self.unreadable
    }

    /// Why the store takes no more writes, if it does not.
    pub fn failure(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    fn views<'a>(&'a self, series: &'a Series) -> Vec<SeriesView<'a>> {
        let mut families: BTreeMap<Family, Vec<StreamView<'a>>> = BTreeMap::new();
        for ((writer, kind), place) in &series.streams {
            let view = StreamView { writer: *writer, kind: *kind, points: self.points.stream(*place) };
            if !view.points.is_empty() {
                families.entry(kind.family()).or_default().push(view);
            }
        }
        let views = families.into_iter().enumerate();
        views
            .map(|(i, (family, streams))| SeriesView {
                labels: &series.labels,
                family,
                is_second: i > 0,
                streams,
            })
            .collect()
    }

    /// Gives the batch's streams their numbers; new ones are written to our table first.
    fn number_streams(&mut self, batch: &Batch) -> Result<Vec<Column>, StoreError> {
        let known = self.tables.known(self.own);
        let mut fresh = Chunk { origin: self.own, first: known, streams: Vec::new() };
        let mut pending = BTreeMap::new();
        let mut columns = Vec::with_capacity(batch.streams.len());
        for part in &batch.streams {
            let id = part.stream.id();
            let number = self.tables.own_number(&id).unwrap_or_else(|| {
                *pending.entry(id).or_insert_with(|| {
                    fresh.streams.push(part.stream.clone());
                    known + fresh.streams.len() as u32 - 1
                })
            });
            columns.push(Column { number, points: part.points.clone() });
        }
        if !fresh.streams.is_empty() {
            self.write(RecordKind::Table, &fresh.encode())?;
            self.define_streams(&fresh)?;
        }
        Ok(columns)
    }

    fn check_agreement(&self, chunk: &Chunk) -> Result<(), TableError> {
        for (number, stream) in (chunk.first..).zip(&chunk.streams) {
            let known =
                self.tables.place(chunk.origin, number).and_then(|place| self.catalogue.stream(place));
            if known.is_some_and(|known| known != *stream) {
                return Err(TableError::Conflict { origin: chunk.origin, number });
            }
        }
        Ok(())
    }

    fn define_streams(&mut self, chunk: &Chunk) -> Result<(), TableError> {
        for (number, stream) in (chunk.first..).zip(&chunk.streams) {
            let place = self.catalogue.define(stream);
            self.tables.define(chunk.origin, number, place)?;
            if chunk.origin == self.own {
                self.tables.set_own_number(stream.id(), number);
            }
        }
        Ok(())
    }

    fn write_frame(&mut self, frame: &Frame) -> Result<(), StoreError> {
        let location = self.write(RecordKind::Frame, frame.bytes())?;
        self.place_frame(frame.id(), location);
        self.holes.remove(&frame.id());
        if frame.id().seq > self.applied.get(frame.id().origin) {
            self.applied.advance(frame.id().origin, frame.id().seq).expect("gaps were refused before");
        } else {
            // A filled hole is not durable before the next sync.
            let FrameId { origin, seq } = frame.id();
            for frontier in std::iter::once(&mut self.synced).chain(&mut self.syncing) {
                let below = frontier.remove(origin).min(seq - 1);
                frontier.merge(&Frontier::from_entries([(origin, below)]));
            }
        }
        Ok(())
    }

    fn place_frame(&mut self, id: FrameId, location: Location) {
        let frames = self.index.entry(id.origin).or_default();
        let index = id.seq as usize - 1;
        if frames.len() <= index {
            frames.resize(index + 1, None);
        }
        if let Some(slot) = frames.get_mut(index) {
            *slot = Some(location);
        }
    }

    /// Joins a frame's points in; the bodies of its member records.
    fn join_frame(&mut self, frame: &Frame) -> Vec<Bytes> {
        let mut members = Vec::new();
        for record in frame.records() {
            match record.map(|record| (record.tag, record.body)) {
                Ok((Tag::POINTS, body)) => match points_record::decode(body) {
                    Ok(columns) => self.join_columns(frame.header(), columns),
                    Err(error) => self.note_unreadable(frame.id(), &error),
                },
                Ok((Tag::MEMBER, body)) => members.push(Bytes::copy_from_slice(body)),
                Ok(_) => {}
                Err(error) => self.note_unreadable(frame.id(), &error),
            }
        }
        members
    }

    /// The checksum was right, so the writer made it so: every node passes over the same part.
    fn note_unreadable(&mut self, id: FrameId, error: &Malformed) {
        self.unreadable += 1;
        tracing::error!(origin = %id.origin, seq = id.seq, %error, "a record cannot be read and is passed over");
    }

    /// A number that the frame does not vouch for is passed over, whatever this node happens to know of it.
    fn join_columns(&mut self, header: &Header, columns: Vec<Column>) {
        for column in columns {
            let place = self.tables.place(header.id.origin, column.number);
            let Some(place) = place.filter(|_| column.number < header.table_len) else {
                self.note_unreadable(header.id, &Malformed);
                continue;
            };
            let Some(mix) = self.catalogue.mix(place) else { continue };
            for point in column.points {
                match self.points.insert(place, point) {
                    Joined::New => self.digest.add(mix, point),
                    Joined::Raised(old) => {
                        self.digest.remove(mix, Point::new(point.time, old));
                        self.digest.add(mix, point);
                    }
                    Joined::Known => {}
                }
            }
        }
    }

    fn below_holes(&self, origin: Origin, seq: u64) -> u64 {
        let range = FrameId { origin, seq: 0 }..=FrameId { origin, seq };
        self.holes.range(range).next().map_or(seq, |(id, _)| id.seq - 1)
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
