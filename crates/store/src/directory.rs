//! The data directory's own facts: the release of its formats (`FORMAT`), and who the node is (`NODE`: its id,
//! drawn once, and its incarnation, grown durably at every start before anyone hears of it). A snapshot of a
//! directory says that it is one until a node starts on it. Layout: `docs/formats/directory.md`.

use std::io;

use rand::CryptoRng;
use shoal_model::{Incarnation, NodeId};
use thiserror::Error;

use crate::disk::{Disk, read_all, replace};

/// The formats that this release writes and reads.
const FORMAT: u32 = 1;
/// Stands in a snapshot until it is complete.
pub(crate) const INTERRUPTED: &str = "INCOMPLETE";
/// The line of `NODE` by which a snapshot says that it is one.
const SNAPSHOT_LINE: &str = "snapshot=yes";

/// Why a data directory cannot be used; nothing in it was changed.
#[derive(Debug, Error)]
pub enum DirectoryError {
    /// Another release wrote it.
    #[error(
        "the data directory has format {found}, this release reads up to {FORMAT}: start a newer release on it"
    )]
    TooNew {
        /// The directory's format.
        found: u32,
    },
    /// `FORMAT` or `NODE` holds something else than a node writes.
    #[error(
        "file {file} in the data directory is damaged: restore it, or start on an empty directory as a new node"
    )]
    Damaged {
        /// Which file.
        file: &'static str,
    },
    /// It holds a snapshot that did not come to its end.
    #[error("the data directory holds a snapshot that was interrupted: it is not complete, take another one")]
    Interrupted,
    /// The disk's own error.
    #[error("the data directory cannot be read or written: {0}")]
    Disk(#[from] io::Error),
}

/// Who this node is in this life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The node, as long as the directory lives.
    pub node: NodeId,
    /// This start's number.
    pub incarnation: Incarnation,
    /// Whether the directory was empty.
    pub is_new: bool,
}

/// Begins a life on a data directory: checks its format and grows its incarnation durably. A restored snapshot's
/// grows to `now_ms` at least, ahead of the lives that its node had after the snapshot was taken.
pub fn begin_life(
    disk: &dyn Disk,
    now_ms: i64,
    rng: &mut impl CryptoRng,
) -> Result<Identity, DirectoryError> {
    if read(disk, INTERRUPTED)?.is_some() {
        return Err(DirectoryError::Interrupted);
    }
    check_format(disk)?;
    let past =
        read(disk, "NODE")?.map(|text| parse_node(&text).ok_or(DirectoryError::Damaged { file: "NODE" }));
    let past = past.transpose()?;
    let (node, before) = past.unwrap_or_else(|| (NodeId::random(rng), Incarnation(0)));
    let is_restored = read(disk, "NODE")?.is_some_and(|text| text.lines().any(|line| line == SNAPSHOT_LINE));
    let least = if is_restored { u64::try_from(now_ms).unwrap_or_default() } else { 0 };
    let incarnation = Incarnation((before.0 + 1).max(least));
    replace(disk, "NODE", format!("node={node}\nincarnation={}\n", incarnation.0).as_bytes())?;
    Ok(Identity { node, incarnation, is_new: past.is_none() })
}

/// The identity files of a directory, for a snapshot of it: path and content.
pub(crate) fn snapshot_files(disk: &dyn Disk) -> io::Result<Vec<(&'static str, Vec<u8>)>> {
    let format = read(disk, "FORMAT")?.map(|text| ("FORMAT", text.into_bytes()));
    let node = read(disk, "NODE")?.map(|text| ("NODE", format!("{text}{SNAPSHOT_LINE}\n").into_bytes()));
    Ok(format.into_iter().chain(node).collect())
}

fn check_format(disk: &dyn Disk) -> Result<(), DirectoryError> {
    let Some(text) = read(disk, "FORMAT")? else {
        return Ok(replace(disk, "FORMAT", format!("shoal {FORMAT}\n").as_bytes())?);
    };
    let number = text.trim().strip_prefix("shoal ").and_then(|number| number.parse().ok());
    match number.ok_or(DirectoryError::Damaged { file: "FORMAT" })? {
        found if found > FORMAT => Err(DirectoryError::TooNew { found }),
        _ => Ok(()),
    }
}

fn read(disk: &dyn Disk, path: &str) -> io::Result<Option<String>> {
    match disk.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(file) => Ok(Some(String::from_utf8_lossy(&read_all(&*file)?).into_owned())),
    }
}

fn parse_node(text: &str) -> Option<(NodeId, Incarnation)> {
    let field = |name| text.lines().find_map(|line| line.strip_prefix(name));
    Some((field("node=")?.parse().ok()?, Incarnation(field("incarnation=")?.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::memory::MemoryDisk;

    fn begin(disk: &MemoryDisk) -> Result<Identity, DirectoryError> {
        begin_life(disk, 1_000, &mut rand::rng())
    }

    #[test]
    fn a_node_keeps_its_id_and_never_uses_an_incarnation_twice() {
        let disk = MemoryDisk::new();
        let first = begin(&disk).unwrap();
        disk.lose_power(0);
        let second = begin(&disk).unwrap();
        assert!(first.is_new && !second.is_new);
        assert_eq!((second.node, second.incarnation), (first.node, Incarnation(2)));
    }

    #[test]
    fn a_restored_snapshot_lives_later_than_all_that_its_node_did_since() {
        let (disk, copy) = (MemoryDisk::new(), MemoryDisk::new());
        let node = begin(&disk).unwrap().node;
        for (path, content) in snapshot_files(&disk).unwrap() {
            replace(&copy, path, &content).unwrap();
        }
        for _ in 0..5 {
            begin(&disk).unwrap();
        }
        let restored = begin(&copy).unwrap();
        assert_eq!((restored.node, restored.incarnation), (node, Incarnation(1_000)));
        assert_eq!(begin(&copy).unwrap().incarnation, Incarnation(1_001));
        replace(&copy, INTERRUPTED, b"").unwrap();
        assert!(matches!(begin(&copy), Err(DirectoryError::Interrupted)));
    }

    #[test]
    fn a_newer_or_damaged_directory_is_refused_by_name() {
        let disk = MemoryDisk::new();
        begin(&disk).unwrap();
        replace(&disk, "FORMAT", b"shoal 2\n").unwrap();
        assert!(matches!(begin(&disk), Err(DirectoryError::TooNew { found: 2 })));
        replace(&disk, "FORMAT", b"other").unwrap();
        assert!(matches!(begin(&disk), Err(DirectoryError::Damaged { file: "FORMAT" })));
        replace(&disk, "FORMAT", b"shoal 1\n").unwrap();
        replace(&disk, "NODE", b"node=x\n").unwrap();
        assert!(matches!(begin(&disk), Err(DirectoryError::Damaged { file: "NODE" })));
    }
}
