//! Orderings that once lost something, each with its own name: what is written, named, removed and handed back in
//! which order.

use shoal_model::{Batch, Kind, Labels, Matcher, MatcherOp, Point, Stream, StreamPoints, Writer};

use super::rig::{open, options};
use crate::disk::memory::{MemoryDisk, Trouble};
use crate::store::{Job, Store};

const DAY_MS: i64 = 86_400_000;
const NOW_MS: i64 = 20_000 * DAY_MS;

fn batch(name: &str, points: impl IntoIterator<Item = (i64, f64)>) -> Batch {
    let labels = Labels::new([("__name__", name)]).unwrap();
    let stream = Stream { labels, writer: Writer::NONE, kind: Kind::Counter };
    let points = points.into_iter().map(|(time, value)| Point::new(time, value)).collect();
    Batch { streams: vec![StreamPoints { stream, points }] }
}

fn life(disk: &MemoryDisk, number: u8) -> Store {
    open(disk, number, options(0)).unwrap().store
}

fn read(store: &Store, name: &str) -> Vec<(i64, f64)> {
    let (view, mut points) = (store.view(), Vec::new());
    let matcher = Matcher::new("__name__", MatcherOp::Equal, name).unwrap();
    for (_, kind, place) in store.select(&[matcher]).iter().flat_map(|series| &series.streams) {
        view.read(*place, *kind, i64::MIN..=i64::MAX, &mut points).unwrap();
    }
    points.iter().map(|point| (point.time, point.value)).collect()
}

/// Runs jobs until there is one that fits, which is not run.
fn run_until(store: &mut Store, fits: impl Fn(&Job) -> bool) -> Job {
    loop {
        let job = store.poll_job(NOW_MS).expect("such a job comes");
        if fits(&job) {
            return job;
        }
        store.handle_done(job.run());
    }
}

fn settle(store: &mut Store) {
    while let Some(job) = store.poll_job(NOW_MS) {
        store.handle_done(job.run());
    }
}

fn is_manifest(job: &Job) -> bool {
    matches!(job, Job::Manifest(_))
}

fn is_expiry(job: &Job) -> bool {
    matches!(job, Job::Expire(_))
}

#[test]
fn a_manifest_under_way_keeps_the_journal_that_it_needs() {
    let disk = MemoryDisk::new();
    let mut store = life(&disk, 1);
    store.append(&batch("x", [(NOW_MS, 1.0)]), &[]).unwrap();
    store.freeze();
    let manifest = run_until(&mut store, is_manifest);
    for n in 2..200 {
        store.append(&batch("x", [(NOW_MS + n, n as f64)]), &[]).unwrap();
        store.freeze();
        if let Some(job @ Job::Flush(_)) = store.poll_job(NOW_MS) {
            store.handle_done(job.run());
        }
    }
    store.handle_done(manifest.run());
    drop(store);
    assert_eq!(read(&life(&disk, 2), "x").len(), 199);
}

/// A store whose base has a number, with more that is to go.
fn with_base(disk: &MemoryDisk) -> Store {
    let mut store = life(disk, 1);
    for value in [1.0, 2.0] {
        settle(&mut store);
        store.append(&batch("x", [(NOW_MS - 10 * DAY_MS, value)]), &[]).unwrap();
        store.freeze();
    }
    store
}

#[test]
fn a_manifest_under_way_keeps_the_base_that_it_names() {
    let disk = MemoryDisk::new();
    let mut store = with_base(&disk);
    let manifest = run_until(&mut store, is_manifest);
    let expiry = run_until(&mut store, is_expiry).run();
    store.handle_done(expiry);
    store.handle_done(manifest.run());
    drop(store);
    assert_eq!(read(&life(&disk, 2), "x"), [(NOW_MS - 10 * DAY_MS, 2.0)]);
}

#[test]
fn a_base_that_is_not_named_yet_is_not_removed() {
    let disk = MemoryDisk::new();
    let mut store = with_base(&disk);
    let manifest = run_until(&mut store, is_manifest);
    let expiry = run_until(&mut store, is_expiry).run();
    store.handle_done(manifest.run());
    store.handle_done(expiry);
    settle(&mut store);
    drop(store);
    assert_eq!(read(&life(&disk, 2), "x"), [(NOW_MS - 10 * DAY_MS, 2.0)]);
}

#[test]
fn late_points_that_are_flushed_during_an_expiry_are_not_unlinked_unread() {
    let mut store = life(&MemoryDisk::new(), 1);
    store.append(&batch("x", [(NOW_MS - 10 * DAY_MS, 1.0)]), &[]).unwrap();
    store.freeze();
    let expiry = run_until(&mut store, is_expiry).run();
    store.append(&batch("x", [(NOW_MS - 10 * DAY_MS + 1, 5.0)]), &[]).unwrap();
    store.freeze();
    let flush = run_until(&mut store, |job| matches!(job, Job::Flush(_)));
    store.handle_done(flush.run());
    store.handle_done(expiry);
    settle(&mut store);
    assert_eq!(read(&store, "x"), [(NOW_MS - 10 * DAY_MS + 1, 5.0)]);
}

#[test]
fn a_flush_within_a_replay_does_not_hide_the_rest_of_the_journal() {
    let disk = MemoryDisk::new();
    let mut store = life(&disk, 1);
    for n in 0..110 {
        store.append(&batch("x", [(NOW_MS + n, 1.0)]), &[]).unwrap();
    }
    drop(store);
    for number in 2..5 {
        assert_eq!(read(&life(&disk, number), "x").len(), 110, "life {number}");
    }
}

#[test]
fn blocks_that_a_crash_left_unnamed_are_no_obstacle_to_a_flush_within_the_replay() {
    let disk = MemoryDisk::new();
    let mut store = life(&disk, 1);
    for n in 0..60 {
        store.append(&batch("x", [(NOW_MS + n, 1.0)]), &[]).unwrap();
    }
    let Some(job) = store.poll_job(NOW_MS) else { panic!("the memtable is full") };
    drop(job.run());
    drop(store);
    assert_eq!(read(&life(&disk, 2), "x").len(), 60);
}

/// A store with four blocks of one window, which is over.
fn with_blocks(disk: &MemoryDisk) -> Store {
    let mut store = life(disk, 1);
    for n in 0..4 {
        store.append(&batch("x", [(NOW_MS - DAY_MS + n, 1.0)]), &[]).unwrap();
        store.freeze();
        let flush = run_until(&mut store, |job| matches!(job, Job::Flush(_)));
        store.handle_done(flush.run());
    }
    store
}

#[test]
fn blocks_that_have_rotted_are_not_merged_into_one_that_is_sound() {
    let disk = MemoryDisk::new();
    let mut store = with_blocks(&disk);
    let block = disk.files().into_iter().find(|path| path.ends_with(".blk")).unwrap();
    assert!(disk.rot(&block, 9, 1));
    settle(&mut store);
    assert!(store.is_settled());
    let place = store.select(&[])[0].streams[0].2;
    let read = store.view().read(place, Kind::Counter, i64::MIN..=i64::MAX, &mut Vec::new());
    assert!(read.is_err(), "a read still says that points are missing");
}

#[test]
fn what_a_manifest_no_longer_names_is_removed_only_once_the_manifest_stays() {
    let disk = MemoryDisk::new();
    let mut store = with_blocks(&disk);
    let merge = run_until(&mut store, |job| matches!(job, Job::Merge(_)));
    store.handle_done(merge.run());
    let manifest = run_until(&mut store, is_manifest);
    // The last operation of writing it is the one that makes its name durable.
    disk.trouble_after(disk.operations() + 4, Trouble::Stop);
    store.handle_done(manifest.run());
    drop(store);
    disk.end_trouble();
    assert_eq!(read(&life(&disk, 2), "x").len(), 4);
    for seed in 0..64 {
        let disk = disk.fork();
        disk.lose_power_by(seed);
        assert_eq!(read(&life(&disk, 3), "x").len(), 4, "seed {seed}");
    }
}

#[test]
fn failed_flushes_leave_no_files_behind() {
    let disk = MemoryDisk::new();
    let mut store = life(&disk, 1);
    store.append(&batch("x", [(NOW_MS, 1.0), (NOW_MS - DAY_MS, 1.0)]), &[]).unwrap();
    store.freeze();
    let before = disk.files();
    for operations in 0..20 {
        disk.trouble_after(disk.operations() + operations, Trouble::Full);
        let Some(job) = store.poll_job(NOW_MS + i64::from(operations as u32) * 60_000) else { continue };
        let is_flush = matches!(job, Job::Flush(_));
        store.handle_done(job.run());
        disk.end_trouble();
        if is_flush && store.view().windows().points() == 0 {
            assert_eq!(disk.files(), before, "after {operations} operations");
        }
    }
    settle(&mut store);
    assert_eq!(read(&store, "x").len(), 2);
}
