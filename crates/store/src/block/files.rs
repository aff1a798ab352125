//! Where blocks lie: a directory for each window, a file for each block, so that a window goes by unlinking.

use std::io;

use super::meta::Meta;
use super::writer::Writer;
use crate::disk::Disk;

/// The directory of all windows.
const DIRECTORY: &str = "blocks";

/// The file of a block.
pub fn path(meta: &Meta) -> String {
    file(meta.window, meta.number)
}

/// Begins the block with a number.
pub fn create(disk: &dyn Disk, window: i64, number: u64, tier: u8) -> io::Result<Writer> {
    disk.create_dir(&directory(window))?;
    Writer::create(disk, &file(window, number), window, number, tier)
}

/// Makes the names of a window's new blocks durable.
pub fn sync_directory(disk: &dyn Disk, window: i64) -> io::Result<()> {
    disk.sync_dir(&directory(window))?;
    disk.sync_dir(DIRECTORY)?;
    disk.sync_dir("")
}

/// Removes what there is of a block that could not be finished; what cannot be removed goes at the next start.
pub fn remove_unfinished(disk: &dyn Disk, window: i64, number: u64) {
    let path = file(window, number);
    match disk.remove(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path, %error, "a block that could not be finished stays");
        }
        _ => {}
    }
}

/// The files of all blocks, whoever wrote them.
pub fn list(disk: &dyn Disk) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    for window in disk.list(DIRECTORY)? {
        let window = format!("{DIRECTORY}/{window}");
        files.extend(disk.list(&window)?.into_iter().map(|name| format!("{window}/{name}")));
    }
    Ok(files)
}

fn directory(window: i64) -> String {
    format!("{DIRECTORY}/{window}")
}

fn file(window: i64, number: u64) -> String {
    format!("{}/{number:016x}.blk", directory(window))
}
