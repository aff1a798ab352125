//! The journal: frames of all origins and the tables they need, in the order they arrived, in segments that
//! are only appended to. It is the write-ahead log and the replication log in one. A group commit appends a
//! record that names the synced length: what is bad after it is a torn tail and is cut, what is bad before it
//! is rot and is reported. Layout: `docs/formats/journal.md`.

mod record;
mod recovery;
mod scan;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use shoal_model::Origin;

use crate::bytes::{Malformed, Reader};
use crate::disk::{Disk, DiskFile};
use crate::frame::FrameId;
use record::HEADER_BYTES;
pub use record::RecordKind;
pub use recovery::{Entry, Recovered};

/// The journal's directory.
const DIRECTORY: &str = "journal";
/// What a segment begins with: magic number and version.
const SEGMENT_MAGIC: &[u8; 8] = b"SHJ\x01\0\0\0\0";
/// A segment is closed when it reaches this length.
const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

/// A place in the journal, in order of writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    /// Number of the segment.
    pub segment: u64,
    /// Bytes from its start.
    pub offset: u64,
}

/// Where a record's body lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// Where it begins.
    pub position: Position,
    /// How long it is.
    pub len: u32,
}

/// Bytes before the last group commit that are no record any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rot {
    /// Where they begin.
    pub position: Position,
    /// How many.
    pub len: u64,
    /// The frame that they were, where that can still be read.
    pub frame: Option<FrameId>,
}

/// What a group commit says: how far the journal was synced, and our own head by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Everything before it was synced.
    pub synced: Position,
    /// The newest own frame before it; `seq` 0 for none.
    pub head: FrameId,
}

/// A sync to be carried out by whoever drives the store, on any thread.
pub struct SyncJob {
    files: Vec<Arc<dyn DiskFile>>,
    end: Position,
}

impl SyncJob {
    /// Makes everything written before the job was handed out durable.
    pub fn run(&self) -> io::Result<()> {
        self.files.iter().try_for_each(|file| file.sync())
    }

    /// How far the journal is synced when the job succeeded.
    pub fn end(&self) -> Position {
        self.end
    }
}

/// The open journal.
pub struct Journal {
    disk: Arc<dyn Disk>,
    segments: BTreeMap<u64, Arc<dyn DiskFile>>,
    unsynced: Vec<u64>,
    end: Position,
}

impl Journal {
    /// Appends a record and tells where its body lies. On an error nothing was appended, unless
    /// the disk cannot even be cut back: then the error's kind is `Other` and the journal must not be used.
    pub fn append(&mut self, kind: RecordKind, body: &[u8]) -> io::Result<Location> {
        if self.end.offset >= SEGMENT_BYTES {
            self.open_segment(self.end.segment + 1)?;
        }
        let file = self.active()?;
        if let Err(error) = file.append(&record::encode(kind, body)) {
            file.truncate(self.end.offset).map_err(|cut| io::Error::other(format!("{error}, then {cut}")))?;
            return Err(error);
        }
        let start = Position { segment: self.end.segment, offset: self.end.offset + HEADER_BYTES as u64 };
        self.end.offset = start.offset + body.len() as u64;
        Ok(Location { position: start, len: body.len() as u32 })
    }

    /// Reads a record's body.
    pub fn read(&self, location: Location) -> io::Result<Bytes> {
        let file = self.segments.get(&location.position.segment).ok_or(io::ErrorKind::NotFound)?;
        let mut body = vec![0; location.len as usize];
        file.read_at(location.position.offset, &mut body)?;
        Ok(body.into())
    }

    /// The sync that would make everything written so far durable.
    pub fn sync_job(&mut self) -> SyncJob {
        let files = self.unsynced.iter().filter_map(|number| self.segments.get(number)).cloned().collect();
        self.unsynced = vec![self.end.segment];
        SyncJob { files, end: self.end }
    }

    /// Writes the record of a group commit.
    pub fn commit(&mut self, commit: &Commit) -> io::Result<()> {
        self.append(RecordKind::Commit, &commit.encode()).map(drop)
    }

    /// Bytes of all segments.
    pub fn len_bytes(&self) -> u64 {
        self.segments.values().filter_map(|file| file.len().ok()).sum()
    }

    fn active(&self) -> io::Result<&Arc<dyn DiskFile>> {
        self.segments.get(&self.end.segment).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn open_segment(&mut self, number: u64) -> io::Result<()> {
        let file = self.disk.create(&path(number))?;
        file.append(SEGMENT_MAGIC)?;
        self.disk.sync_dir(DIRECTORY)?;
        self.segments.insert(number, file);
        self.unsynced.push(number);
        self.end = Position { segment: number, offset: SEGMENT_MAGIC.len() as u64 };
        Ok(())
    }
}

impl Commit {
    fn encode(&self) -> Vec<u8> {
        let numbers = [self.synced.segment, self.synced.offset, self.head.seq];
        numbers.iter().flat_map(|number| number.to_le_bytes()).chain(self.head.origin.0).collect()
    }

    fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let synced = Position { segment: reader.u64()?, offset: reader.u64()? };
        let seq = reader.u64()?;
        Ok(Self { synced, head: FrameId { origin: Origin(reader.array()?), seq } })
    }
}

fn path(segment: u64) -> String {
    format!("{DIRECTORY}/{segment:016x}.seg")
}

fn number(name: &str) -> Option<u64> {
    u64::from_str_radix(name.strip_suffix(".seg")?, 16).ok()
}

#[cfg(test)]
mod tests;
