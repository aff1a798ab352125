//! Figures of our own process, under the names that Prometheus' client libraries share.

use procfs::WithCurrentSystemInfo;
use procfs::process::{LimitValue, Process, Stat};

use crate::figures::Figure;

pub(super) fn process(out: &mut Vec<Figure>) {
    let Ok(process) = Process::myself() else { return };
    if let Ok(count) = process.fd_count() {
        out.push(Figure::gauge("process_open_fds", "Number of open file descriptors.", count as f64));
    }
    if let Ok(limits) = process.limits()
        && let LimitValue::Value(most) = limits.max_open_files.soft_limit
    {
        out.push(Figure::gauge("process_max_fds", "Maximum number of open file descriptors.", most as f64));
    }
    if let Ok(stat) = process.stat() {
        push_stat(out, &stat);
    }
}

fn push_stat(out: &mut Vec<Figure>, stat: &Stat) {
    let seconds = |ticks: u64| ticks as f64 / procfs::ticks_per_second() as f64;
    out.push(Figure::counter(
        "process_cpu_seconds_total",
        "Total user and system CPU time spent in seconds.",
        seconds(stat.utime.saturating_add(stat.stime)),
    ));
    out.push(Figure::gauge(
        "process_resident_memory_bytes",
        "Resident memory size in bytes.",
        stat.rss_bytes().get() as f64,
    ));
    out.push(Figure::gauge(
        "process_virtual_memory_bytes",
        "Virtual memory size in bytes.",
        stat.vsize as f64,
    ));
    out.push(Figure::gauge("process_threads", "Number of threads.", stat.num_threads as f64));
    if let Ok(boot) = procfs::boot_time_secs() {
        out.push(Figure::gauge(
            "process_start_time_seconds",
            "Start time of the process since unix epoch in seconds.",
            boot as f64 + seconds(stat.starttime),
        ));
    }
}
