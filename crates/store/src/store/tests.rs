//! The store through its public verbs, over a disk with faults.

use std::sync::Arc;

use shoal_model::{MatcherOp, StreamPoints};

use super::*;
use crate::disk::memory::MemoryDisk;

fn origin(n: u8) -> Origin {
    Origin([n; 16])
}

fn open(disk: &MemoryDisk, own: u8) -> Opened {
    Store::open(Arc::new(disk.clone()), origin(own)).unwrap()
}

fn batch(name: &str, points: &[(i64, f64)]) -> Batch {
    let labels = Labels::new([("__name__", name)]).unwrap();
    let stream = Stream { labels, writer: Writer::NONE, kind: Kind::Gauge };
    let points = points.iter().map(|(time, value)| Point::new(*time, *value)).collect();
    Batch { streams: vec![StreamPoints { stream, points }] }
}

fn read(store: &Store, name: &str) -> Vec<(i64, f64)> {
    let matcher = Matcher::new("__name__", MatcherOp::Equal, name).unwrap();
    let views = store.select(&[matcher]);
    views.iter().flat_map(|v| &v.streams).flat_map(|s| s.points).map(|p| (p.time, p.value)).collect()
}

fn sync(store: &mut Store) {
    let job = store.poll_sync().unwrap();
    let result = job.run();
    store.handle_synced(&job, result);
}

/// Hands everything that `from` holds of an origin to `to`.
fn copy(from: &mut Store, to: &mut Store, origin: Origin) {
    while let Some(chunk) = from.chunk(origin, to.table_len(origin)) {
        to.define(&chunk).unwrap();
    }
    let next = to.held_of(origin) + 1;
    for frame in from.frames(origin, next, usize::MAX) {
        assert!(matches!(to.apply(&frame).unwrap(), Apply::Applied(_) | Apply::Known));
    }
}

#[test]
fn what_is_synced_survives_power_loss_and_the_rest_is_never_wrong() {
    let disk = MemoryDisk::new();
    let mut store = open(&disk, 1).store;
    store.append(&batch("a", &[(1, 1.0)]), &[]).unwrap();
    assert_eq!(store.held_of(origin(1)), 0);
    sync(&mut store);
    assert_eq!(store.held_of(origin(1)), 1);
    store.append(&batch("b", &[(2, 2.0)]), &[]).unwrap();
    let hash = store.answer_hash();
    disk.lose_power(11);
    let opened = open(&disk, 2);
    assert_eq!((read(&opened.store, "a"), read(&opened.store, "b")), (vec![(1, 1.0)], vec![]));
    assert_ne!(opened.store.answer_hash(), hash);
    assert!(opened.replayed.rot.is_empty() && opened.replayed.cut_bytes > 0);
}

#[test]
fn frames_relayed_in_any_node_give_equal_digests_and_hashes() {
    let (mut a, mut b) = (open(&MemoryDisk::new(), 1).store, open(&MemoryDisk::new(), 2).store);
    a.append(&batch("x", &[(1, 1.0), (2, 5.0)]), &[]).unwrap();
    b.append(&batch("x", &[(2, 7.0), (3, 1.0)]), &[]).unwrap();
    copy(&mut a, &mut b, origin(1));
    copy(&mut b, &mut a, origin(2));
    copy(&mut b, &mut a, origin(2));
    assert_eq!(read(&a, "x"), [(1, 1.0), (2, 7.0), (3, 1.0)]);
    assert_eq!((read(&a, "x"), a.digest(), a.answer_hash()), (read(&b, "x"), b.digest(), b.answer_hash()));
}

#[test]
fn a_gap_or_a_missing_table_is_told_and_changes_nothing() {
    let (mut a, mut b) = (open(&MemoryDisk::new(), 1).store, open(&MemoryDisk::new(), 2).store);
    let first = a.append(&batch("x", &[(1, 1.0)]), &[]).unwrap().frame;
    let second = a.append(&batch("x", &[(2, 1.0)]), &[]).unwrap().frame;
    assert_eq!(b.apply(&second).unwrap(), Apply::Gap { have: 0 });
    assert_eq!(b.apply(&first).unwrap(), Apply::NeedsTable { known: 0 });
    assert_eq!(b.point_count(), 0);
    b.define(&a.chunk(origin(1), 0).unwrap()).unwrap();
    assert_eq!(b.apply(&first).unwrap(), Apply::Applied(vec![]));
    assert_eq!(b.apply(&first).unwrap(), Apply::Known);
}

#[test]
fn rot_is_a_named_hole_that_a_peer_fills() {
    let (disk, mut peer) = (MemoryDisk::new(), open(&MemoryDisk::new(), 9).store);
    let mut store = open(&disk, 1).store;
    for n in 1..=3 {
        store.append(&batch("x", &[(n, 1.0)]), &[]).unwrap();
    }
    sync(&mut store);
    sync_commit(&mut store);
    copy(&mut store, &mut peer, origin(1));
    let whole = (store.applied().get(origin(1)), store.digest());
    let location = store.index[&origin(1)][1].unwrap();
    drop(store);
    let last_byte = location.position.offset as usize + location.len as usize - 1;
    assert!(disk.rot("journal/0000000000000001.seg", last_byte, 1));

    let Opened { mut store, replayed, .. } = open(&disk, 2);
    let lost = FrameId { origin: origin(1), seq: 2 };
    assert_eq!(replayed.rot.iter().map(|rot| rot.frame).collect::<Vec<_>>(), [Some(lost)]);
    assert_eq!(store.holes().collect::<Vec<_>>(), [(lost, Hole::Rot)]);
    assert_eq!(read(&store, "x"), [(1, 1.0), (3, 1.0)]);
    assert_eq!(store.held_of(origin(1)), 1);
    copy(&mut peer, &mut store, origin(1));
    assert_eq!(store.holes().count(), 0);
    assert_eq!((store.applied().get(origin(1)), store.digest()), whole);
    assert_eq!(store.held_of(origin(1)), 1, "a filled hole is held only after a sync");
    sync(&mut store);
    assert_eq!(store.held_of(origin(1)), 4);
    assert_eq!(open(&disk, 3).store.holes().count(), 0);
}

/// Writes something small so that the commit of the sync before becomes durable too.
fn sync_commit(store: &mut Store) {
    store.append(&Batch::default(), &[]).unwrap();
    sync(store);
}

#[test]
fn a_full_disk_refuses_writes_and_keeps_reading() {
    let disk = MemoryDisk::new();
    let mut store = open(&disk, 1).store;
    store.append(&batch("x", &[(1, 1.0)]), &[]).unwrap();
    disk.set_bytes_max(Some(0));
    assert!(matches!(store.append(&batch("x", &[(2, 2.0)]), &[]), Err(StoreError::Disk(_))));
    assert_eq!(read(&store, "x"), [(1, 1.0)]);
    disk.set_bytes_max(None);
    store.append(&batch("x", &[(3, 3.0)]), &[]).unwrap();
    assert_eq!(read(&open(&disk, 2).store, "x"), [(1, 1.0), (3, 3.0)]);
}

#[test]
fn a_failed_sync_stops_writes_but_not_reads() {
    let disk = MemoryDisk::new();
    let mut store = open(&disk, 1).store;
    store.append(&batch("x", &[(1, 1.0)]), &[]).unwrap();
    disk.set_sync_fails(true);
    sync(&mut store);
    assert_eq!(store.held_of(origin(1)), 0);
    assert!(matches!(store.append(&batch("x", &[(2, 2.0)]), &[]), Err(StoreError::JournalFailed(_))));
    assert_eq!(read(&store, "x"), [(1, 1.0)]);
}

#[test]
fn a_second_family_of_one_series_is_shown_apart() {
    let mut store = open(&MemoryDisk::new(), 1).store;
    store.append(&batch("x", &[(1, 1.0)]), &[]).unwrap();
    let mut counter = batch("x", &[(1, 2.0)]);
    counter.streams[0].stream.kind = Kind::Counter;
    assert_eq!(store.other_family(&counter.streams[0].stream), Some(Family::Gauge));
    store.append(&counter, &[]).unwrap();
    let views = store.select(&[]);
    let shown: Vec<_> = views.iter().map(|view| (view.family, view.is_second)).collect();
    assert_eq!(shown, [(Family::Totals, false), (Family::Gauge, true)]);
}

#[test]
fn a_record_that_its_writer_made_unreadable_is_passed_over_and_counted() {
    let mut store = open(&MemoryDisk::new(), 1).store;
    let frame = |seq, table_len, body: &[u8]| {
        let id = FrameId { origin: origin(7), seq };
        Frame::encode(Header { id, table_len, points: 1 }, &[Record { tag: Tag::POINTS, body }]).unwrap()
    };
    let stranger = points_record::encode(&[Column { number: 5, points: vec![Point::new(1, 1.0)] }]);
    for (seq, body) in [(1, &b"\xff"[..]), (2, &stranger)] {
        assert_eq!(store.apply(&frame(seq, 0, body)).unwrap(), Apply::Applied(vec![]));
        assert_eq!(store.unreadable_records(), seq);
    }
    assert_eq!((store.point_count(), store.applied().get(origin(7))), (0, 2));
}
