//! The catalogue on disk: a log of definitions that is only appended to, and beside it a snapshot that spares a
//! start the reading of it. Blocks of points refer to places, so places come back exactly as they were.
//! Layout: `docs/formats/catalogue.md`.

mod block;
mod snapshot;

use std::io;
use std::sync::Arc;

use roaring::RoaringBitmap;
use thiserror::Error;

use super::Catalogue;
use crate::bytes::{Malformed, Reader};
use crate::disk::{Disk, DiskFile, make_dir, read_all, replace_in};

pub(crate) const DIRECTORY: &str = "catalogue";
pub(crate) const LOG: &str = "catalogue/defs.log";
pub(crate) const SNAPSHOT: &str = "catalogue/snapshot";

const MAGIC: [u8; 8] = *b"SHCL\x01\0\0\0";

/// Magic, base, end of the state, checksum.
const HEADER_BYTES: u64 = 28;

/// Once the log is this many times as long as the state that it began with, it is mostly history.
const GROWTH_MAX: u64 = 4;

/// What is appended between two snapshots at least: it is read in some milliseconds.
const SNAPSHOT_BYTES_MIN: u64 = 1 << 20;

/// A log shorter than this is not worth writing anew.
const REWRITE_BYTES_MIN: u64 = 4 << 20;

/// Why the catalogue cannot be read. Without it the blocks of points mean nothing: the node must be brought
/// back from a copy, or from its peers as a new node. Nothing that is still needed was changed.
#[derive(Debug, Error)]
pub enum CatalogueError {
    /// A block that was synced cannot be read any more.
    #[error("file {LOG} has rotted: what begins at byte {offset} cannot be read")]
    Rot {
        /// Where it begins in the file.
        offset: u64,
    },
    /// The log ends before the length that was promised, or begins after it.
    #[error("file {LOG} tells of the lengths from {base} to {end}, and {upto} was promised")]
    Missing {
        /// The least length that it can be read up to.
        base: u64,
        /// The greatest.
        end: u64,
        /// The length that was asked for.
        upto: u64,
    },
    /// The disk's own error.
    #[error("the catalogue cannot be read: {0}")]
    Disk(#[from] io::Error),
}

/// The catalogue's files. Append after definitions, sync, and let the store's manifest name [`Self::len`]: what
/// lies beyond the named length is forgotten at the next start. What a failed sync left in doubt is written again
/// by the next append.
pub struct CatalogueFile {
    disk: Arc<dyn Disk>,
    log: Arc<dyn DiskFile>,
    header: Header,
    /// Bytes of the log's file that are whole blocks.
    end: u64,
    /// Whether a failed append may have left bytes behind the end.
    has_debris: bool,
    /// The length that the last snapshot stands for, or that was read at the start.
    snapshot_len: u64,
    /// Bytes that are on the disk for certain, and the places that were appended after them.
    synced_end: u64,
    unsynced: RoaringBitmap,
    /// Whether a sync has failed since: nobody knows what of the rest will ever be on the disk.
    sync_failed: bool,
}

/// The head of the log. A log that was written anew begins with the whole state at the length `base`; its blocks
/// end at the byte `state_end`, and lengths go on counting from `base` there.
#[derive(Clone, Copy, Debug)]
struct Header {
    base: u64,
    state_end: u64,
}

impl CatalogueFile {
    /// The catalogue as it was when the log was `upto` long, which is 0 before a manifest has ever named a
    /// length; what lies beyond is cut off.
    pub fn load(disk: Arc<dyn Disk>, upto: u64) -> Result<(Catalogue, Self), CatalogueError> {
        make_dir(&*disk, DIRECTORY)?;
        if upto == 0 {
            return Ok((Catalogue::default(), Self::create(disk)?));
        }
        let log = match disk.open(LOG) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(CatalogueError::Missing { base: 0, end: 0, upto });
            }
            log => log?,
        };
        let header = read_header(&*log)?;
        let end = header.offset(upto).filter(|end| log.len().is_ok_and(|len| *end <= len));
        let Some(end) = end else {
            let end = header.length(log.len()?);
            return Err(CatalogueError::Missing { base: header.base, end, upto });
        };
        let snapshot = read_snapshot(&*disk, header, upto)?;
        let (mut catalogue, start) = snapshot.unwrap_or_else(|| (Catalogue::default(), HEADER_BYTES));
        replay(&mut catalogue, &*log, start..end)?;
        log.truncate(end)?;
        let snapshot_len = header.length(start);
        Ok((catalogue, Self { snapshot_len, ..Self::new(disk, log, header, end) }))
    }

    fn create(disk: Arc<dyn Disk>) -> io::Result<Self> {
        remove_snapshot(&*disk)?;
        let header = Header { base: HEADER_BYTES, state_end: HEADER_BYTES };
        let log = replace_in(&*disk, DIRECTORY, LOG, &header.encode())?;
        Ok(Self::new(disk, log, header, HEADER_BYTES))
    }

    fn new(disk: Arc<dyn Disk>, log: Arc<dyn DiskFile>, header: Header, end: u64) -> Self {
        Self {
            disk,
            log,
            header,
            end,
            has_debris: false,
            snapshot_len: 0,
            synced_end: end,
            unsynced: RoaringBitmap::new(),
            sync_failed: false,
        }
    }

    /// Writes what was defined and recycled since the last append. After an error the file is as it was, and the
    /// next append tries all of it again.
    pub fn append(&mut self, catalogue: &mut Catalogue) -> io::Result<()> {
        if self.sync_failed {
            self.log.truncate(self.synced_end)?;
            self.end = self.synced_end;
            catalogue.touched |= std::mem::take(&mut self.unsynced);
            self.sync_failed = false;
        }
        if catalogue.touched.is_empty() {
            return Ok(());
        }
        if self.has_debris {
            self.log.truncate(self.end)?;
        }
        let blocks = block::encode(catalogue, &catalogue.touched);
        self.has_debris = true;
        self.log.append(&blocks)?;
        self.has_debris = false;
        self.end += blocks.len() as u64;
        self.unsynced |= std::mem::take(&mut catalogue.touched);
        Ok(())
    }

    /// Makes everything appended durable.
    pub fn sync(&mut self) -> io::Result<()> {
        self.sync_failed = true;
        self.log.sync()?;
        self.sync_failed = false;
        self.synced_end = self.end;
        self.unsynced.clear();
        Ok(())
    }

    /// The log's file, for whoever syncs it on another thread.
    pub fn log(&self) -> Arc<dyn DiskFile> {
        Arc::clone(&self.log)
    }

    /// The length to be named by the manifest once it is synced. It never falls, and is not the file's own
    /// after the log was written anew.
    pub fn len(&self) -> u64 {
        self.header.length(self.end)
    }

    /// Whether nothing was ever appended.
    pub fn is_empty(&self) -> bool {
        self.len() == HEADER_BYTES
    }

    /// Whether enough was appended since the last snapshot that another one pays.
    pub fn snapshot_is_due(&self) -> bool {
        let grown = self.len().saturating_sub(self.snapshot_len);
        grown > SNAPSHOT_BYTES_MIN.max(self.snapshot_len / GROWTH_MAX)
    }

    /// Writes a snapshot of the catalogue in place of the last one. A snapshot stands for a length of the log, so
    /// nothing is done, and `false` returned, where something was defined since the last append.
    pub fn snapshot(&mut self, catalogue: &Catalogue) -> io::Result<bool> {
        if !catalogue.touched.is_empty() {
            return Ok(false);
        }
        replace_in(&*self.disk, DIRECTORY, SNAPSHOT, &snapshot::encode(catalogue, self.len()))?;
        self.snapshot_len = self.len();
        Ok(true)
    }

    /// Whether most of the log is history, so that [`Self::rewrite`] pays.
    pub fn rewrite_is_due(&self) -> bool {
        self.end > REWRITE_BYTES_MIN && self.end / GROWTH_MAX > self.header.state_end
    }

    /// Writes the log anew, without history. `durable` is the length that the manifest durably names: unless
    /// it is that of the log, and the catalogue has nothing to append, nothing is done and `false` returned.
    pub fn rewrite(&mut self, catalogue: &Catalogue, durable: u64) -> io::Result<bool> {
        if durable != self.len() || !catalogue.touched.is_empty() {
            return Ok(false);
        }
        let mut places = RoaringBitmap::new();
        places.insert_range(0..catalogue.streams.places());
        let state = block::encode(catalogue, &places);
        let header = Header { base: durable, state_end: HEADER_BYTES + state.len() as u64 };
        let mut content = header.encode();
        content.extend_from_slice(&state);
        self.log = replace_in(&*self.disk, DIRECTORY, LOG, &content)?;
        self.end = header.state_end;
        self.header = header;
        self.has_debris = false;
        self.synced_end = self.end;
        Ok(true)
    }
}

impl Header {
    fn encode(self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&self.base.to_le_bytes());
        out.extend_from_slice(&self.state_end.to_le_bytes());
        out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let (magic, base, state_end) = (reader.array()?, reader.u64()?, reader.u64()?);
        let covered = bytes.get(..HEADER_BYTES as usize - 4).ok_or(Malformed)?;
        let is_sound =
            magic == MAGIC && reader.u32()? == crc32c::crc32c(covered) && state_end >= HEADER_BYTES;
        if is_sound { Ok(Self { base, state_end }) } else { Err(Malformed) }
    }

    /// Where in the file a length ends; `None` for one before the base.
    fn offset(self, length: u64) -> Option<u64> {
        length.checked_sub(self.base)?.checked_add(self.state_end)
    }

    /// The length that ends at a byte of the file.
    fn length(self, offset: u64) -> u64 {
        offset.saturating_sub(self.state_end).saturating_add(self.base)
    }
}

fn read_header(log: &dyn DiskFile) -> Result<Header, CatalogueError> {
    let mut bytes = [0; HEADER_BYTES as usize];
    match log.read_at(0, &mut bytes) {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error.into()),
        _ => Header::decode(&bytes).map_err(|Malformed| CatalogueError::Rot { offset: 0 }),
    }
}

/// The snapshot's catalogue, and where in the log to go on from there. A snapshot of a length beyond `upto` is
/// unlinked: the log may grow to that length again with something else in it.
fn read_snapshot(disk: &dyn Disk, header: Header, upto: u64) -> io::Result<Option<(Catalogue, u64)>> {
    let bytes = match disk.open(SNAPSHOT) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => read_all(&*file?)?,
    };
    match snapshot::decode(&bytes) {
        Ok((length, _)) if length > upto => {
            remove_snapshot(disk)?;
            Ok(None)
        }
        Ok((length, catalogue)) => Ok(header.offset(length).map(|start| (catalogue, start))),
        Err(Malformed) => {
            tracing::warn!("file {SNAPSHOT} is damaged; the log is read instead");
            Ok(None)
        }
    }
}

fn remove_snapshot(disk: &dyn Disk) -> io::Result<()> {
    match disk.remove(SNAPSHOT) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => disk.sync_dir(DIRECTORY),
    }
}

fn replay(
    catalogue: &mut Catalogue,
    log: &dyn DiskFile,
    range: std::ops::Range<u64>,
) -> Result<(), CatalogueError> {
    let mut offset = range.start;
    while offset < range.end {
        let rot = |Malformed| CatalogueError::Rot { offset };
        let room = (range.end - offset).checked_sub(block::HEADER_BYTES as u64);
        let room = room.ok_or(Malformed).map_err(rot)?;
        let mut header = [0; block::HEADER_BYTES];
        log.read_at(offset, &mut header)?;
        let len = block::stored_len(&header);
        if u64::from(len) > room {
            return Err(rot(Malformed));
        }
        let mut stored = vec![0; len as usize];
        log.read_at(offset + block::HEADER_BYTES as u64, &mut stored)?;
        block::apply(catalogue, &header, &stored).map_err(rot)?;
        offset += block::HEADER_BYTES as u64 + u64::from(len);
    }
    catalogue.touched.clear();
    Ok(())
}

/// Reads the log again up to a length, without applying it: how many bytes, and whether all is what was written.
pub(crate) fn verify(disk: &dyn Disk, upto: u64) -> io::Result<(u64, bool)> {
    let log = disk.open(LOG)?;
    let len = log.len()?;
    let Ok(header) = read_header(&*log) else { return Ok((len, false)) };
    // A log that was written anew meanwhile may begin after the length that was durable then.
    let Some(end) = header.offset(upto).filter(|end| *end <= len) else { return Ok((len, true)) };
    let mut offset = HEADER_BYTES;
    while offset < end {
        let mut header = [0; block::HEADER_BYTES];
        let mut stored = Vec::new();
        let read = log.read_at(offset, &mut header).and_then(|()| {
            let next = offset + block::HEADER_BYTES as u64;
            let len = u64::from(block::stored_len(&header));
            if len > end.saturating_sub(next) {
                return Err(io::ErrorKind::InvalidData.into());
            }
            stored.resize(len as usize, 0);
            log.read_at(next, &mut stored)
        });
        if read.is_err() || !block::is_sound(&header, &stored) {
            return Ok((offset, false));
        }
        offset += (block::HEADER_BYTES + stored.len()) as u64;
    }
    Ok((end, true))
}

#[cfg(test)]
mod tests;
