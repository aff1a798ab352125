//! A disk in memory with the faults of a real one: a power loss takes what was not synced or some of it, bits
//! rot, the space ends, syncs fail, and the process dies between any two operations. Clones share the same
//! disk, so a test holds one while the store holds another.

mod content;
mod tree;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::{Disk, DiskFile};
use content::Content;
use tree::Tree;

/// What goes wrong from one operation on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The process is dead: nothing is written any more, and the operation itself is done by half.
    Stop,
    /// There is no space for more bytes or files.
    Full,
    /// Syncs fail, and what they were to write never is.
    FailedSyncs,
}

/// A file system in memory.
#[derive(Clone, Default)]
pub struct MemoryDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    live: Tree,
    durable: Tree,
    bytes_max: Option<u64>,
    sync_fails: bool,
    operations: u64,
    trouble: Option<(u64, Trouble)>,
}

impl MemoryDisk {
    /// An empty disk without a bound.
    pub fn new() -> Self {
        Self::default()
    }

    /// Loses everything that was not synced, but for the first `kept` unsynced bytes of each file: the state
    /// after a power loss with a torn write. Open files are of the past; open anew. All trouble ends.
    pub fn lose_power(&self, kept: usize) {
        let mut state = self.state();
        state.trouble = None;
        state.live = state.durable.reachable();
        state.durable = state.live.clone();
        state.live.contents().for_each(|content| lock(content).keep(kept));
    }

    /// Loses power so that one of the states is left that a real disk may be in, drawn by a seed: of each file
    /// any part of what was not synced, of each name either what it was or what it is. All trouble ends.
    pub fn lose_power_by(&self, seed: u64) {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut state = self.state();
        state.trouble = None;
        state.live = state.durable.mixed(&state.live, &mut rng).reachable();
        state.durable = state.live.clone();
        state.live.contents().for_each(|content| lock(content).tear(&mut rng));
    }

    /// Lets something go wrong once `operations` have been done, counted as [`MemoryDisk::operations`] does.
    pub fn trouble_after(&self, operations: u64, trouble: Trouble) {
        self.state().trouble = Some((operations, trouble));
    }

    /// Ends what [`MemoryDisk::trouble_after`] began. After [`Trouble::Stop`] it is as if the process had died and
    /// the machine had not.
    pub fn end_trouble(&self) {
        self.state().trouble = None;
    }

    /// Operations that change something, since the disk was made.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// A disk of its own with what lies below a directory, as copied to another machine.
    pub fn copy_below(&self, directory: &str) -> Self {
        let tree = self.state().live.below(directory);
        let (live, durable) = tree::fork(&tree, &tree);
        live.contents().for_each(|content| {
            let mut content = lock(content);
            content.synced = content.bytes.clone();
        });
        Self { state: Arc::new(Mutex::new(State { live, durable, ..State::default() })) }
    }

    /// Flips the bits of `mask` in one byte of a file, as rot does; false where there is no such byte.
    pub fn rot(&self, path: &str, offset: usize, mask: u8) -> bool {
        let state = self.state();
        let Some(content) = state.live.file(path) else { return false };
        let mut content = lock(&content);
        let Content { bytes, synced, .. } = &mut *content;
        if let Some(byte) = synced.get_mut(offset) {
            *byte ^= mask;
        }
        bytes.get_mut(offset).map(|byte| *byte ^= mask).is_some()
    }

    /// Bounds the bytes of all files; appends beyond it fail as on a full disk.
    pub fn set_bytes_max(&self, bytes_max: Option<u64>) {
        self.state().bytes_max = bytes_max;
    }

    /// Makes every sync from now on fail, or succeed again.
    pub fn set_sync_fails(&self, fails: bool) {
        self.state().sync_fails = fails;
    }

    /// The length of a file; `None` where there is none.
    pub fn file_len(&self, path: &str) -> Option<usize> {
        self.state().live.file(path).map(|content| lock(&content).bytes.len())
    }

    /// The paths of all files, in order.
    pub fn files(&self) -> Vec<String> {
        self.state().live.paths().map(str::to_owned).collect()
    }

    /// Another disk that holds the same, durable or not; what becomes of one is not seen on the other.
    pub fn fork(&self) -> Self {
        let state = self.state();
        let (live, durable) = tree::fork(&state.live, &state.durable);
        let state = State { live, durable, bytes_max: state.bytes_max, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Counts an operation; the trouble that meets it, and whether that has just begun.
    fn begin(&self) -> (MutexGuard<'_, State>, Option<(Trouble, bool)>) {
        let mut state = self.state();
        let before = state.operations;
        state.operations += 1;
        let met = state.trouble.filter(|(after, _)| before >= *after);
        (state, met.map(|(after, trouble)| (trouble, before == after)))
    }

    /// The same for an operation that is done whole or not at all.
    fn begin_whole(&self, needs_space: bool) -> io::Result<MutexGuard<'_, State>> {
        match self.begin() {
            (_, Some((Trouble::Stop, _))) => Err(stopped()),
            (_, Some((Trouble::Full, _))) if needs_space => Err(io::ErrorKind::StorageFull.into()),
            (state, _) => Ok(state),
        }
    }
}

impl State {
    /// How many of so many bytes find room.
    fn room(&self, wanted: usize) -> usize {
        let Some(max) = self.bytes_max else { return wanted };
        let taken: u64 = self.live.contents().map(|content| lock(content).bytes.len() as u64).sum();
        wanted.min(usize::try_from(max.saturating_sub(taken)).unwrap_or(usize::MAX))
    }
}

impl Disk for MemoryDisk {
    fn create_dir(&self, path: &str) -> io::Result<()> {
        if self.state().live.has_directory(path) {
            return Ok(());
        }
        self.begin_whole(true)?.live.add_directory(path);
        Ok(())
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        Ok(self.state().live.list(path))
    }

    fn create(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.begin_whole(true)?;
        if state.live.file(path).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if !state.live.has_directory(tree::parent(path)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let content = Arc::default();
        state.live.put(path, Arc::clone(&content));
        Ok(Arc::new(MemoryFile { content, disk: self.clone() }))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        let content = self.state().live.file(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(MemoryFile { content, disk: self.clone() }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.begin_whole(false)?;
        let content = state.live.take(from).ok_or(io::ErrorKind::NotFound)?;
        state.live.put(to, content);
        Ok(())
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.begin_whole(true)?;
        if state.live.file(to).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if !state.live.has_directory(tree::parent(to)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let content = state.live.file(from).ok_or(io::ErrorKind::NotFound)?;
        state.live.put(to, content);
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut state = self.begin_whole(false)?;
        state.live.take(path).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        // The root, by either of its names.
        let path = path.trim_end_matches('/');
        let mut state = self.begin_whole(false)?;
        let State { live, durable, .. } = &mut *state;
        if !live.has_directory(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        durable.take_over(live, path);
        Ok(())
    }
}

struct MemoryFile {
    content: Arc<Mutex<Content>>,
    disk: MemoryDisk,
}

impl DiskFile for MemoryFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let (state, trouble) = self.disk.begin();
        let (fits, error) = match trouble {
            Some((Trouble::Stop, true)) => (bytes.len() / 2, Some(stopped())),
            Some((Trouble::Stop, false)) => (0, Some(stopped())),
            Some((Trouble::Full, true)) => (bytes.len() / 2, Some(io::ErrorKind::StorageFull.into())),
            Some((Trouble::Full, false)) => (0, Some(io::ErrorKind::StorageFull.into())),
            Some((Trouble::FailedSyncs, _)) | None => (state.room(bytes.len()), None),
        };
        lock(&self.content).bytes.extend_from_slice(&bytes[..fits]);
        match error {
            Some(error) => Err(error),
            None if fits < bytes.len() => Err(io::ErrorKind::StorageFull.into()),
            None => Ok(()),
        }
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
        let _state = self.disk.begin_whole(false)?;
        lock(&self.content).truncate(usize::try_from(len).unwrap_or(usize::MAX));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let (state, trouble) = self.disk.begin();
        match trouble {
            Some((Trouble::Stop, _)) => return Err(stopped()),
            Some((Trouble::FailedSyncs, _)) => {}
            _ if state.sync_fails => {}
            _ => {
                lock(&self.content).sync();
                return Ok(());
            }
        }
        lock(&self.content).fail_sync();
        Err(io::Error::other("the disk does not sync"))
    }
}

fn stopped() -> io::Error {
    io::Error::other("the process is dead")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
