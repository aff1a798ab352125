//! Taking points in: our own batches become frames, peers' frames are kept verbatim; both end in the memtable.

use std::collections::BTreeMap;

use bytes::Bytes;
use shoal_merge::Frontier;
use shoal_model::{Batch, Origin, Point};

use super::{Apply, Store, StoreError};
use crate::bytes::Malformed;
use crate::frame::points::{self as points_record};
use crate::frame::{Frame, FrameId, Header, Record, Tag};
use crate::journal::RecordKind;
use crate::memtable::{Memtable, Recycled};
use crate::table::file::Run;
use crate::table::{Chunk, TableError};

/// What an own write became.
#[derive(Debug)]
pub struct Appended {
    /// The frame.
    pub frame: Frame,
}

/// Points of streams that are in the catalogue already.
#[derive(Clone, Debug, Default)]
pub struct KnownPoints {
    /// For each stream its place and how many of the points are its own.
    pub streams: Vec<(u32, u32)>,
    /// The points of all streams, one stream after the other.
    pub points: Vec<Point>,
}

impl Store {
    /// Writes a batch, and records for replication, as the next frame of our own origin. The batch's points
    /// can be read when this returns; they are durable after a sync.
    pub fn append(&mut self, batch: &Batch, records: &[Record<'_>]) -> Result<Appended, StoreError> {
        let mut known = KnownPoints::default();
        for part in &batch.streams {
            known.streams.push((self.place(&part.stream), part.points.len() as u32));
            known.points.extend_from_slice(&part.points);
        }
        self.append_known(&known, records)
    }

    /// The place of a stream, which is taken into the catalogue if it is new. Until it has points or stands in a
    /// table, it is good no longer than until the next job is asked for or handed back.
    pub fn place(&mut self, stream: &shoal_model::Stream) -> u32 {
        let id = stream.id();
        let known = self.catalogue.read().place(&id);
        let place = known.unwrap_or_else(|| self.catalogue.write().define(stream, &id));
        self.sweeping.note_named(place);
        place
    }

    /// The same for streams by their places, which the caller has from [`Store::place`].
    pub fn append_known(
        &mut self,
        known: &KnownPoints,
        records: &[Record<'_>],
    ) -> Result<Appended, StoreError> {
        self.check_journal()?;
        self.make_room()?;
        let numbers = self.number_streams(known)?;
        let mut all = Vec::with_capacity(records.len() + 1);
        let body = points_record::encode(&numbers, &known.points);
        if !known.streams.is_empty() {
            all.push(Record { tag: Tag::POINTS, body: &body });
        }
        all.extend_from_slice(records);
        let id = FrameId { origin: self.own, seq: self.applied.get(self.own) + 1 };
        let header = Header { id, table_len: self.tables.known(self.own), points: known.points.len() as u32 };
        let frame = Frame::encode(header, &all)?;
        self.write_frame(&frame)?;
        let members = records.iter().filter(|record| record.tag == Tag::MEMBER);
        self.members.extend(members.map(|record| Bytes::copy_from_slice(record.body)));
        records.iter().for_each(|record| self.join_annotations(id, record));
        let mut points = known.points.iter();
        for (place, count) in &known.streams {
            let own = points.by_ref().take(*count as usize);
            own.for_each(|point| insert(&self.active, &mut self.recycled, *place, *point));
        }
        Ok(Appended { frame })
    }

    /// Takes a peer's frame in whole: doors refuse, the log does not.
    pub fn apply(&mut self, frame: &Frame) -> Result<Apply, StoreError> {
        let FrameId { origin, seq } = frame.id();
        let have = self.applied.get(origin);
        if seq <= have && !self.holes.contains_key(&frame.id()) {
            return Ok(Apply::Known);
        }
        if seq > have + 1 && !shoal_merge::Mutant::StepsOverGaps.is_on() {
            return Ok(Apply::Gap { have });
        }
        let known = self.tables.known(origin);
        if frame.header().table_len > known {
            return Ok(Apply::NeedsTable { known });
        }
        self.check_journal()?;
        self.make_room()?;
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
        let places = chunk.streams.iter().map(|stream| self.place(stream)).collect::<Vec<_>>();
        self.check_agreement(chunk, &places)?;
        self.write(RecordKind::Table, &chunk.encode())?;
        self.define_places(chunk.origin, chunk.first, places)?;
        Ok(self.resolve_holes(chunk.origin))
    }

    /// Our own numbers of the streams; new ones are written to our table first.
    fn number_streams(&mut self, known: &KnownPoints) -> Result<Vec<(u32, u32)>, StoreError> {
        let first = self.tables.known(self.own);
        let mut fresh = Vec::new();
        let mut pending = BTreeMap::new();
        let mut numbers = Vec::with_capacity(known.streams.len());
        for (place, count) in &known.streams {
            self.sweeping.note_named(*place);
            let number = self.tables.own_number(*place).unwrap_or_else(|| {
                *pending.entry(*place).or_insert_with(|| {
                    fresh.push(*place);
                    first + fresh.len() as u32 - 1
                })
            });
            numbers.push((number, *count));
        }
        if !fresh.is_empty() {
            let catalogue = self.catalogue.read();
            let stream = |place: &u32| catalogue.stream(*place).expect("a caller's places are good");
            let streams = fresh.iter().map(stream).collect();
            drop(catalogue);
            let chunk = Chunk { origin: self.own, first, streams };
            self.write(RecordKind::Table, &chunk.encode())?;
            self.define_places(self.own, first, fresh)?;
        }
        Ok(numbers)
    }

    fn check_agreement(&self, chunk: &Chunk, places: &[u32]) -> Result<(), TableError> {
        for (number, place) in (chunk.first..).zip(places) {
            if self.tables.place(chunk.origin, number).is_some_and(|known| known != *place) {
                return Err(TableError::Conflict { origin: chunk.origin, number });
            }
        }
        Ok(())
    }

    pub(super) fn define_places(
        &mut self,
        origin: Origin,
        first: u32,
        places: Vec<u32>,
    ) -> Result<(), TableError> {
        self.tables.define(origin, first, &places)?;
        if origin == self.own {
            (first..).zip(&places).for_each(|(number, place)| self.tables.set_own_number(*place, number));
        }
        self.fresh_runs.push(Run { origin, first, places });
        Ok(())
    }

    pub(super) fn write_frame(&mut self, frame: &Frame) -> Result<(), StoreError> {
        self.journal.append_frame(frame).map_err(|error| self.note_failure(error))?;
        let FrameId { origin, seq } = frame.id();
        self.holes.remove(&frame.id());
        if seq > self.applied.get(origin) {
            self.applied.advance(origin, seq).expect("gaps were refused before");
            self.is_unsynced = true;
            return Ok(());
        }
        self.note_filled(frame.id());
        Ok(())
    }

    /// What filled a hole, the frame or the table that it lacked, is not durable before the next sync.
    fn note_filled(&mut self, id: FrameId) {
        self.is_unsynced = true;
        for frontier in std::iter::once(&mut self.synced).chain(&mut self.syncing) {
            let below = frontier.remove(id.origin).min(id.seq - 1);
            frontier.merge(&Frontier::from_entries([(id.origin, below)]));
        }
    }

    /// Joins a frame's points in; the bodies of its member records.
    pub(super) fn join_frame(&mut self, frame: &Frame) -> Vec<Bytes> {
        let mut members = Vec::new();
        for record in frame.records() {
            match record.map(|record| (record.tag, record.body)) {
                Ok((Tag::POINTS, body)) => {
                    if let Err(error) = self.join_points(frame.header(), body) {
                        self.note_unreadable(frame.id(), &error);
                    }
                }
                Ok((Tag::MEMBER, body)) => members.push(Bytes::copy_from_slice(body)),
                Ok((tag, body)) => self.join_annotations(frame.id(), &Record { tag, body }),
                Err(error) => self.note_unreadable(frame.id(), &error),
            }
        }
        self.members.extend(members.iter().cloned());
        members
    }

    fn join_annotations(&mut self, id: FrameId, record: &Record<'_>) {
        if matches!(record.tag, Tag::METADATA | Tag::EXEMPLARS)
            && let Err(error) = self.annotations.clone().write().join(record)
        {
            self.note_unreadable(id, &error);
        }
    }

    /// A number that the frame does not vouch for is an error, whatever this node happens to know of it.
    fn join_points(&mut self, header: &Header, body: &[u8]) -> Result<(), Malformed> {
        let Self { tables, active, recycled, .. } = self;
        let places = tables.run(header.id.origin, 0);
        let places = places.get(..header.table_len as usize).unwrap_or(places);
        points_record::decode(body, |number, points| {
            let place = *places.get(number as usize).ok_or(Malformed)?;
            let most = if shoal_merge::Mutant::RefusesOutOfOrder.is_on() { 1 } else { usize::MAX };
            points.iter().take(most).for_each(|point| insert(active, recycled, place, *point));
            Ok(())
        })
    }

    /// The checksum was right, so the writer made it so: every node passes over the same part.
    fn note_unreadable(&mut self, id: FrameId, error: &Malformed) {
        self.unreadable += 1;
        tracing::error!(origin = %id.origin, seq = id.seq, %error, "a record cannot be read and is passed over");
    }
}

fn insert(active: &Memtable, recycled: &mut Recycled, place: u32, point: Point) {
    let fits = active.append(place, point, recycled);
    assert!(fits, "room is made before a frame is taken, and a frame has its limit");
}
