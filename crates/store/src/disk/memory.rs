//! A disk in memory with the faults of a real one: a power loss takes what was not synced, bits rot, and the
//! space ends. Clones share the same disk, so a test holds one while the store holds another.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile};

/// A file system in memory.
#[derive(Clone, Default)]
pub struct MemoryDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    live: BTreeMap<String, Shared>,
    durable: BTreeMap<String, Shared>,
    bytes: u64,
    bytes_max: Option<u64>,
    sync_fails: bool,
}

type Shared = Arc<Mutex<Content>>;

#[derive(Default)]
struct Content {
    bytes: Vec<u8>,
    synced: Vec<u8>,
}

impl MemoryDisk {
    /// An empty disk without a bound.
    pub fn new() -> Self {
        Self::default()
    }

    /// Loses everything that was not synced, but for the first `kept` unsynced bytes of each file: the state
    /// after a power loss with a torn write. Open files are of the past; open anew.
    pub fn lose_power(&self, kept: usize) {
        let mut state = self.state();
        state.live = state.durable.clone();
        for content in state.live.values() {
            let mut content = lock(content);
            let torn =
                content.bytes.get(content.synced.len()..).map(|tail| tail[..kept.min(tail.len())].to_vec());
            content.bytes = [content.synced.as_slice(), torn.unwrap_or_default().as_slice()].concat();
            content.synced = content.bytes.clone();
        }
    }

    /// A disk of its own with what lies below a directory, as copied to another machine.
    pub fn copy_below(&self, directory: &str) -> Self {
        let copy = Self::new();
        let state = self.state();
        for (name, content) in &state.live {
            if let Some(rest) = name.strip_prefix(directory).and_then(|rest| rest.strip_prefix('/')) {
                let bytes = lock(content).bytes.clone();
                let content = Arc::new(Mutex::new(Content { synced: bytes.clone(), bytes }));
                copy.state().live.insert(rest.to_owned(), Arc::clone(&content));
                copy.state().durable.insert(rest.to_owned(), content);
            }
        }
        copy
    }

    /// Flips the bits of `mask` in one byte of a file, as rot does; false where there is no such byte.
    pub fn rot(&self, path: &str, offset: usize, mask: u8) -> bool {
        let state = self.state();
        let Some(content) = state.live.get(path) else { return false };
        let mut content = lock(content);
        let Content { bytes, synced } = &mut *content;
        if let Some(byte) = synced.get_mut(offset) {
            *byte ^= mask;
        }
        bytes.get_mut(offset).map(|byte| *byte ^= mask).is_some()
    }

    /// Bounds the sum of all bytes ever appended; appends beyond it fail as on a full disk.
    pub fn set_bytes_max(&self, bytes_max: Option<u64>) {
        self.state().bytes_max = bytes_max;
    }

    /// Makes every sync from now on fail, or succeed again.
    pub fn set_sync_fails(&self, fails: bool) {
        self.state().sync_fails = fails;
    }

    /// The length of a file; `None` where there is none.
    pub fn file_len(&self, path: &str) -> Option<usize> {
        self.state().live.get(path).map(|content| lock(content).bytes.len())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Disk for MemoryDisk {
    fn create_dir(&self, _path: &str) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let state = self.state();
        let below = state.live.keys().filter_map(|name| name.strip_prefix(&prefix));
        let mut names: Vec<_> = below.filter_map(|name| name.split('/').next()).map(str::to_owned).collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn create(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        if state.live.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let content = Shared::default();
        state.live.insert(path.to_owned(), Arc::clone(&content));
        Ok(Arc::new(MemoryFile { content, disk: self.clone() }))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        let content = self.state().live.get(path).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(MemoryFile { content, disk: self.clone() }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let content = state.live.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.live.insert(to.to_owned(), content);
        Ok(())
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        if state.live.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let content = state.live.get(from).cloned().ok_or(io::ErrorKind::NotFound)?;
        state.live.insert(to.to_owned(), content);
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.state().live.remove(path).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let here = |name: &String| name.strip_prefix(&prefix).is_some_and(|rest| !rest.contains('/'));
        let State { live, durable, .. } = &mut *state;
        durable.retain(|name, _| !here(name));
        durable.extend(
            live.iter().filter(|(name, _)| here(name)).map(|(name, c)| (name.clone(), Arc::clone(c))),
        );
        Ok(())
    }
}

struct MemoryFile {
    content: Shared,
    disk: MemoryDisk,
}

impl DiskFile for MemoryFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        let room = state.bytes_max.map_or(u64::MAX, |max| max.saturating_sub(state.bytes));
        let fits = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        state.bytes += fits as u64;
        lock(&self.content).bytes.extend_from_slice(&bytes[..fits]);
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let content = lock(&self.content);
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let end = start.checked_add(buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(content.bytes.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.content).bytes.len() as u64)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let mut content = lock(&self.content);
        content.bytes.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        if self.disk.state().sync_fails {
            return Err(io::Error::other("the disk does not sync"));
        }
        let mut content = lock(&self.content);
        content.synced = content.bytes.clone();
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
