//! Opens a journal that a past life wrote: finds the last group commit, cuts the torn tail after it, reports
//! rot before it, and starts a new segment (a recovered one is never appended to). Segments that end before the
//! checkpoint are not read: their index says what they hold.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::index::{Index, Slot};
use super::scan::{Stretch, scan};
use super::{
    Commit, DIRECTORY, Journal, Location, Position, RecordKind, Rot, SEGMENT_BYTES, SEGMENT_MAGIC, Segment,
    SegmentFile, index_path, number, path,
};
use crate::disk::{Disk, DiskFile, make_dir, read_all, replace_in};
use crate::frame::{Frame, FrameError, FrameId};

/// A record that recovery found whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it holds.
    pub kind: RecordKind,
    /// Where its body lies.
    pub location: Location,
}

/// What a past life left.
pub struct Recovered {
    /// The journal, ready to be appended to; all of it is synced.
    pub journal: Journal,
    /// Whole records from the checkpoint on, in the order they were written, but for commits.
    pub entries: Vec<Entry>,
    /// Rot before the last commit.
    pub rot: Vec<Rot>,
    /// Bytes of a torn tail that were cut.
    pub cut_bytes: u64,
    /// The last own frame that each past life's commits name.
    pub heads: Vec<FrameId>,
}

struct Scanned {
    number: u64,
    file: Arc<dyn DiskFile>,
    len: usize,
    stretches: Vec<Stretch>,
    commits: Vec<Commit>,
    index: Index,
    /// Where the segment before it ended, as it says itself.
    previous: Option<Position>,
}

impl Journal {
    /// Recovers the journal below `disk`, which may be empty, from a checkpoint on.
    pub fn open(disk: Arc<dyn Disk>, checkpoint: Position) -> io::Result<Recovered> {
        make_dir(&*disk, DIRECTORY)?;
        let numbers: Vec<u64> = disk.list(DIRECTORY)?.iter().filter_map(|name| number(name)).collect();
        let mut segments = BTreeMap::new();
        let mut scanned = Vec::new();
        for number in &numbers {
            let file = disk.open(&path(*number))?;
            match Index::load(&*disk, &index_path(*number)) {
                Some(index) if *number < checkpoint.segment => {
                    let spans = index.spans();
                    segments.insert(*number, Segment { file, len: index.len, spans, index: None });
                }
                _ => scanned.push(Scanned::read(*number, file)?),
            }
        }
        let commits: Vec<Commit> = scanned.iter().flat_map(|segment| segment.commits.clone()).collect();
        // What lies before a checkpoint was synced before the checkpoint was named.
        let synced = commits.iter().map(|commit| commit.synced).max().unwrap_or_default().max(checkpoint);
        let cut_bytes = cut_torn_tail(&*disk, &mut scanned, synced)?;
        let (entries, rot) = sift(&scanned, checkpoint);
        for mut segment in scanned {
            segment.make_durable(&*disk, synced)?;
            segment.index.save(&*disk, &index_path(segment.number))?;
            let spans = segment.index.spans();
            let len = segment.len as u64;
            segments.insert(segment.number, Segment { file: segment.file, len, spans, index: None });
        }
        // A number at or before the checkpoint's would hide what is written from the next replay.
        let next = numbers.last().copied().unwrap_or_default().max(checkpoint.segment) + 1;
        let mut journal = Self {
            disk,
            segments,
            unsynced: Vec::new(),
            end: Position::default(),
            committed: Position::default(),
            record: Vec::new(),
            segment_bytes: SEGMENT_BYTES,
            sync_has_failed: Arc::default(),
        };
        let last = journal.segments.last_key_value();
        let last = last.map(|(number, segment)| Position { segment: *number, offset: segment.len });
        journal.open_segment(next, last.unwrap_or_default())?;
        let synced = journal.end;
        // Durable before anything is promised: rot in what was found must never pass for a torn tail.
        journal.commit(&Commit { synced, head: FrameId { origin: Default::default(), seq: 0 } })?;
        journal.sync_job().run()?;
        Ok(Recovered { journal, entries, rot, cut_bytes, heads: heads(&commits) })
    }
}

/// The index of a closed segment, from its file or by reading the segment.
pub(super) fn index_of(disk: &dyn Disk, number: u64, file: &dyn DiskFile) -> io::Result<Index> {
    match Index::load(disk, &index_path(number)) {
        Some(index) => Ok(index),
        None => {
            let content = read_all(file)?;
            let stretches = scan(&content, start(&content));
            Ok(index(&content, &stretches))
        }
    }
}

/// Reads a closed segment again: how many bytes, and which frames of it are not what was written. Bytes of a
/// frame whose very name is gone are found by its index, which is made anew where it is lost.
pub(crate) fn verify(disk: &dyn Disk, file: &SegmentFile) -> io::Result<(u64, Vec<FrameId>)> {
    let content = read_all(&*disk.open(&file.path)?)?;
    let content = content.get(..usize::try_from(file.len).unwrap_or(usize::MAX)).unwrap_or(&content);
    let found = index(content, &scan(content, start(content)));
    match Index::load(disk, &file.index_path) {
        Some(known) => {
            let is_lost = |(id, slot): (&FrameId, &Slot)| (found.get(*id) != Some(*slot)).then_some(*id);
            Ok((content.len() as u64, known.frames.iter().filter_map(is_lost).collect()))
        }
        None => {
            found.save(disk, &file.index_path)?;
            Ok((content.len() as u64, Vec::new()))
        }
    }
}

impl Scanned {
    fn read(number: u64, file: Arc<dyn DiskFile>) -> io::Result<Self> {
        let content = read_all(&*file)?;
        let stretches = scan(&content, start(&content));
        let commits = stretches.iter().filter_map(|stretch| commit(&content, stretch)).collect();
        let index = index(&content, &stretches);
        let previous = previous(&content, &stretches);
        Ok(Self { number, file, len: content.len(), stretches, commits, index, previous })
    }

    fn position(&self, offset: usize) -> Position {
        Position { segment: self.number, offset: offset as u64 }
    }

    /// Where the first bad stretch begins that was never synced.
    fn tear(&self, synced: Position) -> Option<usize> {
        self.stretches.iter().find_map(|stretch| match stretch {
            Stretch::Bad { offset, .. } => Some(*offset).filter(|at| self.position(*at) >= synced),
            Stretch::Whole { .. } => None,
        })
    }

    /// Whether something is missing between this segment and the next, by what that says, and was never synced.
    fn is_short(&self, next: &Scanned, synced: Position) -> bool {
        let end = self.position(self.len);
        next.previous.is_some_and(|stated| stated > end) && end >= synced
    }

    /// Cuts the segment at the beginning of one of its stretches, or at its end.
    fn cut(&mut self, offset: usize) -> io::Result<u64> {
        let cut = (self.len - offset) as u64;
        self.stretches.retain(|stretch| match stretch {
            Stretch::Whole { offset: at, .. } | Stretch::Bad { offset: at, .. } => *at < offset,
        });
        self.len = offset;
        self.file.truncate(offset as u64)?;
        let content = read_all(&*self.file)?;
        self.index = index(&content, &self.stretches);
        Ok(cut)
    }

    /// Makes the whole segment durable. Where a sync has failed, pages that were never written pass for clean and no
    /// later sync writes them: what no commit vouches for is written anew.
    fn make_durable(&mut self, disk: &dyn Disk, synced: Position) -> io::Result<()> {
        if self.position(self.len) <= synced || shoal_merge::Mutant::CacheTrusted.is_on() {
            return self.file.sync();
        }
        let content = read_all(&*self.file)?;
        self.file = replace_in(disk, DIRECTORY, &path(self.number), &content)?;
        Ok(())
    }

    /// The frame that a broken record was, if the frame's own header is still whole.
    fn broken_frame(&self, from: usize, to: usize) -> Option<FrameId> {
        let mut body = vec![0; to.checked_sub(from)?];
        self.file.read_at(from as u64, &mut body).ok()?;
        match Frame::decode(body.into()) {
            Err(FrameError::SectionChecksum(id)) => Some(id),
            Ok(frame) => Some(frame.id()),
            Err(_) => None,
        }
    }
}

fn start(content: &[u8]) -> usize {
    if content.starts_with(SEGMENT_MAGIC) { SEGMENT_MAGIC.len() } else { 0 }
}

fn index(content: &[u8], stretches: &[Stretch]) -> Index {
    let mut index = Index { len: content.len() as u64, ..Index::default() };
    for stretch in stretches {
        if let Stretch::Whole { kind: Some(RecordKind::Frame), offset, len } = *stretch
            && let Some(id) = content.get(offset..offset + len).and_then(Frame::peek)
        {
            index.insert(id, Slot { offset: offset as u64, len: len as u32 });
        }
    }
    index
}

fn commit(content: &[u8], stretch: &Stretch) -> Option<Commit> {
    match *stretch {
        Stretch::Whole { kind: Some(RecordKind::Commit), offset, len } => {
            content.get(offset..offset + len).and_then(|body| Commit::decode(body).ok())
        }
        _ => None,
    }
}

fn previous(content: &[u8], stretches: &[Stretch]) -> Option<Position> {
    match *stretches.first()? {
        Stretch::Whole { kind: Some(RecordKind::Start), offset, len } => {
            content.get(offset..offset + len).and_then(|body| Position::decode(body).ok())
        }
        _ => None,
    }
}

fn heads(commits: &[Commit]) -> Vec<FrameId> {
    let mut heads: BTreeMap<_, u64> = BTreeMap::new();
    for FrameId { origin, seq } in commits.iter().map(|commit| commit.head).filter(|head| head.seq > 0) {
        heads.entry(origin).and_modify(|known| *known = seq.max(*known)).or_insert(seq);
    }
    heads.into_iter().map(|(origin, seq)| FrameId { origin, seq }).collect()
}

/// Cuts at the first bad stretch, or lost end of a segment, that was never synced: what comes after it was never
/// promised to anyone.
fn cut_torn_tail(disk: &dyn Disk, segments: &mut Vec<Scanned>, synced: Position) -> io::Result<u64> {
    let torn = segments.iter().enumerate().find_map(|(index, segment)| {
        let is_short = segments.get(index + 1).is_some_and(|next| segment.is_short(next, synced));
        Some((index, segment.tear(synced).or(is_short.then_some(segment.len))?))
    });
    let Some((index, offset)) = torn else { return Ok(0) };
    let mut cut = 0;
    for segment in segments.drain(index + 1..) {
        cut += segment.len as u64;
        super::remove_if_there(disk, &index_path(segment.number))?;
        disk.remove(&path(segment.number))?;
    }
    if let Some(segment) = segments.get_mut(index) {
        cut += segment.cut(offset)?;
    }
    disk.sync_dir(DIRECTORY)?;
    Ok(cut)
}

fn sift(segments: &[Scanned], checkpoint: Position) -> (Vec<Entry>, Vec<Rot>) {
    let (mut entries, mut rot) = (Vec::new(), Vec::new());
    for segment in segments {
        for stretch in &segment.stretches {
            match *stretch {
                Stretch::Whole {
                    kind: Some(RecordKind::Commit | RecordKind::Index | RecordKind::Start) | None,
                    ..
                } => {}
                Stretch::Whole { kind: Some(kind), offset, len } => {
                    let location = Location { position: segment.position(offset), len: len as u32 };
                    if location.position >= checkpoint {
                        entries.push(Entry { kind, location });
                    }
                }
                Stretch::Bad { offset, len, body } => {
                    let frame = body.and_then(|body| segment.broken_frame(body, offset + len));
                    rot.push(Rot { position: segment.position(offset), len: len as u64, frame });
                }
            }
        }
    }
    (entries, rot)
}
