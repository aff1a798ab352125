//! A scrub: one file of the store is read again and every checksum in it verified, long before somebody needs it.
//! It finds; what is done about it is the store's.

use std::io;
use std::sync::Arc;

use crate::base::Base;
use crate::block::{self, Block};
use crate::catalogue::{SharedCatalogue, file as catalogue_file};
use crate::damage::Damage;
use crate::disk::Disk;
use crate::frame::FrameId;
use crate::journal::{self, SegmentFile};
use crate::manifest::Manifest;
use crate::summary;
use crate::table::file as table_file;

/// A file to be scrubbed.
pub(crate) enum Target {
    /// A block, with its summary if it has one.
    Block(Arc<Block>, Option<Arc<Block>>),
    Segment(SegmentFile),
    /// The catalogue up to a length.
    Catalogue(u64),
    Tables(table_file::Extent),
    Base(u64),
    Manifest,
}

impl Target {
    /// Which kind of file it is.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Block(..) => "block",
            Self::Segment(_) => "segment",
            Self::Catalogue(_) => "catalogue",
            Self::Tables(_) => "tables",
            Self::Base(_) => "base",
            Self::Manifest => "manifest",
        }
    }
}

/// A scrub of one file.
pub struct ScrubJob {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) target: Target,
    pub(crate) catalogue: SharedCatalogue,
}

/// What a scrub has found.
pub struct ScrubDone {
    pub(crate) target: Target,
    pub(crate) result: io::Result<Scrubbed>,
}

/// What was read, and what of it is not what was written.
#[derive(Debug, Default)]
pub(crate) struct Scrubbed {
    pub(crate) bytes: u64,
    pub(crate) damage: Vec<Damage>,
    pub(crate) frames: Vec<FrameId>,
    /// The summary of a block whose own was missing or rotten, made anew.
    pub(crate) summary: Option<Block>,
    /// Whether a file has rotted whose content is in memory.
    pub(crate) is_worn: bool,
}

impl ScrubJob {
    /// Reads the file.
    pub fn run(self) -> ScrubDone {
        let result = self.scrub();
        ScrubDone { target: self.target, result }
    }

    fn scrub(&self) -> io::Result<Scrubbed> {
        let disk = &*self.disk;
        let in_memory =
            |(bytes, is_sound): (u64, bool)| Scrubbed { bytes, is_worn: !is_sound, ..Default::default() };
        Ok(match &self.target {
            Target::Block(block, summary) => {
                let window = block.meta().window;
                let damage: Vec<_> = block.verify().iter().map(|rot| Damage::of(window, rot)).collect();
                let is_lost = summary.as_ref().is_none_or(|summary| !summary.verify().is_empty());
                let is_due = is_lost && block.meta().is_sealed && damage.is_empty();
                let summary = if is_due { self.summarize(block) } else { None };
                Scrubbed { bytes: block.meta().bytes, damage, summary, ..Default::default() }
            }
            Target::Segment(file) => {
                let (bytes, frames) = journal::verify(disk, file)?;
                Scrubbed { bytes, frames, ..Default::default() }
            }
            Target::Catalogue(upto) => in_memory(catalogue_file::verify(disk, *upto)?),
            Target::Tables(extent) => in_memory(table_file::verify(disk, *extent)?),
            Target::Base(number) => sound_or_worn(Base::load(disk, *number).map(drop))?,
            Target::Manifest => sound_or_worn(Manifest::load(disk).map(drop))?,
        })
    }

    /// Makes a block's summary anew. Nothing but time is lost where that fails.
    fn summarize(&self, block: &Block) -> Option<Block> {
        tracing::warn!(
            path = summary::path(block.meta()),
            "a summary is missing or has rotted: it is made anew"
        );
        let written = summary::write(&*self.disk, block, |place| self.catalogue.read().kind(place));
        let named = written.and_then(|()| block::sync_directory(&*self.disk, block.meta().window));
        named.inspect_err(|error| tracing::warn!(%error, "the summary could not be written")).ok()?;
        summary::open(&*self.disk, block.meta())
    }
}

/// The small files are read whole; their length is not worth counting.
fn sound_or_worn(result: io::Result<()>) -> io::Result<Scrubbed> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Ok(Scrubbed { is_worn: true, ..Default::default() })
        }
        result => result.map(|()| Scrubbed::default()),
    }
}
