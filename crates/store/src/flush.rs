//! A flush: a full memtable becomes one block for each window it touches, and the catalogue and the tables are
//! written as far as those blocks need them. It runs on any thread; the store takes the result in.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use shoal_model::{Kind, Point};
use thiserror::Error;

use crate::annotations::SharedAnnotations;
use crate::block::{self, Block, BlockError, Writer};
use crate::catalogue::{CatalogueFile, SharedCatalogue};
use crate::disk::Disk;
use crate::journal::SyncJob;
use crate::memtable::MemtableView;
use crate::table::file::{Extent, Run, TableFile};
use crate::view::settle;
use crate::windows::window_of;

/// A flush to be run.
pub struct FlushJob {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) memtable: MemtableView,
    pub(crate) catalogue: SharedCatalogue,
    pub(crate) annotations: SharedAnnotations,
    pub(crate) catalogue_file: CatalogueFile,
    pub(crate) table_file: TableFile,
    pub(crate) runs: Vec<Run>,
    /// All runs, where the tables are to be written anew.
    pub(crate) all_runs: Option<Vec<Run>>,
    /// The catalogue's durable length, where its log is to be written anew.
    pub(crate) durable_catalogue: Option<u64>,
    pub(crate) next_block: u64,
    /// What the checkpoint will lie behind, if that is not synced yet.
    pub(crate) journal: SyncJob,
}

/// What a flush came to; the files go back to the store in any case.
pub struct FlushDone {
    pub(crate) catalogue_file: CatalogueFile,
    pub(crate) table_file: TableFile,
    pub(crate) runs: Vec<Run>,
    pub(crate) result: Result<Flushed, FlushError>,
}

/// Why a flush came to nothing.
#[derive(Debug, Error)]
pub enum FlushError {
    /// The journal could not be synced: nobody knows what is on the disk.
    #[error("the journal cannot be synced: {0}")]
    Journal(#[source] io::Error),
    /// Anything else; it can be tried again.
    #[error(transparent)]
    Disk(#[from] io::Error),
}

/// What a flush wrote.
pub struct Flushed {
    pub(crate) blocks: Vec<Arc<Block>>,
    pub(crate) catalogue_len: u64,
    pub(crate) tables: Extent,
    pub(crate) has_new_log: bool,
}

impl FlushJob {
    /// Writes and syncs everything.
    pub fn run(mut self) -> FlushDone {
        let mut begun = Vec::new();
        let result = self.write(&mut begun);
        if result.is_err() {
            for (window, number) in begun {
                block::remove_unfinished(&*self.disk, window, number);
            }
        }
        let Self { catalogue_file, table_file, runs, .. } = self;
        FlushDone { catalogue_file, table_file, runs, result }
    }

    fn write(&mut self, begun: &mut Vec<(i64, u64)>) -> Result<Flushed, FlushError> {
        // Frames before the checkpoint are served to peers, and a tear must not be sought among them.
        self.journal.run().map_err(FlushError::Journal)?;
        let has_new_log = match self.durable_catalogue {
            Some(durable) => self.catalogue_file.rewrite(&self.catalogue.read(), durable)?,
            None => false,
        };
        // Places that blocks and tables name must be in the catalogue first.
        self.catalogue_file.append(&mut self.catalogue.write())?;
        self.catalogue_file.sync()?;
        if self.catalogue_file.snapshot_is_due() {
            self.catalogue_file.snapshot(&self.catalogue.read())?;
        }
        self.annotations.store(&*self.disk)?;
        let tables = self.write_tables()?;
        let mut writers: BTreeMap<i64, Writer> = BTreeMap::new();
        let mut points = Vec::new();
        for (place, kind) in self.streams() {
            points.clear();
            self.memtable.read(place, &mut points);
            points.reverse();
            settle(&mut points, 0);
            self.write_stream((place, kind), &points, &mut writers, begun)?;
        }
        let mut blocks = Vec::with_capacity(writers.len());
        for writer in writers.into_values() {
            let meta = writer.finish(None)?;
            let path = block::path(&meta);
            blocks.push(Arc::new(Block::open(&*self.disk, &path, &meta).map_err(into_io)?));
        }
        blocks.iter().try_for_each(|block| block::sync_directory(&*self.disk, block.meta().window))?;
        let catalogue_len = self.catalogue_file.len();
        Ok(Flushed { blocks, catalogue_len, tables, has_new_log })
    }

    fn write_tables(&mut self) -> io::Result<Extent> {
        let Some(all) = &self.all_runs else { return self.table_file.append(&self.runs) };
        self.table_file = TableFile::create(&*self.disk, self.table_file.extent().generation + 1)?;
        self.table_file.append(all)
    }

    /// The streams that have points, in order of place.
    fn streams(&self) -> Vec<(u32, Kind)> {
        let catalogue = self.catalogue.read();
        self.memtable.places().filter_map(|place| Some((place, catalogue.kind(place)?))).collect()
    }

    fn write_stream(
        &self,
        (place, kind): (u32, Kind),
        points: &[Point],
        writers: &mut BTreeMap<i64, Writer>,
        begun: &mut Vec<(i64, u64)>,
    ) -> io::Result<()> {
        for run in points.chunk_by(|a, b| window_of(kind, a.time) == window_of(kind, b.time)) {
            let Some(window) = run.first().map(|point| window_of(kind, point.time)) else { continue };
            let writer = match writers.entry(window) {
                std::collections::btree_map::Entry::Occupied(writer) => writer.into_mut(),
                std::collections::btree_map::Entry::Vacant(vacant) => {
                    let number = self.next_block + begun.len() as u64;
                    begun.push((window, number));
                    vacant.insert(block::create(&*self.disk, window, number, 0)?)
                }
            };
            writer.add(place, run)?;
        }
        Ok(())
    }
}

pub(crate) fn into_io(error: BlockError) -> io::Error {
    match error {
        BlockError::Disk(error) => error,
        rot => io::Error::new(io::ErrorKind::InvalidData, rot),
    }
}
