//! Bits that flip on disks: in the journal, which the next start reads again, and at rest in a block or another file,
//! which a scrub or a reader finds while the process runs.

use std::time::Duration;

use shoal_store::Disk;

use super::World;

/// Bytes at the beginning of a segment that are spared: its head says what it is.
const SPARED_BYTES: u64 = 64;
/// The newest bytes of a segment, in which the newest frames stand.
const NEWEST_BYTES: u64 = 800;
/// Files that are read at a start or later, besides the journal.
const AT_REST: [&str; 6] = [".blk", ".sum", ".base", ".tab", "defs.log", "MANIFEST"];

/// A bit that has flipped in a file, until it is known.
pub struct HiddenRot {
    /// The file.
    pub path: String,
    /// Where in it.
    pub offset: u64,
    /// What stands there, after what stands before it: a file that is written anew may have the same byte there.
    pub bytes: Vec<u8>,
}

impl World {
    /// A bit of the newest segment flips, and a process starts on it. All that is there another node has too: what
    /// nobody else has could not come back.
    pub(super) fn rot(&mut self, node: usize, salt: u64, absence: Duration) -> bool {
        let held = self.nodes[node].whole_store().map(|store| store.applied().clone());
        let has_twin = self.nodes.iter().enumerate().any(|(other, one)| {
            other != node
                && !one.is_rotten
                && one.whole_store().zip(held.as_ref()).is_some_and(|(o, h)| o.held().covers(h))
        });
        has_twin && self.rot_journal(node, salt, u64::MAX, absence)
    }

    /// Whether all other nodes hold what a node has applied.
    fn have_all_of(&self, node: usize) -> bool {
        let Some(applied) = self.nodes[node].whole_store().map(|store| store.applied()) else { return false };
        let mut others = self.nodes.iter().enumerate().filter(|(other, one)| *other != node && !one.is_gone);
        others.all(|(_, one)| one.whole_store().is_some_and(|store| store.held().covers(applied)))
    }

    /// A bit near the end of the newest segment flips while the last frames of this node are nowhere else: they are
    /// lost, and must be given up by name.
    pub(super) fn rot_alone(&mut self, node: usize, salt: u64, absence: Duration) -> bool {
        let one = &self.nodes[node];
        let Some((origin, store)) = one.life.as_ref().map(|life| life.origin).zip(one.whole_store()) else {
            return false;
        };
        let head = store.held_of(origin);
        let has_it = |other: &crate::life::Node| {
            let applied = other.store().map(|store| store.applied().get(origin));
            applied.or_else(|| Some(other.past.as_ref()?.applied.get(origin))).is_some_and(|seq| seq >= head)
        };
        let is_alone = self.nodes.iter().enumerate().all(|(other, one)| other == node || !has_it(one));
        head > 0 && is_alone && self.rot_journal(node, salt, NEWEST_BYTES, absence)
    }

    /// A bit flips among the last bytes of the newest segment, and a process starts on it.
    fn rot_journal(&mut self, node: usize, salt: u64, last: u64, absence: Duration) -> bool {
        if !self.may_lose_the_disk_of(node) {
            return false;
        }
        let disk = self.nodes[node].disk.clone();
        let is_segment = |path: &String| path.starts_with("journal/") && path.ends_with(".seg");
        let Some(path) = disk.files().into_iter().rfind(is_segment) else { return false };
        let len = disk.file_len(&path).unwrap_or_default() as u64;
        if len <= SPARED_BYTES || !self.stop(node, absence) {
            return false;
        }
        let first = SPARED_BYTES.max(len.saturating_sub(last));
        let offset = first + salt % (len - first);
        disk.rot(&path, offset as usize, 1 << (salt >> 61));
        self.nodes[node].is_rotten = true;
        self.note_harm(node);
        true
    }

    /// A bit of a file flips that the process does not read again soon. It is known once the file is written anew or
    /// gone, and nothing is missing. Where others lack frames that only this node could lend, what has rotted here would
    /// be missing at all of them, by name, until its window is over: so they have all, and journals keep all.
    pub(super) fn rot_at_rest(&mut self, node: usize, salt: u64) -> bool {
        let is_whole = self.nodes[node].whole_store().is_some() && !self.nodes[node].has_trouble;
        let journals_keep_all = self.mix.journal_bytes == u64::MAX;
        if !is_whole || !journals_keep_all || !self.have_all_of(node) || !self.may_lose_the_disk_of(node) {
            return false;
        }
        let disk = self.nodes[node].disk.clone();
        // What was kept aside, and what a snapshot left behind on a full disk, nobody reads.
        let rots = |path: &String| {
            !path.starts_with("quarantine/")
                && !path.starts_with('/')
                && AT_REST.iter().any(|end| path.ends_with(end))
        };
        let paths: Vec<String> = disk.files().into_iter().filter(rots).collect();
        let Some(path) = paths.get((salt % paths.len().max(1) as u64) as usize) else { return false };
        let len = disk.file_len(path).unwrap_or_default() as u64;
        let offset = (salt >> 16) % len.max(1);
        if !disk.rot(path, offset as usize, 1 << (salt >> 61)) {
            return false;
        }
        let bytes = bytes_up_to(&disk, path, offset).unwrap_or_default();
        self.trace.tell(self.now, &format!("n{node}: byte {offset} of {path} rots"));
        self.nodes[node].hidden_rot = Some(HiddenRot { path: path.clone(), offset, bytes });
        self.nodes[node].is_rotten = true;
        self.note_harm(node);
        true
    }
}

impl HiddenRot {
    /// Whether it still stands on a disk.
    pub fn is_on(&self, disk: &dyn Disk) -> bool {
        bytes_up_to(disk, &self.path, self.offset).as_ref() == Some(&self.bytes)
    }
}

/// The byte at an offset, and up to fifteen before it.
fn bytes_up_to(disk: &dyn Disk, path: &str, offset: u64) -> Option<Vec<u8>> {
    let first = offset.saturating_sub(15);
    let mut bytes = vec![0; (offset + 1 - first) as usize];
    disk.open(path).ok()?.read_at(first, &mut bytes).ok()?;
    Some(bytes)
}
