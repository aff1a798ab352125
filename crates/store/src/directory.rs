//! The data directory's own facts: the release of its formats (`FORMAT`), and who the node is (`NODE`: its id,
//! drawn once, and its incarnation, grown durably at every start before anyone hears of it).

use std::io;

use rand::CryptoRng;
use shoal_model::{Incarnation, NodeId};
use thiserror::Error;

use crate::disk::{Disk, read_all, replace};

/// The formats that this release writes and reads.
const FORMAT: u32 = 1;

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

/// Begins a life on a data directory: checks its format and grows its incarnation durably.
pub fn begin_life(disk: &dyn Disk, rng: &mut impl CryptoRng) -> Result<Identity, DirectoryError> {
    check_format(disk)?;
    let past =
        read(disk, "NODE")?.map(|text| parse_node(&text).ok_or(DirectoryError::Damaged { file: "NODE" }));
    let past = past.transpose()?;
    let (node, incarnation) = past.unwrap_or_else(|| (NodeId::random(rng), Incarnation(0)));
    let incarnation = Incarnation(incarnation.0 + 1);
    replace(disk, "NODE", format!("node={node}\nincarnation={}\n", incarnation.0).as_bytes())?;
    Ok(Identity { node, incarnation, is_new: past.is_none() })
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
        begin_life(disk, &mut rand::rng())
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
