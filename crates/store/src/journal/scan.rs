//! Reads a segment that a past life wrote: which records are whole, and which stretches are not. After a bad
//! stretch it finds the next record by its header's checksum, so one bad byte costs one record.

use super::record::{HEADER_BYTES, RecordKind, header};

/// A stretch of a segment, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stretch {
    /// A whole record; `offset` is where its body begins.
    Whole { kind: Option<RecordKind>, offset: usize, len: usize },
    /// Bytes that are no record. `body` tells where a broken record's body begins, if its header is whole.
    Bad { offset: usize, len: usize, body: Option<usize> },
}

pub(super) fn scan(segment: &[u8], start: usize) -> Vec<Stretch> {
    let mut found = Vec::new();
    let mut offset = start;
    while offset < segment.len() {
        let stretch = stretch_at(segment, offset);
        offset = match stretch {
            Stretch::Whole { offset, len, .. } => offset + len,
            Stretch::Bad { offset, len, .. } => offset + len,
        };
        found.push(stretch);
    }
    found
}

fn stretch_at(segment: &[u8], offset: usize) -> Stretch {
    let rest = segment.get(offset..).unwrap_or_default();
    let Some(head) = header(rest) else {
        let len =
            (1..rest.len()).find(|skip| rest.get(*skip..).and_then(header).is_some()).unwrap_or(rest.len());
        return Stretch::Bad { offset, len, body: None };
    };
    let body = offset + HEADER_BYTES;
    match rest.get(HEADER_BYTES..).and_then(|after| after.get(..head.len)) {
        Some(bytes) if crc32c::crc32c(bytes) == head.checksum => {
            Stretch::Whole { kind: head.kind, offset: body, len: head.len }
        }
        Some(bytes) => Stretch::Bad { offset, len: HEADER_BYTES + bytes.len(), body: Some(body) },
        None => Stretch::Bad { offset, len: rest.len(), body: Some(body) },
    }
}
