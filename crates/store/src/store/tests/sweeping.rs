//! Streams that live nowhere: when their places are given out again, and what keeps them.

use super::*;
use crate::block::Part;
use crate::damage::Damage;
use crate::windows::WINDOW_MS;

fn open_short(disk: &MemoryDisk, own: u8) -> Store {
    let options = Options { retention: Duration::from_secs(3600), ..Options::default() };
    Store::open(Arc::new(disk.clone()), origin(own), options).unwrap().store
}

fn place(store: &Store, name: &str) -> Option<u32> {
    store.catalogue().read().place(&batch(name, &[]).streams[0].stream.id())
}

/// Writes something, so that there is something to flush, and runs all jobs.
fn pass(store: &mut Store, now_ms: i64) {
    store.append(&batch("beat", &[(now_ms, 1.0)]), &[]).unwrap();
    sync(store);
    settle(store, now_ms);
}

/// A store in its second life, whose first one wrote a stream that is about to grow old.
fn with_old_stream(disk: &MemoryDisk) -> Store {
    let mut store = open_short(disk, 1);
    store.append(&batch("old", &[(1, 1.0)]), &[]).unwrap();
    sync(&mut store);
    settle(&mut store, 0);
    drop(store);
    let mut store = open_short(disk, 2);
    pass(&mut store, WINDOW_MS);
    store
}

#[test]
fn a_stream_goes_with_its_last_point_and_its_last_frame() {
    let disk = MemoryDisk::new();
    let mut store = with_old_stream(&disk);
    assert_eq!((place(&store, "old"), store.table_len(origin(1))), (Some(0), 1));
    for windows in 4..6 {
        pass(&mut store, windows * WINDOW_MS);
    }
    assert_eq!((place(&store, "old"), store.table_len(origin(1))), (None, 0));
    assert_eq!((store.series_count(), store.stream_count()), (1, 1));
    store.append(&batch("new", &[(5 * WINDOW_MS, 7.0)]), &[]).unwrap();
    sync(&mut store);
    assert_eq!(place(&store, "new"), Some(0), "its place is given out again");
    settle(&mut store, 5 * WINDOW_MS);
    drop(store);
    let store = open_short(&disk, 3);
    assert_eq!((place(&store, "old"), read(&store, "new")), (None, vec![(5 * WINDOW_MS, 7.0)]));
}

#[test]
fn an_old_view_shows_no_old_point_under_a_new_name() {
    let mut store = with_old_stream(&MemoryDisk::new());
    let old = store.view();
    for windows in 4..6 {
        pass(&mut store, windows * WINDOW_MS);
    }
    store.append(&batch("new", &[(5 * WINDOW_MS, 7.0)]), &[]).unwrap();
    let named = |name: &str| Matcher::new("__name__", MatcherOp::Equal, name).unwrap();
    let shown = |name: &str| {
        let series = old.select(&[named(name)]).pop();
        series.map(|series| old.read_series(&series, i64::MIN..=i64::MAX).whole().unwrap())
    };
    assert_eq!(shown("new").unwrap()[0].points, []);
    assert_eq!(shown("old").unwrap()[0].points, [Point::new(1, 1.0)]);
    drop(old);
    pass(&mut store, 5 * WINDOW_MS);
    assert_eq!(place(&store, "old"), None, "when the last old view is gone");
}

#[test]
fn a_stream_that_is_written_again_while_a_sweep_is_under_way_stays() {
    let mut store = with_old_stream(&MemoryDisk::new());
    pass(&mut store, 4 * WINDOW_MS);
    let view = store.view();
    pass(&mut store, 5 * WINDOW_MS);
    store.append(&batch("old", &[(5 * WINDOW_MS, 2.0)]), &[]).unwrap();
    drop(view);
    pass(&mut store, 5 * WINDOW_MS);
    assert_eq!((place(&store, "old"), read(&store, "old")), (Some(0), vec![(5 * WINDOW_MS, 2.0)]));
}

#[test]
fn a_number_that_a_peer_may_still_use_keeps_its_stream() {
    let (mut store, mut peer) = (open_short(&MemoryDisk::new(), 1), open(&MemoryDisk::new(), 9).store);
    peer.append(&batch("x", &[(1, 1.0)]), &[]).unwrap();
    copy(&mut peer, &mut store, origin(9));
    sync(&mut store);
    for windows in 4..7 {
        pass(&mut store, windows * WINDOW_MS);
        store.append(&batch(&format!("new{windows}"), &[(windows * WINDOW_MS, 1.0)]), &[]).unwrap();
    }
    peer.append(&batch("x", &[(7 * WINDOW_MS, 2.0)]), &[]).unwrap();
    copy(&mut peer, &mut store, origin(9));
    assert_eq!(read(&store, "x"), [(7 * WINDOW_MS, 2.0)]);
}

#[test]
fn the_table_of_an_origin_that_was_let_go_of_goes_with_its_last_frame() {
    let (disk, mut peer) = (MemoryDisk::new(), open(&MemoryDisk::new(), 9).store);
    let mut store = open_short(&disk, 1);
    peer.append(&batch("x", &[(1, 1.0)]), &[]).unwrap();
    copy(&mut peer, &mut store, origin(9));
    sync(&mut store);
    settle(&mut store, 0);
    drop(store);
    let mut store = open_short(&disk, 2);
    pass(&mut store, WINDOW_MS);
    store.retire(origin(9));
    pass(&mut store, 2 * WINDOW_MS);
    assert_eq!(store.table_len(origin(9)), 1, "its frame is still there");
    for windows in 4..6 {
        pass(&mut store, windows * WINDOW_MS);
    }
    assert_eq!((store.table_len(origin(9)), place(&store, "x")), (0, None));
}

#[test]
fn a_damaged_window_keeps_the_streams_that_it_may_have_held() {
    let disk = MemoryDisk::new();
    let mut store = with_old_stream(&disk);
    store.note_damage([Damage { window: 0, first: 0, last: 3, part: Part::Page }]);
    for windows in 4..6 {
        pass(&mut store, windows * WINDOW_MS);
    }
    assert_eq!(place(&store, "old"), Some(0));
    store.mend(&store.damage().iter().copied().collect::<Vec<_>>());
    pass(&mut store, 6 * WINDOW_MS);
    assert_eq!(place(&store, "old"), None);
}

#[test]
fn a_table_that_only_the_disk_has_keeps_its_streams() {
    let disk = MemoryDisk::new();
    let (mut store, now_ms) = (with_old_stream(&disk), 5 * WINDOW_MS);
    store.append(&batch("beat", &[(now_ms, 1.0)]), &[]).unwrap();
    store.freeze();
    let mut number = 0;
    while let Some(job) = store.poll_job(now_ms) {
        let (Job::Manifest(_), true) = (&job, number < 5) else {
            store.handle_done(job.run());
            continue;
        };
        // A flush is under way when the table is dropped, and ends when the stream's place may be another's.
        number += 1;
        store.append(&batch("beat", &[(now_ms + number, 1.0)]), &[]).unwrap();
        store.freeze();
        let flush = store.poll_job(now_ms).filter(|job| matches!(job, Job::Flush(_)));
        store.handle_done(job.run());
        while let Some(job) = store.poll_job(now_ms) {
            store.handle_done(job.run());
        }
        store.append(&batch(&format!("new{number}"), &[(now_ms, 1.0)]), &[]).unwrap();
        flush.into_iter().for_each(|job| store.handle_done(job.run()));
        while let Some(job @ Job::Manifest(_)) = store.poll_job(now_ms) {
            store.handle_done(job.run());
        }
        drop(std::mem::replace(&mut store, open_short(&disk, 10 + number as u8)));
        store.freeze();
        if let Some(chunk) = store.chunk(origin(1), 0) {
            assert_eq!(chunk.streams, [batch("old", &[]).streams[0].stream.clone()]);
        }
    }
    assert_eq!(number, 5);
}
