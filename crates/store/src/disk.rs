//! The seam to the file system: the few operations that an append-only store needs, each with the durability
//! it has on a real disk. What `sync` has not returned `Ok` for may be gone after a power loss; a file's name
//! is durable only after `sync_dir`.

pub mod memory;
pub mod real;

use std::io;
use std::sync::Arc;

/// A directory tree, named by relative paths with `/`. A path that begins with `/` leads out of the tree: only a
/// snapshot goes there.
pub trait Disk: Send + Sync {
    /// Makes a directory and its parents; it may exist already.
    fn create_dir(&self, path: &str) -> io::Result<()>;
    /// The names of files and directories in a directory, sorted; empty where it does not exist.
    fn list(&self, path: &str) -> io::Result<Vec<String>>;
    /// Makes a new, empty file; fails with `AlreadyExists` where there is one.
    fn create(&self, path: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file for reading, truncating and syncing; fails with `NotFound` where there is none.
    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Gives a file another name, replacing what had it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Gives a file a second name, which stays when the first one goes; fails with `AlreadyExists` where there is
    /// a file of that name.
    fn link(&self, from: &str, to: &str) -> io::Result<()>;
    /// Unlinks a file.
    fn remove(&self, path: &str) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, path: &str) -> io::Result<()>;
}

/// An open file. One writer appends; any thread may read or sync.
pub trait DiskFile: Send + Sync {
    /// Writes at the end. After an error the length is undefined until `truncate`.
    fn append(&self, bytes: &[u8]) -> io::Result<()>;
    /// Fills the buffer from an offset; `UnexpectedEof` where the file is shorter.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
    /// The length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether nothing has been written.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Cuts the file to a length.
    fn truncate(&self, len: u64) -> io::Result<()>;
    /// Makes everything written so far durable.
    fn sync(&self) -> io::Result<()>;
}

/// Makes a directory of the root whose name is durable when this returns.
pub fn make_dir(disk: &dyn Disk, path: &str) -> io::Result<()> {
    disk.create_dir(path)?;
    disk.sync_dir("")
}

/// The whole content of a file.
pub fn read_all(file: &dyn DiskFile) -> io::Result<Vec<u8>> {
    let len = usize::try_from(file.len()?).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut content = vec![0; len];
    file.read_at(0, &mut content)?;
    Ok(content)
}

/// Replaces a small file of the root so that after a crash either the old or the new content is there, whole.
pub fn replace(disk: &dyn Disk, path: &str, content: &[u8]) -> io::Result<()> {
    replace_in(disk, "", path, content).map(drop)
}

/// The same for a file in a directory, with which `path` begins; gives the new file, opened.
pub fn replace_in(
    disk: &dyn Disk,
    directory: &str,
    path: &str,
    content: &[u8],
) -> io::Result<Arc<dyn DiskFile>> {
    let scratch = format!("{path}.new");
    match disk.remove(&scratch) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = disk.create(&scratch)?;
    file.append(content)?;
    file.sync()?;
    disk.rename(&scratch, path)?;
    disk.sync_dir(directory)?;
    Ok(file)
}

#[cfg(test)]
mod tests;
