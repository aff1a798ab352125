//! Figures of network devices, disks and file systems. Only local file systems are asked for their size: a
//! dead NFS server would hold the caller for ever.

use std::collections::BTreeSet;

use procfs::{DiskStat, MountEntry};

use crate::figures::Figure;

/// The unit of `/proc/diskstats`, whatever the disk's own sectors are.
const SECTOR_BYTES: u64 = 512;

pub(super) fn network(out: &mut Vec<Figure>) {
    let Ok(devices) = procfs::net::dev_status() else { return };
    for (device, status) in devices {
        let figures = [
            ("node_network_receive_bytes_total", "Bytes received.", status.recv_bytes),
            ("node_network_receive_packets_total", "Packets received.", status.recv_packets),
            ("node_network_receive_errs_total", "Receive errors.", status.recv_errs),
            ("node_network_receive_drop_total", "Received packets dropped.", status.recv_drop),
            ("node_network_transmit_bytes_total", "Bytes sent.", status.sent_bytes),
            ("node_network_transmit_packets_total", "Packets sent.", status.sent_packets),
            ("node_network_transmit_errs_total", "Transmit errors.", status.sent_errs),
            ("node_network_transmit_drop_total", "Packets to send dropped.", status.sent_drop),
        ];
        push_counters(out, &device, figures);
    }
}

pub(super) fn disks(out: &mut Vec<Figure>) {
    let Ok(all) = procfs::diskstats() else { return };
    let names: BTreeSet<&str> = all.iter().map(|disk| disk.name.as_str()).collect();
    for disk in all.iter().filter(|disk| !is_memory(&disk.name) && !is_partition(&disk.name, &names)) {
        push_counters(out, &disk.name, disk_figures(disk));
    }
}

fn disk_figures(disk: &DiskStat) -> [(&'static str, &'static str, u64); 4] {
    let bytes = |sectors: u64| sectors.saturating_mul(SECTOR_BYTES);
    [
        ("node_disk_reads_completed_total", "Reads completed.", disk.reads),
        ("node_disk_writes_completed_total", "Writes completed.", disk.writes),
        ("node_disk_read_bytes_total", "Bytes read.", bytes(disk.sectors_read)),
        ("node_disk_written_bytes_total", "Bytes written.", bytes(disk.sectors_written)),
    ]
}

fn push_counters<const N: usize>(
    out: &mut Vec<Figure>,
    device: &str,
    figures: [(&'static str, &'static str, u64); N],
) {
    for (family, help, value) in figures {
        out.push(Figure::counter(family, help, value as f64).with("device", device));
    }
}

/// Block devices that are no disks: node_exporter leaves them out too.
fn is_memory(name: &str) -> bool {
    ["loop", "ram", "zram", "fd"].iter().any(|kind| {
        name.strip_prefix(kind).is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

/// A partition is named after its disk: `sda1` after `sda`, `nvme0n1p1` after `nvme0n1`.
pub(super) fn is_partition(name: &str, disks: &BTreeSet<&str>) -> bool {
    let stem = name.trim_end_matches(|char: char| char.is_ascii_digit());
    if stem.len() == name.len() {
        return false;
    }
    let numbered = |disk: &str| disk.ends_with(|char: char| char.is_ascii_digit());
    let behind_p = stem.strip_suffix('p').filter(|disk| numbered(disk));
    disks.contains(stem) || behind_p.is_some_and(|disk| disks.contains(disk))
}

pub(super) fn filesystems(out: &mut Vec<Figure>) {
    let Ok(mounts) = procfs::mounts() else { return };
    // A bind mount shows the same device again, in a container dozens of times: the first stands for all.
    let mut seen = BTreeSet::new();
    for mount in mounts.iter().filter(|mount| is_local(mount)) {
        if seen.insert(mount.fs_spec.as_str()) {
            filesystem(out, mount);
        }
    }
}

fn filesystem(out: &mut Vec<Figure>, mount: &MountEntry) {
    let mountpoint = mount.fs_file.replace("\\040", " ");
    let Ok(status) = rustix::fs::statvfs(mountpoint.as_str()) else { return };
    let figures = [
        ("node_filesystem_size_bytes", "Filesystem size in bytes.", status.f_blocks),
        ("node_filesystem_free_bytes", "Filesystem free space in bytes.", status.f_bfree),
        (
            "node_filesystem_avail_bytes",
            "Filesystem space available to non-root users in bytes.",
            status.f_bavail,
        ),
    ];
    for (family, help, blocks) in figures {
        out.push(
            Figure::gauge(family, help, blocks as f64 * status.f_frsize as f64)
                .with("device", &mount.fs_spec)
                .with("fstype", &mount.fs_vfstype)
                .with("mountpoint", &mountpoint),
        );
    }
}

/// On a disk of this machine, and not an image that is always full.
pub(super) fn is_local(mount: &MountEntry) -> bool {
    let image = matches!(mount.fs_vfstype.as_str(), "squashfs" | "erofs" | "iso9660");
    let local = mount.fs_spec.starts_with("/dev/") || mount.fs_vfstype == "zfs";
    local && !image && !mount.fs_vfstype.starts_with("fuse")
}
