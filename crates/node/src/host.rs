//! Figures of the host and of our own process, read from `/proc` under node_exporter's names, so that its
//! dashboards fit. What `/proc` does not have here (a container, another system) is left out.

mod devices;
mod machine;
mod process;
#[cfg(test)]
mod tests;

use procfs::{CpuTime, Current, CurrentSI, KernelStats, LoadAverage, Meminfo};

use crate::figures::Figure;

pub(crate) use machine::Machine;

/// Everything that can be read at this moment. It reads a dozen small files and asks each local file system
/// for its size: some milliseconds, to be spent off the node's loop.
pub(crate) fn gather() -> Vec<Figure> {
    let mut figures = Vec::with_capacity(256);
    kernel(&mut figures);
    memory(&mut figures);
    load(&mut figures);
    uname(&mut figures);
    devices::network(&mut figures);
    devices::disks(&mut figures);
    devices::filesystems(&mut figures);
    figures.extend(of_process());
    figures
}

/// Our own process alone, which is quickly read.
pub(crate) fn of_process() -> Vec<Figure> {
    let mut figures = Vec::new();
    process::process(&mut figures);
    figures
}

fn kernel(out: &mut Vec<Figure>) {
    let Ok(stats) = KernelStats::current() else { return };
    out.push(Figure::gauge("node_boot_time_seconds", "Node boot time, in unixtime.", stats.btime as f64));
    for (cpu, time) in stats.cpu_time.iter().enumerate() {
        processor(out, cpu, time);
    }
}

fn processor(out: &mut Vec<Figure>, cpu: usize, time: &CpuTime) {
    let ticks_per_second = procfs::ticks_per_second() as f64;
    let modes = [
        ("user", Some(time.user)),
        ("nice", Some(time.nice)),
        ("system", Some(time.system)),
        ("idle", Some(time.idle)),
        ("iowait", time.iowait),
        ("irq", time.irq),
        ("softirq", time.softirq),
        ("steal", time.steal),
    ];
    for (mode, ticks) in modes {
        let Some(ticks) = ticks else { continue };
        out.push(
            Figure::counter(
                "node_cpu_seconds_total",
                "Seconds the CPUs spent in each mode.",
                ticks as f64 / ticks_per_second,
            )
            .with("cpu", cpu.to_string())
            .with("mode", mode),
        );
    }
}

fn memory(out: &mut Vec<Figure>) {
    let Ok(info) = Meminfo::current() else { return };
    let figures = [
        ("node_memory_MemTotal_bytes", "Memory that the kernel can use.", Some(info.mem_total)),
        ("node_memory_MemFree_bytes", "Memory that nothing uses.", Some(info.mem_free)),
        ("node_memory_MemAvailable_bytes", "Memory available to new programs.", info.mem_available),
        ("node_memory_Buffers_bytes", "Memory in block device buffers.", Some(info.buffers)),
        ("node_memory_Cached_bytes", "Memory in the page cache.", Some(info.cached)),
        ("node_memory_SwapTotal_bytes", "Swap space.", Some(info.swap_total)),
        ("node_memory_SwapFree_bytes", "Swap space that nothing uses.", Some(info.swap_free)),
    ];
    for (family, help, bytes) in figures {
        out.extend(bytes.map(|bytes| Figure::gauge(family, help, bytes as f64)));
    }
}

fn load(out: &mut Vec<Figure>) {
    let Ok(load) = LoadAverage::current() else { return };
    // The kernel prints two decimals; the widening from f32 would add others.
    let decimals = |value: f32| (f64::from(value) * 100.0).round() / 100.0;
    out.push(Figure::gauge("node_load1", "1m load average.", decimals(load.one)));
    out.push(Figure::gauge("node_load5", "5m load average.", decimals(load.five)));
    out.push(Figure::gauge("node_load15", "15m load average.", decimals(load.fifteen)));
}

fn uname(out: &mut Vec<Figure>) {
    let kernel = |file: &str| std::fs::read_to_string(format!("/proc/sys/kernel/{file}"));
    let Ok(release) = kernel("osrelease") else { return };
    let mut figure = Figure::gauge("node_uname_info", "What the system calls itself.", 1.0)
        .with("machine", std::env::consts::ARCH)
        .with("release", release.trim_end());
    let others = [
        ("domainname", "domainname"),
        ("nodename", "hostname"),
        ("sysname", "ostype"),
        ("version", "version"),
    ];
    for (label, file) in others {
        if let Ok(text) = kernel(file) {
            figure = figure.with(label, text.trim_end());
        }
    }
    out.push(figure);
}
