//! Damage, scrubs, snapshots, and what the store lets go of.

use super::*;
use crate::block::Part;
use crate::view::SeriesRead;
use crate::windows::WINDOW_MS;

/// The first block of a window, and where in its file the values of its only stream lie.
fn rot_values(disk: &MemoryDisk, store: &Store, window: i64) {
    let block = store.windows.of(window)[0].clone();
    let hit = (8..block.meta().bytes as usize).find(|at| {
        disk.rot(block.path(), *at, 1);
        let found = block.verify().iter().any(|rot| rot.part == Part::Values);
        disk.rot(block.path(), *at, 1);
        found
    });
    assert!(disk.rot(block.path(), hit.unwrap(), 1));
}

fn try_read(store: &Store, name: &str) -> (Vec<i64>, Vec<i64>) {
    let matcher = Matcher::new("__name__", MatcherOp::Equal, name).unwrap();
    let series = store.select(&[matcher]);
    let SeriesRead { streams, damage } = store.view().read_series(&series[0], i64::MIN..=i64::MAX);
    let times = streams[0].points.iter().map(|point| point.time).collect();
    (times, damage.iter().map(|damage| damage.window).collect())
}

#[test]
fn a_bad_chunk_is_read_around_named_and_kept_when_its_block_is_merged() {
    let disk = MemoryDisk::new();
    let mut store = open(&disk, 1).store;
    store.append(&batch("x", &[(1, 1.0), (WINDOW_MS + 1, 1.0)]), &[]).unwrap();
    sync(&mut store);
    settle(&mut store, 0);
    let whole = store.answer_hash();
    rot_values(&disk, &store, 0);
    assert_eq!(try_read(&store, "x"), (vec![WINDOW_MS + 1], vec![0]));
    assert!(store.digest().is_err());
    settle(&mut store, 0);
    assert_eq!(store.damage().len(), 1, "what a reader found is marked");
    assert_ne!(store.answer_hash(), whole);

    settle(&mut store, DAY_MS);
    let block = &store.windows.of(0)[0];
    assert!(block.meta().is_sealed && block.meta().points == 0, "the window was merged without the chunk");
    assert_eq!(disk.list("quarantine").unwrap().len(), 1);
    disk.lose_power(0);
    let mut store = open(&disk, 2).store;
    assert_eq!(disk.list("quarantine").unwrap().len(), 1);
    assert_eq!(try_read(&store, "x"), (vec![WINDOW_MS + 1], vec![0]), "the mark outlives the block");
    assert!(store.digest().is_err());

    store.append(&batch("x", &[(1, 1.0)]), &[]).unwrap();
    store.mend(&store.damage().iter().copied().collect::<Vec<_>>());
    settle(&mut store, DAY_MS);
    assert_eq!(try_read(&store, "x"), (vec![1, WINDOW_MS + 1], vec![]));
    assert!(store.digest().is_ok() && disk.list("quarantine").unwrap().is_empty());
}

#[test]
fn a_block_without_its_footer_is_set_aside_and_the_start_goes_on() {
    let disk = MemoryDisk::new();
    let mut store = open(&disk, 1).store;
    store.append(&batch("x", &[(1, 1.0), (WINDOW_MS + 1, 1.0)]), &[]).unwrap();
    sync(&mut store);
    settle(&mut store, 0);
    let block = store.windows.of(0)[0].clone();
    assert!(disk.rot(block.path(), block.meta().bytes as usize - 1, 1));
    drop(store);
    for own in 2..4 {
        let store = open(&disk, own).store;
        assert_eq!(try_read(&store, "x"), (vec![WINDOW_MS + 1], vec![0]));
        assert_eq!((disk.list("quarantine").unwrap().len(), disk.file_len(block.path())), (1, None));
        disk.lose_power(0);
    }
}

#[test]
fn marks_go_with_their_window_unless_a_total_may_be_missing() {
    let disk = MemoryDisk::new();
    let (retention, totals) = (Duration::from_secs(3600), Duration::from_secs(2 * 86_400));
    let options = Options { retention, totals, ..Options::default() };
    let mut store = Store::open(Arc::new(disk.clone()), origin(1), options).unwrap().store;
    let mut counter = batch("total", &[(1_000, 5.0)]);
    counter.streams[0].stream.kind = Kind::Counter;
    store.append(&counter, &[]).unwrap();
    settle(&mut store, 4_000);
    rot_values(&disk, &store, 0);
    settle(&mut store, DAY_MS);
    assert_eq!(try_read(&store, "total"), (vec![], vec![0]), "the expiry has marked what it could not read");
    store.append(&batch("late", &[(2 * DAY_MS, 1.0)]), &[]).unwrap();
    settle(&mut store, 5 * DAY_MS);
    assert_eq!(try_read(&store, "total"), (vec![], vec![]));
    assert!(disk.list("quarantine").unwrap().is_empty());
}

fn restore(disk: &MemoryDisk, own: u8) -> Store {
    open(&disk.copy_below("/backup/one"), own).store
}

#[test]
fn a_snapshot_taken_while_the_store_goes_on_holds_all_that_was_there_when_it_began() {
    let disk = MemoryDisk::new();
    let mut store = open(&disk, 1).store;
    for round in 0..5 {
        store.append(&batch("x", &[(round, 1.0), (round + WINDOW_MS, 1.0)]), &[]).unwrap();
        sync(&mut store);
        settle(&mut store, 0);
    }
    store.append(&batch("fresh", &[(7, 7.0)]), &[]).unwrap();
    let expected = (read(&store, "x"), read(&store, "fresh"), store.digest().unwrap());

    assert_eq!(store.begin_snapshot("backup").err(), Some(SnapshotRefused::Relative));
    store.begin_snapshot("/backup/one/").unwrap();
    let job = store.poll_job(0).unwrap();
    assert!(matches!(job, Job::Snapshot(_)));
    assert_eq!(store.begin_snapshot("/backup/two").err(), Some(SnapshotRefused::Busy));
    store.append(&batch("x", &[(99, 9.0)]), &[]).unwrap();
    sync(&mut store);
    store.freeze();
    while let Some(other) = store.poll_job(DAY_MS).filter(|job| !matches!(job, Job::Snapshot(_))) {
        store.handle_done(other.run());
    }
    store.handle_done(job.run());
    let done = store.poll_snapshot().unwrap();
    assert!(done.result.is_ok(), "{:?}", done.result);
    settle(&mut store, DAY_MS);
    let restored = restore(&disk, 2);
    assert_eq!((read(&restored, "x"), read(&restored, "fresh"), restored.digest().unwrap()), expected);
    let blocks = crate::block::list(&disk).unwrap().into_iter().filter(|path| path.ends_with(".blk")).count();
    assert_eq!(blocks, store.manifest.blocks.len(), "what was held back is unlinked afterwards");
}

#[test]
fn a_snapshot_that_was_interrupted_says_so_and_a_full_directory_is_refused() {
    let disk = MemoryDisk::new();
    crate::directory::begin_life(&disk, 0, &mut rand::rng()).unwrap();
    let mut store = open(&disk, 1).store;
    let points: Vec<_> = (0..300).map(|n| (n, n as f64 + 0.123)).collect();
    store.append(&batch("x", &points), &[]).unwrap();
    let mut take = |directory: &str, bytes_max: Option<u64>| {
        store.begin_snapshot(directory).unwrap();
        let job = store.poll_job(0).unwrap();
        disk.set_bytes_max(bytes_max);
        store.handle_done(job.run());
        disk.set_bytes_max(None);
        store.poll_snapshot().unwrap().result.is_ok()
    };
    let mut interrupted = 0;
    for doubled in 7.. {
        let directory = format!("/backup/{doubled}");
        let is_taken = take(&directory, Some(1 << doubled));
        let copy = disk.copy_below(&directory);
        let begun = crate::directory::begin_life(&copy, 0, &mut rand::rng());
        if is_taken {
            assert!(begun.is_ok());
            break;
        }
        let has_points = copy.list("journal").unwrap().len() + copy.list("blocks").unwrap().len() > 0;
        assert!(matches!(begun, Err(crate::DirectoryError::Interrupted)) || !has_points);
        interrupted += usize::from(has_points);
    }
    assert!(interrupted > 0);
    take("/backup/again", None);
    assert!(!take("/backup/again", None), "there is something in the directory");
}

/// Runs the scrub for a while; the bytes it has read.
fn scrub(store: &mut Store, from_ms: i64) -> u64 {
    let before = store.scrubbed_bytes();
    for step in 0..40 {
        settle(store, from_ms + step * DAY_MS);
    }
    store.scrubbed_bytes() - before
}

#[test]
fn a_scrub_reads_every_file_within_its_round_and_never_two_at_once() {
    let mut store = open(&MemoryDisk::new(), 1).store;
    store.append(&batch("x", &[(1, 1.0), (WINDOW_MS + 1, 1.0)]), &[]).unwrap();
    settle(&mut store, DAY_MS);
    assert!(store.poll_job(DAY_MS).is_none(), "the clock has not moved");
    assert!(scrub(&mut store, DAY_MS) > store.block_bytes());
    assert!(store.damage().is_empty() && store.holes().count() == 0);
}

#[test]
fn a_scrub_finds_a_rotten_chunk_before_anyone_reads_it() {
    let disk = MemoryDisk::new();
    let mut store = open(&disk, 1).store;
    store.append(&batch("x", &[(1, 1.0), (WINDOW_MS + 1, 1.0)]), &[]).unwrap();
    settle(&mut store, DAY_MS);
    rot_values(&disk, &store, 1);
    scrub(&mut store, DAY_MS);
    assert_eq!(store.damage().iter().map(|mark| mark.window).collect::<Vec<_>>(), [1]);
}

#[test]
fn a_summary_that_has_rotted_or_is_lost_is_made_anew() {
    let disk = MemoryDisk::new();
    let mut store = open(&disk, 1).store;
    store.append(&batch("x", &[(1, 1.0), (2, 2.0)]), &[]).unwrap();
    sync(&mut store);
    settle(&mut store, DAY_MS);
    let summary = store.windows.summary(0).unwrap().clone();
    let content = || crate::disk::read_all(&*disk.open(summary.path()).unwrap()).unwrap();
    let whole = content();
    for at in 8..whole.len() {
        assert!(disk.rot(summary.path(), at, 1));
        scrub(&mut store, DAY_MS);
        assert_eq!(content(), whole, "byte {at}");
    }
    assert!(store.windows.summary(0).unwrap().verify().is_empty() && store.damage().is_empty());
    drop(store);
    disk.remove(summary.path()).unwrap();
    let mut store = open(&disk, 2).store;
    assert!(store.windows.summary(0).is_none());
    scrub(&mut store, DAY_MS);
    assert!(store.windows.summary(0).is_some());
}

#[test]
fn a_block_whose_ends_have_rotted_is_written_anew_while_it_is_open() {
    let disk = MemoryDisk::new();
    let mut store = open(&disk, 1).store;
    store.append(&batch("x", &[(1, 1.0)]), &[]).unwrap();
    sync(&mut store);
    settle(&mut store, DAY_MS);
    let block = store.windows.of(0)[0].clone();
    assert!(disk.rot(block.path(), block.meta().bytes as usize - 1, 1));
    scrub(&mut store, DAY_MS);
    assert!(store.damage().is_empty() && store.windows.of(0)[0].path() != block.path());
    drop(store);
    assert_eq!(read(&open(&disk, 2).store, "x"), [(1, 1.0)]);
}

#[test]
fn a_frame_that_a_scrub_finds_rotten_is_served_no_more_and_its_points_stay() {
    let disk = MemoryDisk::new();
    let mut store = open(&disk, 1).store;
    for n in 1..=3 {
        store.append(&batch("x", &[(n, 1.0)]), &[]).unwrap();
    }
    sync(&mut store);
    drop(store);
    let mut store = open(&disk, 2).store;
    let id = FrameId { origin: origin(1), seq: 2 };
    let location = store.journal.find(id).unwrap();
    assert!(disk.rot("journal/0000000000000001.seg", location.position.offset as usize + 20, 1));
    scrub(&mut store, DAY_MS);
    assert_eq!(store.holes().count(), 0, "its points were flushed");
    assert!(store.is_gone(id) && store.frames(origin(1), 2, usize::MAX).is_empty());
    assert_eq!(read(&store, "x"), [(1, 1.0), (2, 1.0), (3, 1.0)]);
    drop(store);
    assert_eq!(read(&open(&disk, 3).store, "x"), [(1, 1.0), (2, 1.0), (3, 1.0)]);
}

#[test]
fn small_files_that_have_rotted_are_written_anew_from_memory() {
    let disk = MemoryDisk::new();
    let mut store = open(&disk, 1).store;
    let mut counter = batch("total", &[(1_000, 5.0)]);
    counter.streams[0].stream.kind = Kind::Counter;
    store.append(&counter, &[]).unwrap();
    sync(&mut store);
    settle(&mut store, DAY_MS);
    let tables = format!("tables/{}", disk.list("tables").unwrap()[0]);
    for path in ["MANIFEST", "catalogue/defs.log", &tables] {
        assert!(disk.rot(path, 20, 1), "{path}");
    }
    store.append(&counter, &[]).unwrap();
    sync(&mut store);
    scrub(&mut store, DAY_MS);
    disk.lose_power(0);
    assert_eq!(read(&open(&disk, 2).store, "total"), [(1_000, 5.0)]);
}

#[test]
fn a_base_that_has_rotted_is_written_anew_while_windows_stay_and_loses_nothing() {
    let disk = MemoryDisk::new();
    let open = |own| Store::open(Arc::new(disk.clone()), origin(own), Options::default()).unwrap().store;
    let mut store = open(1);
    let counter = |time, value| {
        let mut counter = batch("total", &[(time, value)]);
        counter.streams[0].stream.kind = Kind::Counter;
        counter
    };
    store.append(&counter(1_000, 5.0), &[]).unwrap();
    settle(&mut store, 40 * DAY_MS);
    assert!(store.windows.iter().next().is_none(), "all is in the base");
    store.append(&counter(41 * DAY_MS, 4.0), &[]).unwrap();
    sync(&mut store);
    settle(&mut store, 41 * DAY_MS);
    let horizon_ms = store.manifest.horizon_ms;
    let path = format!("base/{}", disk.list("base").unwrap()[0]);
    assert!(disk.rot(&path, 20, 1));

    store.keep_windows(true);
    let many_years_ms = 10_000 * DAY_MS;
    scrub(&mut store, many_years_ms);
    disk.lose_power(0);
    let store = open(2);
    assert_eq!(store.manifest.base, 2);
    let kept: Vec<_> = store.base.places().filter_map(|place| store.base.get(place)).collect();
    assert_eq!(kept, [Point::new(1_000, 5.0)]);
    assert_eq!(read(&store, "total"), [(1_000, 5.0), (41 * DAY_MS, 4.0)]);
    assert_eq!(store.manifest.horizon_ms, horizon_ms, "the clock moves nothing");
}

#[test]
fn the_table_of_an_origin_goes_with_its_last_frame_and_comes_back_with_a_new_one() {
    let (disk, mut peer) = (MemoryDisk::new(), open(&MemoryDisk::new(), 9).store);
    let options = Options { journal_bytes_max: 0, ..Options::default() };
    let open_small = |own| Store::open(Arc::new(disk.clone()), origin(own), options).unwrap().store;
    peer.append(&batch("x", &[(1, 1.0)]), &[]).unwrap();
    let mut store = open_small(1);
    copy(&mut peer, &mut store, origin(9));
    sync(&mut store);
    drop(store);
    let mut store = open_small(2);
    settle(&mut store, 0);
    assert_eq!(store.table_len(origin(9)), 0, "its segment is gone");
    store.append(&batch("y", &[(1, 1.0)]), &[]).unwrap();
    sync(&mut store);
    settle(&mut store, 0);
    drop(store);
    let mut store = open_small(3);
    assert_eq!((store.table_len(origin(9)), read(&store, "x")), (0, vec![(1, 1.0)]));
    peer.append(&batch("x", &[(2, 2.0)]), &[]).unwrap();
    copy(&mut peer, &mut store, origin(9));
    assert_eq!(read(&store, "x"), [(1, 1.0), (2, 2.0)]);
}
