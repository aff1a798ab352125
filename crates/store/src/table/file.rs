//! The tables as of a checkpoint: an append-only file of blocks, each a run of an origin's places with a checksum.
//! The manifest names how much of it counts; it is written anew when most of it belongs to origins that are gone.
//!
//! ```text
//! | length 4 | crc32c 4 | origin 16 | first varint | count varint | count × place varint | …
//! ```

use std::io;
use std::sync::Arc;

use shoal_model::Origin;

use super::Tables;
use crate::bytes::{Malformed, Reader, put_varint};
use crate::disk::{Disk, DiskFile, make_dir, read_all};

/// The directory of the tables' files.
pub(crate) const DIRECTORY: &str = "tables";

/// How much of which file counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Number of the file.
    pub generation: u64,
    /// Bytes that count.
    pub len: u64,
}

/// A run of an origin's places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Whose table.
    pub origin: Origin,
    /// The number of the first place.
    pub first: u32,
    /// The places from there on.
    pub places: Vec<u32>,
}

/// The file that is being appended to.
pub struct TableFile {
    file: Arc<dyn DiskFile>,
    extent: Extent,
    /// Whether a failed append or sync may have left bytes behind the extent.
    has_debris: bool,
}

impl TableFile {
    /// Opens the file of an extent, reads what counts into `tables`, and cuts the rest off.
    pub fn open(disk: &dyn Disk, extent: Extent, tables: &mut Tables) -> io::Result<Self> {
        make_dir(disk, DIRECTORY)?;
        if extent.len == 0 {
            return Self::create(disk, extent.generation + 1);
        }
        let file = disk.open(&path(extent.generation))?;
        file.truncate(extent.len)?;
        let content = read_all(&*file)?;
        let read = read(&content, tables);
        read.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the tables' file is damaged"))?;
        Ok(Self { file, extent, has_debris: false })
    }

    /// Begins a new file; older ones are of no use once a manifest names this one.
    pub fn create(disk: &dyn Disk, generation: u64) -> io::Result<Self> {
        let mut generation = generation;
        let file = loop {
            match disk.create(&path(generation)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => generation += 1,
                file => break file?,
            }
        };
        disk.sync_dir(DIRECTORY)?;
        Ok(Self { file, extent: Extent { generation, len: 0 }, has_debris: false })
    }

    /// Appends runs and makes them durable.
    pub fn append(&mut self, runs: &[Run]) -> io::Result<Extent> {
        let mut out = Vec::new();
        runs.iter().filter(|run| !run.places.is_empty()).for_each(|run| put_run(&mut out, run));
        if self.has_debris {
            self.file.truncate(self.extent.len)?;
        }
        self.has_debris = true;
        self.file.append(&out)?;
        self.file.sync()?;
        self.has_debris = false;
        self.extent.len += out.len() as u64;
        Ok(self.extent)
    }

    /// How much counts by now.
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// Removes the files of other generations.
    pub fn remove_others(&self, disk: &dyn Disk) -> io::Result<()> {
        let own = path(self.extent.generation);
        let others = disk.list(DIRECTORY)?.into_iter().map(|name| format!("{DIRECTORY}/{name}"));
        others.filter(|path| *path != own).try_for_each(|path| disk.remove(&path))
    }
}

pub(crate) fn path(generation: u64) -> String {
    format!("{DIRECTORY}/{generation:016x}.tab")
}

/// Reads the file of an extent again: how many bytes, and whether all is what was written.
pub(crate) fn verify(disk: &dyn Disk, extent: Extent) -> io::Result<(u64, bool)> {
    if extent.len == 0 {
        return Ok((0, true));
    }
    let content = read_all(&*disk.open(&path(extent.generation))?)?;
    let counts = usize::try_from(extent.len).ok().and_then(|len| content.get(..len));
    let is_sound = counts.is_some_and(|counts| read(counts, &mut Tables::default()).is_ok());
    Ok((content.len() as u64, is_sound))
}

fn put_run(out: &mut Vec<u8>, run: &Run) {
    let mut body = Vec::with_capacity(24 + run.places.len() * 4);
    body.extend_from_slice(&run.origin.0);
    put_varint(&mut body, u64::from(run.first));
    put_varint(&mut body, run.places.len() as u64);
    run.places.iter().for_each(|place| put_varint(&mut body, u64::from(*place)));
    out.extend_from_slice(&(body.len() as u32).to_le_bytes());
    out.extend_from_slice(&crc32c::crc32c(&body).to_le_bytes());
    out.extend_from_slice(&body);
}

fn read(content: &[u8], tables: &mut Tables) -> Result<(), Malformed> {
    let mut reader = Reader::new(content);
    while !reader.is_empty() {
        let (len, checksum) = (reader.u32()?, reader.u32()?);
        let body = reader.bytes(len as usize)?;
        if crc32c::crc32c(body) != checksum {
            return Err(Malformed);
        }
        read_run(body, tables)?;
    }
    Ok(())
}

fn read_run(body: &[u8], tables: &mut Tables) -> Result<(), Malformed> {
    let mut reader = Reader::new(body);
    let (origin, first, count) = (Origin(reader.array()?), reader.varint32()?, reader.varint32()?);
    if count as usize > reader.rest().len()
        || first.checked_add(count).is_none_or(|end| end > super::NUMBERS_MAX)
    {
        return Err(Malformed);
    }
    let places = (0..count).map(|_| reader.varint32()).collect::<Result<Vec<_>, _>>()?;
    tables.define(origin, first, &places).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::memory::MemoryDisk;

    fn run(origin: u8, first: u32, places: &[u32]) -> Run {
        Run { origin: Origin([origin; 16]), first, places: places.to_vec() }
    }

    #[test]
    fn what_an_extent_covers_comes_back_and_the_rest_is_cut() {
        let disk = MemoryDisk::new();
        let mut file = TableFile::open(&disk, Extent::default(), &mut Tables::default()).unwrap();
        let extent = file.append(&[run(1, 0, &[5, 6]), run(2, 0, &[7])]).unwrap();
        file.append(&[run(1, 2, &[8])]).unwrap();
        let mut tables = Tables::default();
        let file = TableFile::open(&disk, extent, &mut tables).unwrap();
        assert_eq!(file.extent(), extent);
        assert_eq!((tables.run(Origin([1; 16]), 0), tables.run(Origin([2; 16]), 0)), (&[5, 6][..], &[7][..]));
    }

    #[test]
    fn a_flipped_bit_is_an_error() {
        let disk = MemoryDisk::new();
        let mut file = TableFile::open(&disk, Extent::default(), &mut Tables::default()).unwrap();
        let extent = file.append(&[run(1, 0, &[5, 6, 7])]).unwrap();
        for offset in 4..extent.len as usize {
            assert!(disk.rot(&path(extent.generation), offset, 1));
            assert!(TableFile::open(&disk, extent, &mut Tables::default()).is_err(), "{offset}");
            assert!(disk.rot(&path(extent.generation), offset, 1));
        }
    }
}
