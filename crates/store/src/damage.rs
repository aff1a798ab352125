//! What is damaged: of which streams and which window points may be missing, because a part of a block has rotted.
//! The marks outlive the block that they were found in, by the manifest, until the points have come back from a
//! peer or their time is over. What a merge cannot carry over is moved to `quarantine/`, never unlinked.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

use thiserror::Error;

use crate::block::{self, Meta, Part, Rot};
use crate::bytes::{Malformed, Reader, put_signed, put_varint};
use crate::disk::Disk;
use crate::windows::window_start;

/// The directory of blocks that were damaged and are no longer in force.
const QUARANTINE: &str = "quarantine";
/// Marks of one window that are kept apart; more become one that spans them.
const MARKS_MAX: usize = 1024;
/// Findings of readers that wait to be taken in; what does not fit is found again.
const FINDINGS_MAX: usize = 1024;

/// Points that may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Damage {
    /// Of which window.
    pub window: i64,
    /// The first place in the catalogue whose stream is concerned.
    pub first: u32,
    /// The last one.
    pub last: u32,
    /// What was damaged.
    pub part: Part,
}

impl Damage {
    /// The damage that rot in a block of a window does.
    pub fn of(window: i64, rot: &Rot) -> Self {
        Self { window, first: *rot.places.start(), last: *rot.places.end(), part: rot.part }
    }

    /// The milliseconds whose points may be missing.
    pub fn millis(&self) -> RangeInclusive<i64> {
        window_start(self.window)..=window_start(self.window.saturating_add(1)).saturating_sub(1)
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.millis();
        write!(f, "the {} of a block with points from {} to {} ms", self.part, millis.start(), millis.end())
    }
}

/// Points could not be read because of damage; what is whole was read. Reading again fails again; a peer has them.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{} damaged parts, the first: {}", .0.len(), .0.first().map(Damage::to_string).unwrap_or_default())]
pub struct Damaged(pub Vec<Damage>);

/// All marks. A clone stays as it is, so that a reader sees those of its moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DamageMarks {
    marks: Arc<BTreeSet<Damage>>,
}

impl DamageMarks {
    /// Marks damage; whether that is news.
    pub fn insert(&mut self, damage: Damage) -> bool {
        let covers = |mark: &Damage| mark.first <= damage.first && damage.last <= mark.last;
        if self.within(damage.window..=damage.window).any(covers) {
            return false;
        }
        let marks = Arc::make_mut(&mut self.marks);
        marks.insert(damage);
        let range = span(damage.window..=damage.window);
        if marks.range(range.clone()).count() > MARKS_MAX {
            let all: Vec<Damage> = marks.range(range).copied().collect();
            marks.retain(|mark| mark.window != damage.window);
            let first = all.iter().map(|mark| mark.first).min().unwrap_or_default();
            let last = all.iter().map(|mark| mark.last).max().unwrap_or(u32::MAX);
            marks.insert(Damage { first, last, part: Part::Page, ..damage });
        }
        true
    }

    /// The marks of the windows in a range, in order.
    pub fn within(&self, windows: RangeInclusive<i64>) -> impl Iterator<Item = &Damage> {
        let is_empty = windows.is_empty();
        let range = if is_empty { 0..=0 } else { windows };
        self.marks.range(span(range)).filter(move |_| !is_empty)
    }

    /// All marks, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Damage> {
        self.marks.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.marks.len()
    }

    /// Whether nothing is damaged.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// Takes the marks off that do not fit; whether there were any.
    pub fn retain(&mut self, keep: impl Fn(&Damage) -> bool) -> bool {
        if self.marks.iter().all(&keep) {
            return false;
        }
        Arc::make_mut(&mut self.marks).retain(keep);
        true
    }

    /// Appends the marks, for the manifest.
    pub fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, self.marks.len() as u64);
        for mark in self.marks.iter() {
            put_signed(out, mark.window);
            put_varint(out, u64::from(mark.first));
            put_varint(out, u64::from(mark.last));
            out.push(mark.part as u8);
        }
    }

    /// Reads them back.
    pub fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let take = |reader: &mut Reader<'_>| {
            let (window, first, last) = (reader.signed()?, reader.varint32()?, reader.varint32()?);
            let part = Part::from_code(reader.u8()?).ok_or(Malformed)?;
            Ok(Damage { window, first, last, part })
        };
        let marks = (0..reader.count()?).map(|_| take(reader)).collect::<Result<_, _>>()?;
        Ok(Self { marks: Arc::new(marks) })
    }
}

fn span(windows: RangeInclusive<i64>) -> RangeInclusive<Damage> {
    let least = Damage { window: *windows.start(), first: 0, last: 0, part: Part::Header };
    let greatest = Damage { window: *windows.end(), first: u32::MAX, last: u32::MAX, part: Part::Digests };
    least..=greatest
}

/// What readers on other threads have found, for the store to take in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings(Arc<Mutex<BTreeSet<Damage>>>);

impl Findings {
    pub(crate) fn note(&self, damage: &[Damage]) {
        if damage.is_empty() {
            return;
        }
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = FINDINGS_MAX.saturating_sub(found.len());
        found.extend(damage.iter().take(room).copied());
    }

    pub(crate) fn take(&self) -> BTreeSet<Damage> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Keeps damaged blocks that are about to be unlinked: each gets a second name below `quarantine/`, durably.
pub(crate) fn quarantine<'a>(disk: &dyn Disk, blocks: impl IntoIterator<Item = &'a Meta>) -> io::Result<()> {
    let mut has_kept = false;
    for meta in blocks {
        if !has_kept {
            disk.create_dir(QUARANTINE)?;
            disk.sync_dir("")?;
        }
        has_kept = true;
        match disk.link(&block::path(meta), &kept_path(meta)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => tracing::warn!(path = kept_path(meta), "a damaged block is kept"),
        }
    }
    if has_kept { disk.sync_dir(QUARANTINE) } else { Ok(()) }
}

/// The files that are kept of the windows that fit.
pub(crate) fn quarantined(disk: &dyn Disk, fits: impl Fn(i64) -> bool) -> io::Result<Vec<String>> {
    let of_window = |name: &String| name.split_once('_').and_then(|(window, _)| window.parse().ok());
    let names = disk.list(QUARANTINE)?.into_iter().filter(|name| of_window(name).is_some_and(&fits));
    Ok(names.map(|name| format!("{QUARANTINE}/{name}")).collect())
}

fn kept_path(meta: &Meta) -> String {
    format!("{QUARANTINE}/{}_{:016x}.blk", meta.window, meta.number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn damage(window: i64, first: u32, last: u32) -> Damage {
        Damage { window, first, last, part: Part::Values }
    }

    #[test]
    fn marks_come_back_and_are_news_once() {
        let mut marks = DamageMarks::default();
        assert!(marks.insert(damage(-3, 5, 5)) && marks.insert(damage(4, 0, 9)));
        assert!(!marks.insert(damage(4, 3, 4)), "a part of what is known");
        let mut out = Vec::new();
        marks.put(&mut out);
        assert_eq!(DamageMarks::take(&mut Reader::new(&out)), Ok(marks.clone()));
        assert_eq!(marks.within(-9..=3).copied().collect::<Vec<_>>(), [damage(-3, 5, 5)]);
        assert!(marks.retain(|mark| mark.window > 0) && marks.len() == 1);
    }

    #[test]
    fn too_many_marks_of_a_window_become_one() {
        let mut marks = DamageMarks::default();
        for place in 0..=MARKS_MAX as u32 {
            marks.insert(damage(7, place * 2, place * 2));
        }
        assert_eq!(marks.len(), 1);
        assert!(marks.iter().all(|mark| (mark.first, mark.last) == (0, 2 * MARKS_MAX as u32)));
    }
}
