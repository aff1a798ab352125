//! The journal: frames of all origins and the tables they need, in the order they arrived, in segments that
//! are only appended to. It is the write-ahead log and the replication log in one. A group commit appends a
//! record that names the synced length: what is bad after it is a torn tail and is cut, what is bad before it
//! is rot and is reported. Layout: `docs/formats/journal.md`.

mod ages;
mod index;
mod record;
mod recovery;
mod scan;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use shoal_model::Origin;

use crate::bytes::{Malformed, Reader};
use crate::disk::{Disk, DiskFile};
use crate::frame::{Frame, FrameId};
pub use ages::Ages;
use index::{Index, Slot, Span};
use record::HEADER_BYTES;
pub use record::RecordKind;
pub(crate) use recovery::verify;
pub use recovery::{Entry, Recovered};

/// The journal's directory.
pub(crate) const DIRECTORY: &str = "journal";
/// What a segment begins with: magic number and version.
const SEGMENT_MAGIC: &[u8; 8] = b"SHJ\x01\0\0\0\0";
/// A segment is closed when it reaches this length; a short one lets tests close many.
const SEGMENT_BYTES: u64 = if cfg!(test) { 2 * 1024 } else { 64 * 1024 * 1024 };
/// Segments into which what is kept is divided at least: only whole ones are removed.
const SEGMENTS_KEPT: u64 = 4;
/// However little is kept, a segment is not shorter.
const SEGMENT_BYTES_MIN: u64 = 2 * 1024;

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
    has_failed: Arc<Mutex<bool>>,
}

impl SyncJob {
    /// Makes everything written before the job was handed out durable. After a failure every other job fails
    /// too: the disk tells of what it has lost only once.
    pub fn run(&self) -> io::Result<()> {
        let mut has_failed = self.has_failed.lock().unwrap_or_else(PoisonError::into_inner);
        if *has_failed {
            return Err(io::Error::other("a sync of the journal failed before"));
        }
        let result = self.files.iter().try_for_each(|file| file.sync());
        *has_failed = result.is_err();
        result
    }

    /// How far the journal is synced when the job succeeded.
    pub fn end(&self) -> Position {
        self.end
    }
}

/// A segment, open for reading.
struct Segment {
    file: Arc<dyn DiskFile>,
    len: u64,
    spans: BTreeMap<Origin, Span>,
    /// Where its frames lie; read from its own file when first asked for, if the segment is closed.
    index: Option<Index>,
}

/// The open journal.
pub struct Journal {
    disk: Arc<dyn Disk>,
    segments: BTreeMap<u64, Segment>,
    unsynced: Vec<u64>,
    end: Position,
    /// What the last group commit says was synced.
    committed: Position,
    record: Vec<u8>,
    segment_bytes: u64,
    sync_has_failed: Arc<Mutex<bool>>,
}

/// A segment as a snapshot takes it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentFile {
    pub(crate) path: String,
    pub(crate) index_path: String,
    pub(crate) len: u64,
    pub(crate) number: u64,
    /// Whether nothing will ever touch its bytes: it is closed, and all of it was committed.
    pub(crate) is_final: bool,
}

impl Journal {
    /// Appends a frame.
    pub fn append_frame(&mut self, frame: &Frame) -> io::Result<Location> {
        let location = self.append(RecordKind::Frame, frame.bytes())?;
        if let Some(segment) = self.segments.get_mut(&location.position.segment) {
            let FrameId { origin, seq } = frame.id();
            let span = segment.spans.entry(origin).or_insert((seq, seq));
            *span = (span.0.min(seq), span.1.max(seq));
            let slot = Slot { offset: location.position.offset, len: location.len };
            segment.index.get_or_insert_default().insert(frame.id(), slot);
        }
        Ok(location)
    }

    /// Appends a record and tells where its body lies. On an error nothing was appended, unless
    /// the disk cannot even be cut back: then the error's kind is `Other` and the journal must not be used.
    pub fn append(&mut self, kind: RecordKind, body: &[u8]) -> io::Result<Location> {
        if self.end.offset >= self.segment_bytes {
            self.close_segment()?;
            self.open_segment(self.end.segment + 1, self.end)?;
        }
        self.record.clear();
        record::encode_into(kind, body, &mut self.record);
        let segment = self.segments.get_mut(&self.end.segment).ok_or(io::ErrorKind::NotFound)?;
        if let Err(error) = segment.file.append(&self.record) {
            let cut = segment.file.truncate(self.end.offset);
            cut.map_err(|cut| io::Error::other(format!("{error}, then {cut}")))?;
            return Err(error);
        }
        let start = Position { segment: self.end.segment, offset: self.end.offset + HEADER_BYTES as u64 };
        self.end.offset = start.offset + body.len() as u64;
        segment.len = self.end.offset;
        Ok(Location { position: start, len: body.len() as u32 })
    }

    /// Reads a record's body.
    pub fn read(&self, location: Location) -> io::Result<Bytes> {
        let segment = self.segments.get(&location.position.segment).ok_or(io::ErrorKind::NotFound)?;
        if location.position.offset + u64::from(location.len) > segment.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut body = vec![0; location.len as usize];
        segment.file.read_at(location.position.offset, &mut body)?;
        Ok(body.into())
    }

    /// Where a frame lies; of several copies the newest.
    pub fn find(&mut self, id: FrameId) -> Option<Location> {
        let holds = |segment: &Segment| {
            segment.spans.get(&id.origin).is_some_and(|(first, last)| (*first..=*last).contains(&id.seq))
        };
        let numbers: Vec<u64> = self
            .segments
            .iter()
            .rev()
            .filter(|(_, segment)| holds(segment))
            .map(|(number, _)| *number)
            .collect();
        numbers.into_iter().find_map(|number| self.find_in(number, id))
    }

    /// Lists a frame no more: its bytes have rotted.
    pub fn forget(&mut self, id: FrameId) {
        for segment in self.segments.values_mut() {
            if let Some(index) = &mut segment.index {
                index.frames.remove(&id);
            }
        }
    }

    /// The first frame of an origin that is still in the journal.
    pub fn first_of(&self, origin: Origin) -> Option<u64> {
        self.segments.values().filter_map(|segment| segment.spans.get(&origin)).map(|(first, _)| *first).min()
    }

    /// Origins of which the journal still holds frames.
    pub fn origins(&self) -> impl Iterator<Item = Origin> + '_ {
        let mut origins: Vec<_> =
            self.segments.values().flat_map(|segment| segment.spans.keys().copied()).collect();
        origins.sort_unstable();
        origins.dedup();
        origins.into_iter()
    }

    /// The sync that would make everything written so far durable; report it with [`Journal::note_synced`].
    pub fn sync_job(&self) -> SyncJob {
        let files = self.unsynced.iter().filter_map(|number| self.segments.get(number));
        SyncJob {
            files: files.map(|segment| Arc::clone(&segment.file)).collect(),
            end: self.end,
            has_failed: Arc::clone(&self.sync_has_failed),
        }
    }

    /// A sync has succeeded: the segments before its end need no other.
    pub fn note_synced(&mut self, job: &SyncJob) {
        self.unsynced.retain(|number| *number >= job.end.segment);
    }

    /// Writes the record of a group commit.
    pub fn commit(&mut self, commit: &Commit) -> io::Result<()> {
        self.append(RecordKind::Commit, &commit.encode())?;
        self.committed = commit.synced;
        Ok(())
    }

    /// The segments' files, as long as they are now.
    pub(crate) fn segment_files(&self) -> Vec<SegmentFile> {
        let file = |(number, segment): (&u64, &Segment)| SegmentFile {
            path: path(*number),
            index_path: index_path(*number),
            len: segment.len,
            number: *number,
            is_final: *number < self.committed.segment && *number < self.end.segment,
        };
        self.segments.iter().map(file).collect()
    }

    /// Where the next record will be written.
    pub fn end(&self) -> Position {
        self.end
    }

    /// Bytes from a position to the end.
    pub fn bytes_since(&self, position: Position) -> u64 {
        let later: u64 = self.segments.range(position.segment + 1..).map(|(_, segment)| segment.len).sum();
        let first = self.segments.get(&position.segment).map_or(0, |segment| segment.len);
        later + first.saturating_sub(position.offset)
    }

    /// Bytes of all segments.
    pub fn len_bytes(&self) -> u64 {
        self.segments.values().map(|segment| segment.len).sum()
    }

    /// Lets segments be small enough for about `bytes_max` bytes of them to be kept.
    pub fn keep(&mut self, bytes_max: u64) {
        self.segment_bytes = (bytes_max / SEGMENTS_KEPT).clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES);
    }

    /// Removes the oldest segments that end before `checkpoint`, as long as more than `bytes_max` are left, or
    /// they are below the number `expired`.
    pub fn truncate(&mut self, checkpoint: Position, bytes_max: u64, expired: u64) -> io::Result<()> {
        let mut bytes = self.len_bytes();
        while let Some((number, segment)) = self.segments.first_key_value() {
            if *number >= checkpoint.segment || bytes <= bytes_max && *number >= expired {
                break;
            }
            let (number, len) = (*number, segment.len);
            remove_if_there(&*self.disk, &index_path(number))?;
            self.disk.remove(&path(number))?;
            self.segments.remove(&number);
            bytes -= len;
        }
        Ok(())
    }

    fn find_in(&mut self, number: u64, id: FrameId) -> Option<Location> {
        let disk = Arc::clone(&self.disk);
        let segment = self.segments.get_mut(&number)?;
        if segment.index.is_none() {
            segment.index = recovery::index_of(&*disk, number, &*segment.file).ok();
        }
        let Slot { offset, len } = segment.index.as_ref()?.get(id)?;
        Some(Location { position: Position { segment: number, offset }, len })
    }

    /// The index of a closed segment goes to its file; it is read again when a peer asks for old frames.
    fn close_segment(&mut self) -> io::Result<()> {
        let number = self.end.segment;
        if let Some(segment) = self.segments.get_mut(&number)
            && let Some(index) = &mut segment.index
        {
            index.len = segment.len;
            index.save(&*self.disk, &index_path(number))?;
            segment.index = None;
        }
        Ok(())
    }

    /// Begins a segment. It says where the one before it ended: else, after a power loss that took the end of
    /// that one and not this, nobody could tell that something is missing between them.
    fn open_segment(&mut self, number: u64, previous: Position) -> io::Result<()> {
        // An attempt that failed may have left a file without a record.
        remove_if_there(&*self.disk, &path(number))?;
        let file = self.disk.create(&path(number))?;
        let mut head = SEGMENT_MAGIC.to_vec();
        head.extend_from_slice(&record::encode(RecordKind::Start, &previous.encode()));
        file.append(&head)?;
        self.disk.sync_dir(DIRECTORY)?;
        let len = head.len() as u64;
        let index = Some(Index::default());
        self.segments.insert(number, Segment { file, len, spans: BTreeMap::new(), index });
        self.unsynced.push(number);
        self.end = Position { segment: number, offset: len };
        Ok(())
    }
}

impl Position {
    fn encode(self) -> Vec<u8> {
        [self.segment.to_le_bytes(), self.offset.to_le_bytes()].concat()
    }

    fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        Ok(Self { segment: reader.u64()?, offset: reader.u64()? })
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

fn remove_if_there(disk: &dyn Disk, path: &str) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn path(segment: u64) -> String {
    format!("{DIRECTORY}/{segment:016x}.seg")
}

fn index_path(segment: u64) -> String {
    format!("{DIRECTORY}/{segment:016x}.idx")
}

fn number(name: &str) -> Option<u64> {
    u64::from_str_radix(name.strip_suffix(".seg")?, 16).ok()
}

#[cfg(test)]
mod tests;
