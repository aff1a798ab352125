//! What a run costs: the thread's CPU time, the process's own memory, and the bytes written below a directory.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use shoal_store::{Disk, DiskFile, RealDisk};

/// CPU time and wall time of some stretches of this thread's work.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// CPU time, the kernel's part included.
    pub cpu: Duration,
    /// Wall time.
    pub wall: Duration,
}

impl Spent {
    /// Runs something and adds what it costs.
    pub fn measure<T>(&mut self, run: impl FnOnce() -> T) -> T {
        let (cpu, wall) = (thread_cpu(), Instant::now());
        let result = run();
        self.cpu += thread_cpu() - cpu;
        self.wall += wall.elapsed();
        result
    }

    /// CPU nanoseconds for each of so many.
    pub fn each(&self, count: u64) -> f64 {
        self.cpu.as_nanos() as f64 / count as f64
    }
}

fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Anonymous memory of this process in bytes: what is not a file's.
pub fn anonymous_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.expect("RssAnon in kB") * 1024
}

/// The real disk, counting what is appended, by directory.
pub struct CountingDisk {
    disk: RealDisk,
    written: Written,
}

/// Bytes by directory.
type Written = Arc<Mutex<BTreeMap<String, u64>>>;

impl CountingDisk {
    /// Counts what is written below a directory.
    pub fn new(path: &std::path::Path) -> Self {
        Self { disk: RealDisk::new(path), written: Written::default() }
    }

    /// Bytes appended so far, by directory.
    pub fn written(&self) -> BTreeMap<String, u64> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn counting(&self, path: &str, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        let directory = path.split_once('/').map_or("root", |(directory, _)| directory).to_owned();
        Arc::new(CountingFile { file, directory, written: Arc::clone(&self.written) })
    }
}

impl Disk for CountingDisk {
    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.disk.create_dir(path)
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        self.disk.list(path)
    }

    fn create(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.create(path).map(|file| self.counting(path, file))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(path).map(|file| self.counting(path, file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.link(from, to)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        self.disk.sync_dir(path)
    }
}

struct CountingFile {
    file: Arc<dyn DiskFile>,
    directory: String,
    written: Written,
}

impl DiskFile for CountingFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        *written.entry(self.directory.clone()).or_default() += bytes.len() as u64;
        drop(written);
        self.file.append(bytes)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, buffer)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.file.truncate(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}
