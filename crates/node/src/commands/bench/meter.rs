//! What the servers have used: CPU and memory of their processes, bytes of their directories.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use procfs::process::Process;

use super::BenchError;

/// Whom it watches.
pub(super) struct Meter {
    pids: Vec<i32>,
    directories: Vec<PathBuf>,
}

/// What they have used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Used {
    pub(super) cpu_seconds: f64,
    pub(super) resident_bytes: u64,
    pub(super) disk_bytes: u64,
}

impl Meter {
    pub(super) fn new(pids: &[i32], directories: &[PathBuf]) -> Self {
        Self { pids: pids.to_owned(), directories: directories.to_owned() }
    }

    pub(super) fn has_processes(&self) -> bool {
        !self.pids.is_empty()
    }

    pub(super) fn has_directories(&self) -> bool {
        !self.directories.is_empty()
    }

    /// Reads all of it.
    pub(super) fn read(&self) -> Result<Used, BenchError> {
        let mut used = Used::default();
        for &pid in &self.pids {
            let failed = |error| BenchError::Process(pid, error);
            let stat = Process::new(pid).and_then(|process| process.stat()).map_err(failed)?;
            used.cpu_seconds += (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64;
            used.resident_bytes += stat.rss * procfs::page_size();
        }
        used.disk_bytes = self.directories.iter().map(|directory| bytes_below(directory)).sum();
        Ok(used)
    }
}

/// Bytes on disk; what goes away meanwhile counts nothing.
fn bytes_below(path: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else { return 0 };
    let bytes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
        Ok(metadata) => metadata.blocks() * 512,
        Err(_) => 0,
    });
    bytes.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_and_a_directory_are_read() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("a")).unwrap();
        std::fs::write(folder.path().join("a/b"), vec![1; 10_000]).unwrap();
        let used = Meter::new(&[std::process::id() as i32], &[folder.path().to_owned()]).read().unwrap();
        assert!(used.resident_bytes > 1 << 20 && used.disk_bytes >= 10_000, "{used:?}");
        assert!(Meter::new(&[i32::MAX], &[]).read().is_err());
    }
}
