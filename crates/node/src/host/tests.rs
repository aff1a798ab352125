//! What this machine's `/proc` gives, and the rules that leave devices out.

use std::collections::{BTreeSet, HashMap};
use std::time::SystemTime;

use procfs::MountEntry;

use shoal_model::Kind;

use super::*;
use crate::exposition::{self, Bounds, Exposed, Format};
use crate::figures::render;

fn all(figures: &[Figure], family: &str) -> Vec<f64> {
    figures.iter().filter(|figure| figure.family == family).map(|figure| figure.value).collect()
}

#[test]
fn this_machine_shows_sane_figures() {
    let figures = gather();
    let one = |family: &str| match all(&figures, family)[..] {
        [value] => value,
        ref other => panic!("{family}: {other:?}"),
    };
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    assert!((0.0..now).contains(&one("node_boot_time_seconds")));
    assert!((one("node_boot_time_seconds")..now + 1.0).contains(&one("process_start_time_seconds")));
    assert!((one("node_memory_MemFree_bytes")..1e15).contains(&one("node_memory_MemTotal_bytes")));
    assert!((1e5..one("node_memory_MemTotal_bytes")).contains(&one("process_resident_memory_bytes")));
    assert!((0.0..1e5).contains(&one("node_load1")));
    assert!((1.0..1e6).contains(&one("process_open_fds")));
    assert!((1.0..1e5).contains(&one("process_threads")));
    assert!((0.0..1e9).contains(&one("process_cpu_seconds_total")));
    assert_eq!(one("node_uname_info"), 1.0);
    assert!(all(&figures, "node_cpu_seconds_total").iter().sum::<f64>() > 0.0);
}

#[test]
fn no_two_figures_share_family_and_labels() {
    let figures = gather();
    let names: BTreeSet<String> =
        figures.iter().map(|figure| format!("{} {:?}", figure.family, figure.labels)).collect();
    assert_eq!(names.len(), figures.len());
}

#[test]
fn all_figures_are_read_back_from_their_text() {
    let figures = gather();
    let text = render(&figures);
    let text = Exposed { bytes: text.as_bytes(), format: Format::Text, now_ms: 0, bounds: Bounds::NONE };
    let parsed = exposition::parse(text, &mut |_| Some(Kind::Sample));
    assert_eq!((parsed.streams.len(), parsed.refused), (figures.len(), Vec::new()));
}

#[test]
fn partitions_are_told_from_disks() {
    let disks = BTreeSet::from(["sda", "dm-1", "nvme0n1", "md0", "vdp"]);
    let check =
        |name: &str, expected: bool| assert_eq!(devices::is_partition(name, &disks), expected, "{name}");
    check("sda", false);
    check("sda12", true);
    check("dm-1", false);
    check("dm-10", false);
    check("nvme0n1", false);
    check("nvme0n1p2", true);
    check("nvme0n2", false);
    check("md0p1", true);
    check("vdp3", true);
}

#[test]
fn only_local_file_systems_that_can_fill_up_are_asked() {
    let check = |device: &str, kind: &str, expected: bool| {
        let mount = MountEntry {
            fs_spec: device.to_owned(),
            fs_file: "/".to_owned(),
            fs_vfstype: kind.to_owned(),
            fs_mntops: HashMap::new(),
            fs_freq: 0,
            fs_passno: 0,
        };
        assert_eq!(devices::is_local(&mount), expected, "{device} {kind}");
    };
    check("/dev/vda", "ext4", true);
    check("pool/data", "zfs", true);
    check("/dev/loop3", "squashfs", false);
    check("/dev/fuse", "fuse", false);
    check("server:/export", "nfs4", false);
    check("tmpfs", "tmpfs", false);
    check("proc", "proc", false);
}
