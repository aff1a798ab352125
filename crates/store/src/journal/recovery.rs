//! Opens a journal that a past life wrote: finds the last group commit, cuts the torn tail after it, reports
//! rot before it, and starts a new segment (a recovered one is never appended to).

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::scan::{Stretch, scan};
use super::{Commit, DIRECTORY, Journal, Location, Position, RecordKind, Rot, SEGMENT_MAGIC, number, path};
use crate::disk::{Disk, DiskFile, read_all};
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
    /// Whole records in the order they were written, but for commits.
    pub entries: Vec<Entry>,
    /// Rot before the last commit.
    pub rot: Vec<Rot>,
    /// Bytes of a torn tail that were cut.
    pub cut_bytes: u64,
    /// The last own frame that each past life's commits name.
    pub heads: Vec<FrameId>,
}

struct Segment {
    number: u64,
    file: Arc<dyn DiskFile>,
    len: usize,
    stretches: Vec<Stretch>,
    commits: Vec<Commit>,
}

impl Journal {
    /// Recovers the journal below `disk`, which may be empty.
    pub fn open(disk: Arc<dyn Disk>) -> io::Result<Recovered> {
        disk.create_dir(DIRECTORY)?;
        let mut segments = load(&*disk)?;
        let commits: Vec<Commit> = segments.iter().flat_map(|segment| segment.commits.clone()).collect();
        let synced = commits.iter().map(|commit| commit.synced).max().unwrap_or_default();
        let cut_bytes = cut_torn_tail(&*disk, &mut segments, synced)?;
        let mut heads: BTreeMap<_, u64> = BTreeMap::new();
        for FrameId { origin, seq } in commits.iter().map(|commit| commit.head) {
            heads.entry(origin).and_modify(|known| *known = seq.max(*known)).or_insert(seq);
        }
        let (entries, rot) = sift(&segments);
        let next = segments.last().map_or(1, |segment| segment.number + 1);
        segments.iter().try_for_each(|segment| segment.file.sync())?;
        let open = segments.into_iter().map(|segment| (segment.number, segment.file)).collect();
        let mut journal = Self { disk, segments: open, unsynced: Vec::new(), end: Position::default() };
        journal.open_segment(next)?;
        let synced = journal.end;
        journal.commit(&Commit { synced, head: FrameId { origin: Default::default(), seq: 0 } })?;
        let heads =
            heads.into_iter().filter(|(_, seq)| *seq > 0).map(|(origin, seq)| FrameId { origin, seq });
        Ok(Recovered { journal, entries, rot, cut_bytes, heads: heads.collect() })
    }
}

fn load(disk: &dyn Disk) -> io::Result<Vec<Segment>> {
    let mut segments = Vec::new();
    for number in disk.list(DIRECTORY)?.iter().filter_map(|name| number(name)) {
        let file = disk.open(&path(number))?;
        let content = read_all(&*file)?;
        let start = if content.starts_with(SEGMENT_MAGIC) { SEGMENT_MAGIC.len() } else { 0 };
        let stretches = scan(&content, start);
        let commits = stretches.iter().filter_map(|stretch| commit(&content, stretch)).collect();
        segments.push(Segment { number, file, len: content.len(), stretches, commits });
    }
    Ok(segments)
}

fn commit(content: &[u8], stretch: &Stretch) -> Option<Commit> {
    match *stretch {
        Stretch::Whole { kind: Some(RecordKind::Commit), offset, len } => {
            content.get(offset..offset + len).and_then(|body| Commit::decode(body).ok())
        }
        _ => None,
    }
}

impl Segment {
    fn position(&self, offset: usize) -> Position {
        Position { segment: self.number, offset: offset as u64 }
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

/// Cuts at the first bad stretch that was never synced: what comes after it was never promised to anyone.
fn cut_torn_tail(disk: &dyn Disk, segments: &mut Vec<Segment>, synced: Position) -> io::Result<u64> {
    let torn = segments.iter().enumerate().find_map(|(index, segment)| {
        let bad = segment.stretches.iter().position(|stretch| match stretch {
            Stretch::Bad { offset, .. } => segment.position(*offset) >= synced,
            Stretch::Whole { .. } => false,
        })?;
        Some((index, bad))
    });
    let Some((index, bad)) = torn else { return Ok(0) };
    let mut cut = 0;
    for segment in segments.drain(index + 1..) {
        cut += segment.len as u64;
        disk.remove(&path(segment.number))?;
    }
    if let Some(segment) = segments.get_mut(index)
        && let Some(Stretch::Bad { offset, .. }) = segment.stretches.get(bad).copied()
    {
        cut += (segment.len - offset) as u64;
        segment.stretches.truncate(bad);
        segment.file.truncate(offset as u64)?;
    }
    disk.sync_dir(DIRECTORY)?;
    Ok(cut)
}

fn sift(segments: &[Segment]) -> (Vec<Entry>, Vec<Rot>) {
    let (mut entries, mut rot) = (Vec::new(), Vec::new());
    for segment in segments {
        for stretch in &segment.stretches {
            match *stretch {
                Stretch::Whole { kind: Some(RecordKind::Commit) | None, .. } => {}
                Stretch::Whole { kind: Some(kind), offset, len } => {
                    let location = Location { position: segment.position(offset), len: len as u32 };
                    entries.push(Entry { kind, location });
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
