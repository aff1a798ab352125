//! A block being written: streams in ascending order of place, their points in ascending order of time, cut
//! into chunks. Memory is bounded but for the index; the file is of use once [`Writer::finish`] has returned.

use std::io;
use std::sync::Arc;

use shoal_model::Point;
use shoal_model::time::DELTA_BITS;

use crate::codec::{CHUNK_POINTS_MAX, Scratch, encode_times, encode_values};
use crate::disk::{Disk, DiskFile};

use super::digests::ShardDigests;
use super::footer::{FOOTER_BYTES, Footer};
use super::index::{Column, Entry, IndexWriter};
use super::meta::{Meta, WINDOW_MS};
use super::pool::Pool;
use super::rot::put_checksum;
use super::{CHECKSUM_BYTES, COLUMN_BYTES_MAX, MAGIC};

/// Bytes gathered before they are appended.
const APPEND_BYTES: usize = 256 * 1024;

/// Writes one block. After an error it takes nothing more, and the file is to be removed.
pub struct Writer {
    output: Output,
    index: IndexWriter,
    pool: Pool,
    scratch: Scratch,
    place: Option<u32>,
    /// The last time of the place's chunk before.
    before: Option<i64>,
    times: Vec<i64>,
    values: Vec<f64>,
    meta: Meta,
}

impl Writer {
    /// Begins a block in a new file; fails with `AlreadyExists` where there is one.
    pub fn create(disk: &dyn Disk, path: &str, window: i64, number: u64, tier: u8) -> io::Result<Self> {
        let mut output = Output { file: disk.create(path)?, buffer: Vec::new(), appended: 0, failed: false };
        output.buffer.extend_from_slice(&MAGIC);
        output.buffer.extend_from_slice(&[0; 4]);
        Ok(Self {
            output,
            index: IndexWriter::default(),
            pool: Pool::new(),
            scratch: Scratch::default(),
            place: None,
            before: None,
            times: Vec::with_capacity(CHUNK_POINTS_MAX),
            values: Vec::with_capacity(CHUNK_POINTS_MAX),
            meta: Meta {
                window,
                number,
                tier,
                streams: 0,
                points: 0,
                bytes: 0,
                first_ms: i64::MAX,
                last_ms: i64::MIN,
                is_sealed: false,
            },
        })
    }

    /// Adds points of a stream: places in ascending order, all points of a place, in one call or several,
    /// strictly ascending in time and within the window. Else it fails with `InvalidInput`.
    pub fn add(&mut self, place: u32, mut points: &[Point]) -> io::Result<()> {
        self.turn_to(place, points.is_empty())?;
        while !points.is_empty() {
            let (now, later) = points.split_at(points.len().min(CHUNK_POINTS_MAX - self.times.len()));
            self.times.extend(now.iter().map(|point| point.time));
            self.values.extend(now.iter().map(|point| point.value));
            self.close_full_chunk()?;
            points = later;
        }
        Ok(())
    }

    /// As [`Writer::add`], from columns of one length.
    pub fn add_columns(&mut self, place: u32, mut times: &[i64], mut values: &[f64]) -> io::Result<()> {
        if times.len() != values.len() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.turn_to(place, times.is_empty())?;
        while !times.is_empty() {
            let len = times.len().min(CHUNK_POINTS_MAX - self.times.len());
            let (now, later) = times.split_at(len);
            let (values_now, values_later) = values.split_at(len);
            self.times.extend_from_slice(now);
            self.values.extend_from_slice(values_now);
            self.close_full_chunk()?;
            (times, values) = (later, values_later);
        }
        Ok(())
    }

    /// Writes what is left, the index and the footer, and syncs the file. A block with digests is sealed. The
    /// file's name becomes durable when the caller syncs the directory.
    pub fn finish(mut self, digests: Option<&ShardDigests>) -> io::Result<Meta> {
        self.close_chunk()?;
        let pages_offset = self.output.position();
        let (pages, mut tail) = std::mem::take(&mut self.index).finish();
        self.output.buffer.extend_from_slice(&pages);
        let sparse_offset = self.output.position();
        let count = (tail.len() - CHECKSUM_BYTES) / 8;
        if let Some(digests) = digests {
            digests.put(&mut tail);
        }
        let mut meta = self.meta;
        meta.is_sealed = digests.is_some();
        meta.bytes = sparse_offset + (tail.len() + FOOTER_BYTES) as u64;
        if meta.points == 0 {
            meta.first_ms = meta.window.saturating_mul(WINDOW_MS);
            meta.last_ms = meta.first_ms;
        }
        let pages = u32::try_from(count).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let footer = Footer { meta, pages_offset, sparse_offset, pages };
        footer.put(&mut tail);
        self.output.buffer.extend_from_slice(&tail);
        self.output.append()?;
        self.output.file.sync()?;
        Ok(footer.meta)
    }

    /// Closes the chunk of the place before, if another one's points follow.
    fn turn_to(&mut self, place: u32, nothing_follows: bool) -> io::Result<()> {
        if self.place == Some(place) || nothing_follows {
            return Ok(());
        }
        if self.place.is_some_and(|before| before > place) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.close_chunk()?;
        self.place = Some(place);
        self.before = None;
        self.meta.streams += 1;
        Ok(())
    }

    fn close_full_chunk(&mut self) -> io::Result<()> {
        if self.times.len() == CHUNK_POINTS_MAX { self.close_chunk() } else { Ok(()) }
    }

    fn close_chunk(&mut self) -> io::Result<()> {
        let Some(place) = self.place.filter(|_| !self.times.is_empty()) else { return Ok(()) };
        let column = match self.pool.find(&self.times) {
            Some(column) => column,
            None => self.put_column()?,
        };
        if self.before.replace(column.last) >= Some(column.first) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let offset = self.output.position();
        let (values, scratch) = (&self.values, &mut self.scratch);
        let bytes = self.output.put(|out| encode_values(values, scratch, out))?;
        if !self.index.push(Entry { place, offset, bytes, column }) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.meta.points += self.times.len() as u64;
        self.times.clear();
        self.values.clear();
        self.output.append_when_full()
    }

    /// Writes a column of times that no earlier chunk shares.
    fn put_column(&mut self) -> io::Result<Column> {
        let (Some(&first), Some(&last)) = (self.times.first(), self.times.last()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        if !self.times.is_sorted_by(|a, b| a < b) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.note_times(first)?;
        self.note_times(last)?;
        let offset = self.output.position();
        let (times, scratch) = (&self.times, &mut self.scratch);
        let bytes = self.output.put(|out| encode_times(times, scratch, out))?;
        let column = Column { offset, bytes, points: self.times.len(), first, last };
        self.pool.insert(&self.times, column);
        Ok(column)
    }

    /// Widens the block's bounds to a time. The window tells which axis it is on; near 1970 it could be on
    /// either, and the bounds take both in.
    fn note_times(&mut self, time: i64) -> io::Result<()> {
        let mut fits = false;
        for ms in [time, time >> DELTA_BITS] {
            if ms.div_euclid(WINDOW_MS) == self.meta.window {
                self.meta.first_ms = self.meta.first_ms.min(ms);
                self.meta.last_ms = self.meta.last_ms.max(ms);
                fits = true;
            }
        }
        if fits { Ok(()) } else { Err(io::ErrorKind::InvalidInput.into()) }
    }
}

/// The file, and what is gathered for it.
struct Output {
    file: Arc<dyn DiskFile>,
    buffer: Vec<u8>,
    appended: u64,
    failed: bool,
}

impl Output {
    /// Where the next byte goes.
    fn position(&self) -> u64 {
        self.appended + self.buffer.len() as u64
    }

    /// Writes a part and its checksum; gives the part's length.
    fn put(&mut self, encode: impl FnOnce(&mut Vec<u8>)) -> io::Result<usize> {
        let start = self.buffer.len();
        encode(&mut self.buffer);
        let bytes = self.buffer.len() - start;
        put_checksum(&mut self.buffer, start);
        if bytes <= COLUMN_BYTES_MAX { Ok(bytes) } else { Err(io::ErrorKind::FileTooLarge.into()) }
    }

    fn append_when_full(&mut self) -> io::Result<()> {
        if self.buffer.len() < APPEND_BYTES { Ok(()) } else { self.append() }
    }

    /// Appends what is gathered. How much of it arrived is unknown after an error, so nothing more is taken.
    fn append(&mut self) -> io::Result<()> {
        if self.failed {
            return Err(io::Error::other("an earlier append to this block failed"));
        }
        self.failed = true;
        self.file.append(&self.buffer)?;
        self.failed = false;
        self.appended += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}
