//! A snapshot: a copy of the whole store in another directory of the same file system, taken while the store goes
//! on. What never changes (blocks, the base, closed segments) gets a second name there, the rest is copied as
//! far as it counted when the snapshot began. `INCOMPLETE` stands in the directory until everything is durable.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::annotations;
use crate::base;
use crate::block;
use crate::catalogue::file as catalogue_file;
use crate::directory;
use crate::disk::{Disk, replace_in};
use crate::journal::{self, SegmentFile};
use crate::manifest::{self, Manifest};
use crate::summary;
use crate::table::file as table_file;

/// Bytes copied in one go.
const COPY_BYTES: usize = 1 << 20;

/// Files besides blocks and segments, about.
const FILES_BESIDES: u64 = 8;

/// A snapshot to be taken. While it is under way the store unlinks nothing.
pub struct SnapshotJob {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) directory: String,
    pub(crate) manifest: Manifest,
    pub(crate) segments: Vec<SegmentFile>,
    pub(crate) progress: Arc<SnapshotProgress>,
}

/// How far a snapshot has come; read on any thread.
#[derive(Debug, Default)]
pub struct SnapshotProgress {
    files: AtomicU64,
    files_all: AtomicU64,
}

impl SnapshotProgress {
    /// Files that are there, and about how many there will be.
    pub fn files(&self) -> (u64, u64) {
        let files = self.files.load(Ordering::Relaxed);
        (files, self.files_all.load(Ordering::Relaxed).max(files))
    }
}

/// A snapshot that was taken, or not.
pub struct SnapshotDone {
    /// Where; after an error what was written so far is still there.
    pub directory: String,
    /// How much it is.
    pub result: io::Result<SnapshotSize>,
}

/// How much a snapshot is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotSize {
    /// Files.
    pub files: u64,
    /// Bytes that were copied; what is linked takes no room as long as the original is there.
    pub copied_bytes: u64,
}

/// The directory being filled.
struct Target<'a> {
    disk: &'a dyn Disk,
    root: &'a str,
    size: SnapshotSize,
    progress: &'a SnapshotProgress,
}

impl SnapshotJob {
    /// Takes the snapshot, durably.
    pub fn run(self) -> SnapshotDone {
        let result = self.take();
        SnapshotDone { directory: self.directory, result }
    }

    fn take(&self) -> io::Result<SnapshotSize> {
        let disk = &*self.disk;
        if !disk.list(&self.directory)?.is_empty() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the directory is not empty"));
        }
        let named = self.manifest.blocks.len() + self.segments.len();
        self.progress.files_all.store(named as u64 + FILES_BESIDES, Ordering::Relaxed);
        let (root, size, progress) = (self.directory.as_str(), SnapshotSize::default(), &*self.progress);
        let mut target = Target { disk, root, size, progress };
        disk.create_dir(&self.directory)?;
        disk.sync_dir(match self.directory.rsplit_once('/') {
            Some(("", _)) | None => "/",
            Some((parent, _)) => parent,
        })?;
        target.write(directory::INTERRUPTED, b"a snapshot that did not come to its end\n")?;
        target.put_blocks(&self.manifest)?;
        target.put_segments(&self.segments)?;
        target.put_catalogue()?;
        target.put_tables(&self.manifest)?;
        target.put_base(&self.manifest)?;
        target.put_annotations()?;
        for (path, content) in directory::snapshot_files(disk)? {
            target.write(path, &content)?;
        }
        target.write(manifest::PATH, &self.manifest.encode())?;
        disk.remove(&target.path(directory::INTERRUPTED))?;
        disk.sync_dir(&self.directory)?;
        Ok(target.size)
    }
}

impl Target<'_> {
    fn path(&self, path: &str) -> String {
        format!("{}/{path}", self.root)
    }

    fn count(&mut self) {
        self.size.files += 1;
        self.progress.files.store(self.size.files, Ordering::Relaxed);
    }

    /// Makes a directory and its name durable.
    fn create_dir(&self, directory: &str) -> io::Result<()> {
        self.disk.create_dir(&self.path(directory))?;
        let parent = directory.rsplit_once('/').map_or(self.root.to_owned(), |(parent, _)| self.path(parent));
        self.disk.sync_dir(&parent)
    }

    fn sync_dir(&self, directory: &str) -> io::Result<()> {
        self.disk.sync_dir(&self.path(directory))
    }

    fn write(&mut self, path: &str, content: &[u8]) -> io::Result<()> {
        self.count();
        self.size.copied_bytes += content.len() as u64;
        replace_in(self.disk, self.root, &self.path(path), content).map(drop)
    }

    fn link(&mut self, path: &str) -> io::Result<()> {
        self.count();
        self.disk.link(path, &self.path(path))
    }

    /// Links a file that the store can do without.
    fn link_if_there(&mut self, path: &str) -> io::Result<()> {
        match self.link(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            linked => linked,
        }
    }

    /// Copies the first bytes of a file.
    fn copy(&mut self, path: &str, len: Option<u64>) -> io::Result<()> {
        let from = self.disk.open(path)?;
        let len = len.map_or_else(|| from.len(), Ok)?;
        let to = self.disk.create(&self.path(path))?;
        let mut offset = 0;
        while offset < len {
            let mut part = vec![0; COPY_BYTES.min(usize::try_from(len - offset).unwrap_or(COPY_BYTES))];
            from.read_at(offset, &mut part)?;
            to.append(&part)?;
            offset += part.len() as u64;
        }
        to.sync()?;
        self.count();
        self.size.copied_bytes += len;
        Ok(())
    }

    fn put_blocks(&mut self, manifest: &Manifest) -> io::Result<()> {
        let mut directories: Vec<String> = Vec::new();
        for meta in &manifest.blocks {
            let path = block::path(meta);
            let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory).to_owned();
            if !directories.contains(&directory) {
                self.create_dir(&directory)?;
                directories.push(directory);
            }
            self.link(&path)?;
            self.link_if_there(&summary::path(meta))?;
        }
        directories.iter().try_for_each(|directory| self.sync_dir(directory))
    }

    fn put_segments(&mut self, segments: &[SegmentFile]) -> io::Result<()> {
        self.create_dir(journal::DIRECTORY)?;
        for SegmentFile { path, index_path, len, is_final, number: _ } in segments {
            if *is_final {
                self.link(path)?;
                self.link_if_there(index_path)?;
            } else {
                // A start on the snapshot may cut it, and must not cut the original.
                self.copy(path, Some(*len))?;
            }
        }
        self.sync_dir(journal::DIRECTORY)
    }

    /// The log as it is now: the manifest names how much of it counts.
    fn put_catalogue(&mut self) -> io::Result<()> {
        self.create_dir(catalogue_file::DIRECTORY)?;
        self.copy(catalogue_file::LOG, None)?;
        self.link_if_there(catalogue_file::SNAPSHOT)?;
        self.sync_dir(catalogue_file::DIRECTORY)
    }

    fn put_tables(&mut self, manifest: &Manifest) -> io::Result<()> {
        self.create_dir(table_file::DIRECTORY)?;
        if manifest.tables.len > 0 {
            self.copy(&table_file::path(manifest.tables.generation), Some(manifest.tables.len))?;
        }
        self.sync_dir(table_file::DIRECTORY)
    }

    /// As they are now: what the journal repeats of them joins to the same.
    fn put_annotations(&mut self) -> io::Result<()> {
        self.link_if_there(annotations::PATH)
    }

    fn put_base(&mut self, manifest: &Manifest) -> io::Result<()> {
        if manifest.base == 0 {
            return Ok(());
        }
        self.create_dir(base::DIRECTORY)?;
        self.link(&base::path(manifest.base))?;
        self.sync_dir(base::DIRECTORY)
    }
}
