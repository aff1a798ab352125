//! A stretch of a file held in memory, so that neighbouring parts cost one read.

use std::io;
use std::ops::Range;

use crate::disk::DiskFile;

/// Bytes of a file from some offset on.
#[derive(Debug, Default)]
pub(super) struct Stretch {
    start: u64,
    bytes: Vec<u8>,
}

impl Stretch {
    /// The bytes of a range, if all of them are held.
    pub(super) fn get(&self, range: &Range<u64>) -> Option<&[u8]> {
        let from = usize::try_from(range.start.checked_sub(self.start)?).ok()?;
        let to = usize::try_from(range.end.checked_sub(self.start)?).ok()?;
        self.bytes.get(from..to)
    }

    /// Holds a range in place of what was held.
    pub(super) fn load(&mut self, file: &dyn DiskFile, range: Range<u64>) -> io::Result<()> {
        let len = usize::try_from(range.end.saturating_sub(range.start))
            .map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.start = range.start;
        self.bytes.resize(len, 0);
        file.read_at(range.start, &mut self.bytes).inspect_err(|_| self.bytes.clear())
    }

    /// The bytes of a range, read with what follows up to `ahead` bytes, but not beyond `end`. Where reading
    /// ahead fails, the range itself may still be readable.
    pub(super) fn fetch(
        &mut self,
        file: &dyn DiskFile,
        range: &Range<u64>,
        ahead: u64,
        end: u64,
    ) -> io::Result<()> {
        if self.get(range).is_some() {
            return Ok(());
        }
        let far = range.start.saturating_add(ahead).min(end).max(range.end);
        self.load(file, range.start..far).or_else(|_| self.load(file, range.clone()))
    }
}
