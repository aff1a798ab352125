//! What our process uses of the machine, and what is left of it, as the state of the cluster tells it.

use std::path::Path;

use procfs::process::Process;
use procfs::{Current, Meminfo, WithCurrentSystemInfo};

/// What was found at one moment; what cannot be told is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Machine {
    /// When the process started: milliseconds since 1970.
    pub(crate) started_ms: i64,
    /// CPU time of the process.
    pub(crate) cpu_seconds: f64,
    /// Memory of the process.
    pub(crate) resident_bytes: u64,
    /// All memory of the machine.
    pub(crate) memory_bytes: u64,
    /// What the process may still take of the file system.
    pub(crate) disk_free_bytes: u64,
    /// The size of the file system.
    pub(crate) disk_bytes: u64,
}

impl Machine {
    /// Looks at the process, the machine, and the file system of a directory. It may block.
    pub(crate) fn look(directory: &Path) -> Self {
        let mut found = Self::default();
        found.look_at_process();
        if let Ok(info) = Meminfo::current() {
            found.memory_bytes = info.mem_total;
        }
        if let Ok(status) = rustix::fs::statvfs(directory) {
            found.disk_free_bytes = status.f_bavail.saturating_mul(status.f_frsize);
            found.disk_bytes = status.f_blocks.saturating_mul(status.f_frsize);
        }
        found
    }

    fn look_at_process(&mut self) {
        let Ok(stat) = Process::myself().and_then(|process| process.stat()) else { return };
        let seconds = |ticks: u64| ticks as f64 / procfs::ticks_per_second() as f64;
        self.cpu_seconds = seconds(stat.utime.saturating_add(stat.stime));
        self.resident_bytes = stat.rss_bytes().get();
        if let Ok(boot) = procfs::boot_time_secs() {
            self.started_ms = ((boot as f64 + seconds(stat.starttime)) * 1000.0) as i64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_found() {
        let here = tempfile::tempdir().unwrap();
        let found = Machine::look(here.path());
        assert!(found.started_ms > 0 && found.resident_bytes > 0, "{found:?}");
        assert!(found.resident_bytes < found.memory_bytes, "{found:?}");
        assert!(found.disk_bytes > 0 && found.disk_free_bytes <= found.disk_bytes, "{found:?}");
        let nowhere = Machine::look(&here.path().join("nowhere"));
        assert_eq!((nowhere.disk_bytes, nowhere.disk_free_bytes), (0, 0));
    }
}
