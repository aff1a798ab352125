//! An origin's table: number → stream, immutable and append-only. It travels beside the frames in chunks, and
//! every node keeps an origin's table while it holds a frame of it. Layout: `docs/formats/table.md`.
//! What a checkpoint covers of them stands in a file of its own: [`file`].

pub mod file;

use std::collections::BTreeMap;

use shoal_model::{Kind, Labels, Origin, Stream, Writer};
use thiserror::Error;

use crate::bytes::{Malformed, Reader, put_block, put_varint};
use file::Run;

/// Streams one origin may name in its life: bounds what a peer can make us hold.
const NUMBERS_MAX: u32 = 1 << 26;

/// Why bytes are no table chunk: the sender's or the disk's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TableError {
    /// They end early, or hold labels or kinds that no node writes.
    #[error("a table chunk is malformed")]
    Malformed,
    /// A number already stands for another stream.
    #[error("table entry {number} of origin {origin} is another stream already")]
    Conflict {
        /// Whose table.
        origin: Origin,
        /// Which entry.
        number: u32,
    },
}

impl From<Malformed> for TableError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// A run of an origin's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Whose table.
    pub origin: Origin,
    /// The number of the first stream.
    pub first: u32,
    /// The streams from there on.
    pub streams: Vec<Stream>,
}

impl Chunk {
    /// The chunk's bytes, in the journal and on the wire.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32 + self.streams.len() * 100);
        out.extend_from_slice(&self.origin.0);
        put_varint(&mut out, u64::from(self.first));
        put_varint(&mut out, self.streams.len() as u64);
        for stream in &self.streams {
            let has_writer = stream.writer != Writer::NONE;
            out.push(stream.kind as u8 | u8::from(has_writer) << 7);
            if has_writer {
                out.extend_from_slice(&stream.writer.0);
            }
            put_block(&mut out, stream.labels.canonical());
        }
        out
    }

    /// Reads a chunk and checks every label set.
    pub fn decode(bytes: &[u8]) -> Result<Self, TableError> {
        let mut reader = Reader::new(bytes);
        let origin = Origin(reader.array()?);
        let first = reader.varint32()?;
        let count = reader.varint32()?;
        if count as usize > reader.rest().len()
            || first.checked_add(count).is_none_or(|end| end > NUMBERS_MAX)
        {
            return Err(TableError::Malformed);
        }
        let streams = (0..count).map(|_| take_stream(&mut reader)).collect::<Result<_, _>>()?;
        if reader.is_empty() { Ok(Self { origin, first, streams }) } else { Err(TableError::Malformed) }
    }
}

fn take_stream(reader: &mut Reader<'_>) -> Result<Stream, TableError> {
    let code = reader.u8()?;
    let kind = Kind::from_code(code & 0x7f).ok_or(TableError::Malformed)?;
    let writer = if code & 0x80 == 0 { Writer::NONE } else { Writer(reader.array()?) };
    let labels = Labels::from_canonical(reader.block()?).map_err(|_| TableError::Malformed)?;
    Ok(Stream { labels, writer, kind })
}

/// No place: an entry that is not known yet.
const UNKNOWN: u32 = u32::MAX;

/// The tables of all origins, as places in this node's catalogue, and our own numbers by place.
#[derive(Default)]
pub struct Tables {
    origins: BTreeMap<Origin, Places>,
    own: Vec<u32>,
}

/// One origin's table; only rot leaves a gap in it, until the entries are pulled again.
#[derive(Default)]
struct Places {
    places: Vec<u32>,
    known: usize,
}

impl Tables {
    /// How many entries of an origin's table are known without a gap.
    pub fn known(&self, origin: Origin) -> u32 {
        self.origins.get(&origin).map_or(0, |table| table.known as u32)
    }

    /// The place in the catalogue of an origin's stream number.
    pub fn place(&self, origin: Origin, number: u32) -> Option<u32> {
        self.origins.get(&origin)?.places.get(number as usize).copied().filter(|place| *place != UNKNOWN)
    }

    /// The places of an origin's table from a number on, as far as it is known without a gap.
    pub fn run(&self, origin: Origin, from: u32) -> &[u32] {
        let run = self.origins.get(&origin).and_then(|table| table.places.get(from as usize..table.known));
        run.unwrap_or_default()
    }

    /// The origins that have tables.
    pub fn origins(&self) -> impl Iterator<Item = Origin> + '_ {
        self.origins.keys().copied()
    }

    /// Whether an origin has a table.
    pub fn has(&self, origin: Origin) -> bool {
        self.origins.contains_key(&origin)
    }

    /// The places of all streams in any table.
    pub fn places(&self) -> impl Iterator<Item = u32> + '_ {
        let all = self.origins.values().flat_map(|table| &table.places);
        all.copied().filter(|place| *place != UNKNOWN)
    }

    /// Takes entries in; one that is already there must be the same. Those before a conflict stay.
    pub fn define(&mut self, origin: Origin, first: u32, places: &[u32]) -> Result<(), TableError> {
        if places.is_empty() {
            return Ok(());
        }
        let table = self.origins.entry(origin).or_default();
        let end = first as usize + places.len();
        if table.places.len() < end {
            table.places.resize(end, UNKNOWN);
        }
        let slots = table.places.get_mut(first as usize..end).unwrap_or_default();
        for ((number, slot), place) in (first..).zip(slots).zip(places) {
            if *slot != UNKNOWN && slot != place {
                return Err(TableError::Conflict { origin, number });
            }
            *slot = *place;
        }
        let fresh = table.places.get(table.known..).unwrap_or_default();
        table.known += fresh.iter().take_while(|place| **place != UNKNOWN).count();
        Ok(())
    }

    /// All that is known, as runs without gaps.
    pub fn runs(&self) -> Vec<Run> {
        let runs = self.origins.iter().flat_map(|(origin, table)| {
            let is_known = |place: &u32| *place != UNKNOWN;
            let mut first = 0;
            let stretches = table.places.chunk_by(move |a, b| is_known(a) == is_known(b));
            let runs = stretches.map(move |places| {
                let run = Run { origin: *origin, first, places: places.to_vec() };
                first += places.len() as u32;
                run
            });
            runs.filter(move |run| run.places.iter().all(is_known))
        });
        runs.collect()
    }

    /// Forgets the table of an origin whose frames are all gone; the places that stood in it.
    pub fn remove(&mut self, origin: Origin) -> impl Iterator<Item = u32> {
        let places = self.origins.remove(&origin).unwrap_or_default().places;
        places.into_iter().filter(|place| *place != UNKNOWN)
    }

    /// Our own number in this life of the stream at a place.
    pub fn own_number(&self, place: u32) -> Option<u32> {
        self.own.get(place as usize).copied().filter(|number| *number != UNKNOWN)
    }

    /// Remembers our own number of the stream at a place.
    pub fn set_own_number(&mut self, place: u32, number: u32) {
        if self.own.len() <= place as usize {
            self.own.resize(place as usize + 1, UNKNOWN);
        }
        if let Some(slot) = self.own.get_mut(place as usize) {
            *slot = number;
        }
    }

    /// Bytes of memory, roughly.
    pub fn memory_bytes(&self) -> usize {
        let places: usize = self.origins.values().map(|table| table.places.capacity()).sum();
        (places + self.own.capacity()) * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chunk(names: &[String], writer: [u8; 16]) -> Chunk {
        let stream = |name: &String| Stream {
            labels: Labels::new([("__name__", name.as_str())]).unwrap(),
            writer: Writer(writer),
            kind: Kind::Gauge,
        };
        Chunk { origin: Origin([1; 16]), first: 5, streams: names.iter().map(stream).collect() }
    }

    #[test]
    fn an_entry_is_never_another_stream_later() {
        let (mut tables, origin) = (Tables::default(), Origin([1; 16]));
        tables.define(origin, 1, &[40]).unwrap();
        assert_eq!(tables.known(origin), 0);
        tables.define(origin, 0, &[30]).unwrap();
        tables.define(origin, 1, &[40]).unwrap();
        assert_eq!(tables.known(origin), 2);
        assert_eq!(tables.define(origin, 1, &[41]), Err(TableError::Conflict { origin, number: 1 }));
        assert_eq!(tables.run(origin, 1), [40]);
        tables.define(origin, 4, &[70]).unwrap();
        let runs = tables.runs().into_iter().map(|run| (run.first, run.places)).collect::<Vec<_>>();
        assert_eq!(runs, [(0, vec![30, 40]), (4, vec![70])]);
    }

    proptest! {
        #[test]
        fn chunks_round_trip(names in prop::collection::vec(".{1,20}", 0..5), writer: [u8; 16]) {
            let chunk = chunk(&names, writer);
            prop_assert_eq!(Chunk::decode(&chunk.encode()), Ok(chunk));
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Chunk::decode(&bytes);
        }
    }
}
