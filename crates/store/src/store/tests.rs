//! The store through its public verbs, over a disk with faults.

use std::ops::RangeInclusive;
use std::sync::Arc;

use proptest::prelude::*;
use shoal_merge::lens::{self, WriterPoints};
use shoal_model::{Batch, Kind, Labels, MatcherOp, Point, StreamPoints, Writer, time};

use super::*;
use crate::disk::memory::MemoryDisk;
use crate::frame::points as points_record;
use crate::frame::{Frame, Header, Record, Tag};
use crate::table::Chunk;
use crate::view::StreamView;

mod sweeping;
mod upkeep;

fn origin(n: u8) -> Origin {
    Origin([n; 16])
}

fn open(disk: &MemoryDisk, own: u8) -> Opened {
    let options = Options { retention: Duration::from_secs(3600 * 24 * 365 * 100), ..Options::default() };
    Store::open(Arc::new(disk.clone()), origin(own), options).unwrap()
}

fn batch(name: &str, points: &[(i64, f64)]) -> Batch {
    let labels = Labels::new([("__name__", name)]).unwrap();
    let stream = Stream { labels, writer: Writer::NONE, kind: Kind::Gauge };
    let points = points.iter().map(|(time, value)| Point::new(*time, *value)).collect();
    Batch { streams: vec![StreamPoints { stream, points }] }
}

fn read(store: &Store, name: &str) -> Vec<(i64, f64)> {
    let matcher = Matcher::new("__name__", MatcherOp::Equal, name).unwrap();
    let (view, mut points) = (store.view(), Vec::new());
    for (_, kind, place) in store.select(&[matcher]).iter().flat_map(|series| &series.streams) {
        view.read(*place, *kind, i64::MIN..=i64::MAX, &mut points).unwrap();
    }
    points.iter().map(|point| (point.time, point.value)).collect()
}

fn sync(store: &mut Store) {
    let job = store.poll_sync().unwrap();
    let result = job.run();
    store.handle_synced(&job, result);
}

/// Flushes what is in memory, and runs every job that follows from it.
fn settle(store: &mut Store, now_ms: i64) {
    store.freeze();
    while let Some(job) = store.poll_job(now_ms) {
        store.handle_done(job.run());
    }
    assert!(store.is_settled());
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
    assert_eq!(
        (read(&a, "x"), a.digest().unwrap(), a.answer_hash()),
        (read(&b, "x"), b.digest().unwrap(), b.answer_hash())
    );
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
    let whole = (store.applied().get(origin(1)), store.digest().unwrap());
    let location = store.journal.find(FrameId { origin: origin(1), seq: 2 }).unwrap();
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
    assert_eq!((store.applied().get(origin(1)), store.digest().unwrap()), whole);
    assert_eq!(store.held_of(origin(1)), 1, "a filled hole is held only after a sync");
    sync(&mut store);
    assert_eq!(store.held_of(origin(1)), 4);
    assert_eq!(open(&disk, 3).store.holes().count(), 0);
}

/// A store whose only frame waits for its table, which has rotted; its disk, and that table.
fn waiting_for_a_table() -> (Store, MemoryDisk, Chunk) {
    let (disk, mut peer) = (MemoryDisk::new(), open(&MemoryDisk::new(), 9).store);
    let mut store = open(&disk, 1).store;
    peer.append(&batch("x", &[(1, 1.0)]), &[]).unwrap();
    sync(&mut peer);
    copy(&mut peer, &mut store, origin(9));
    sync(&mut store);
    sync_commit(&mut store);
    drop(store);
    let (segment, table) = ("journal/0000000000000001.seg", peer.chunk(origin(9), 0).unwrap());
    let bytes = crate::disk::read_all(&*disk.open(segment).unwrap()).unwrap();
    let encoded = table.encode();
    let at = bytes.windows(encoded.len()).position(|bytes| bytes == &encoded[..]).unwrap();
    assert!(disk.rot(segment, at + 1, 1));
    let store = open(&disk, 2).store;
    let waiting = FrameId { origin: origin(9), seq: 1 };
    assert!(matches!(store.holes().collect::<Vec<_>>()[..], [(id, Hole::NoTable(_))] if id == waiting));
    (store, disk, table)
}

#[test]
fn a_frame_that_filled_a_hole_fills_it_after_every_start() {
    let (mut store, disk, _) = waiting_for_a_table();
    store.void(FrameId { origin: origin(9), seq: 1 }).unwrap();
    sync(&mut store);
    sync_commit(&mut store);
    drop(store);
    for own in 3..5 {
        assert_eq!(open(&disk, own).store.holes().collect::<Vec<_>>(), []);
    }
}

#[test]
fn a_frame_that_a_checkpoint_passed_without_its_table_is_durable_once_that_has_come() {
    let (mut store, disk, table) = waiting_for_a_table();
    store.append(&batch("y", &[(1, 1.0)]), &[]).unwrap();
    settle(&mut store, 0);
    store.define(&table).unwrap();
    sync(&mut store);
    assert_eq!((store.held_of(origin(9)), read(&store, "x")), (1, vec![(1, 1.0)]));
    drop(store);
    disk.lose_power(0);
    let store = open(&disk, 3).store;
    assert_eq!((store.holes().count(), read(&store, "x")), (0, vec![(1, 1.0)]));
}

#[test]
fn who_holds_more_than_its_frontier_says_answers_like_nobody_until_the_frames_have_come() {
    let (disk, mut peer) = (MemoryDisk::new(), open(&MemoryDisk::new(), 9).store);
    let (mut debtor, mut other) = (open(&disk, 1).store, open(&MemoryDisk::new(), 2).store);
    peer.append(&batch("x", &[(1, 1.0)]), &[]).unwrap();
    sync(&mut peer);
    for store in [&mut debtor, &mut other] {
        copy(&mut peer, store, origin(9));
        sync(store);
    }
    assert_eq!(debtor.answer_hash(), other.answer_hash());
    // Of an origin that is over nothing comes any more.
    debtor.will_show(&Frontier::from_entries([(origin(9), 2), (origin(8), 1)]));
    assert!(!debtor.is_debt_recorded());
    settle(&mut debtor, 0);
    assert!(debtor.is_debt_recorded());
    assert_ne!(debtor.answer_hash(), other.answer_hash());
    drop(debtor);
    let mut debtor = open(&disk, 3).store;
    assert_ne!(debtor.answer_hash(), other.answer_hash(), "a start does not forget it");
    debtor.retire(origin(8));
    settle(&mut debtor, 0);
    peer.append(&batch("x", &[(2, 2.0)]), &[]).unwrap();
    sync(&mut peer);
    for store in [&mut debtor, &mut other] {
        copy(&mut peer, store, origin(9));
        sync(store);
    }
    assert_eq!(debtor.answer_hash(), other.answer_hash());
}

#[test]
fn what_is_shown_beyond_the_frontier_is_told_until_its_frames_are_synced() {
    let (disk, mut peer) = (MemoryDisk::new(), open(&MemoryDisk::new(), 9).store);
    let mut debtor = open(&disk, 1).store;
    peer.append(&batch("x", &[(1, 1.0)]), &[]).unwrap();
    sync(&mut peer);
    let shown = Frontier::from_entries([(origin(9), 1)]);
    debtor.will_show(&shown);
    settle(&mut debtor, 0);
    assert!(debtor.keeps(&shown), "the manifest and the blocks do");
    debtor.append(&batch("y", &[(1, 1.0)]), &[]).unwrap();
    assert!(!debtor.keeps(&debtor.shown()));
    debtor.freeze();
    let (flush, job) = (debtor.poll_job(0).unwrap().run(), debtor.poll_sync().unwrap());
    let result = job.run();
    // The frame comes after the sync, and before its end is told.
    copy(&mut peer, &mut debtor, origin(9));
    debtor.handle_synced(&job, result);
    debtor.handle_done(flush);
    while let Some(job) = debtor.poll_job(0) {
        debtor.handle_done(job.run());
    }
    drop(debtor);
    disk.lose_power(0);
    let debtor = open(&disk, 2).store;
    assert_eq!(debtor.applied().get(origin(9)), 0);
    assert!(debtor.shown().covers(&shown));
}

#[test]
fn a_frame_that_is_given_up_may_be_here_as_itself_or_by_a_loan() {
    let disk = MemoryDisk::new();
    let (mut store, lost) = (open(&disk, 1).store, FrameId { origin: origin(9), seq: 1 });
    let own = store.append(&batch("x", &[(1, 1.0)]), &[]).unwrap().frame.id();
    assert!(store.shows(own) && !store.shows(lost) && !store.may_have_been_lent(lost));
    store.will_show(&Frontier::from_entries([(lost.origin, 2)]));
    settle(&mut store, 0);
    assert!(store.missing() == [lost] && store.may_have_been_lent(lost));
    store.void(lost).unwrap();
    assert_eq!(store.missing(), [FrameId { seq: 2, ..lost }]);
    store.void(FrameId { seq: 2, ..lost }).unwrap();
    sync(&mut store);
    drop(store);
    let mut store = open(&disk, 2).store;
    assert!(store.missing().is_empty() && store.shows(own));
    sync_commit(&mut store);
    assert!(!store.shows(lost), "what stands for it has no points");
}

#[test]
fn a_remnant_is_served_to_nobody() {
    let disk = MemoryDisk::new();
    let mut store = open(&disk, 1).store;
    let remnant = Record { tag: Tag::REMNANT, body: &[] };
    let id = store.append(&Batch::default(), &[remnant]).unwrap().frame.id();
    store.append(&batch("x", &[(1, 1.0)]), &[]).unwrap();
    sync(&mut store);
    drop(store);
    let mut store = open(&disk, 2).store;
    assert_eq!(store.held_of(id.origin), 2);
    assert!(store.is_gone(id) && store.frames(id.origin, 1, usize::MAX).is_empty());
    assert_eq!(store.frames(id.origin, 2, usize::MAX).len(), 1);
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
    let stranger = points_record::encode(&[(5, 1)], &[Point::new(1, 1.0)]);
    for (seq, body) in [(1, &b"\xff"[..]), (2, &stranger)] {
        assert_eq!(store.apply(&frame(seq, 0, body)).unwrap(), Apply::Applied(vec![]));
        assert_eq!(store.unreadable_records(), seq);
    }
    assert_eq!((store.point_count(), store.applied().get(origin(7))), (0, 2));
}

const DAY_MS: i64 = 24 * 3600 * 1000;

#[test]
fn what_was_flushed_and_merged_reads_the_same_and_outlives_power_loss() {
    let disk = MemoryDisk::new();
    let mut store = open(&disk, 1).store;
    for round in 0..9 {
        let points: Vec<_> = (0..50).map(|n| (n * 1_000_000 + round, f64::from(round as u32))).collect();
        store.append(&batch("x", &points), &[]).unwrap();
        store.append(&batch(&format!("y{round}"), &points), &[]).unwrap();
        sync(&mut store);
        settle(&mut store, 10_000_000);
    }
    store.append(&batch("x", &[(77, 7.0)]), &[]).unwrap();
    sync(&mut store);
    let expected = (read(&store, "x"), read(&store, "y3"), store.digest().unwrap(), store.answer_hash());
    assert_eq!(expected.0.len(), 451);
    disk.lose_power(0);
    let opened = open(&disk, 2);
    let store = opened.store;
    assert_eq!(
        (read(&store, "x"), read(&store, "y3"), store.digest().unwrap(), store.answer_hash()),
        expected
    );
    assert_eq!(opened.replayed.frames, 1, "only what came after the checkpoint is replayed");
}

#[test]
fn a_window_that_is_over_is_sealed_and_late_points_lie_over_it() {
    let mut store = open(&MemoryDisk::new(), 1).store;
    let points: Vec<_> = (0..1_000).map(|n| (n * 1_000, 1.0)).collect();
    store.append(&batch("x", &points), &[]).unwrap();
    settle(&mut store, DAY_MS);
    let sealed = |store: &Store| store.windows.of(0).iter().filter(|block| block.meta().is_sealed).count();
    assert_eq!((sealed(&store), store.windows.of(0).len()), (1, 1));
    store.append(&batch("x", &[(500, 2.0)]), &[]).unwrap();
    settle(&mut store, DAY_MS);
    assert_eq!((sealed(&store), store.windows.of(0).len()), (1, 2), "one late point is an overlay");
    let late: Vec<_> = (0..100).map(|n| (n * 1_000 + 1, 2.0)).collect();
    store.append(&batch("x", &late), &[]).unwrap();
    settle(&mut store, DAY_MS);
    assert_eq!((sealed(&store), store.windows.of(0).len()), (1, 1), "many are merged into it");
    assert_eq!(read(&store, "x").len(), 1_101);
}

#[test]
fn below_the_horizon_a_counter_keeps_its_greatest_point_and_a_gauge_nothing() {
    let disk = MemoryDisk::new();
    let options = Options { retention: Duration::from_secs(3600), ..Options::default() };
    let mut store = Store::open(Arc::new(disk.clone()), origin(1), options).unwrap().store;
    let mut counter = batch("total", &[(1_000, 5.0), (2_000, 9.0), (3_000, 9.0)]);
    counter.streams[0].stream.kind = Kind::Counter;
    store.append(&counter, &[]).unwrap();
    store.append(&batch("level", &[(1_000, 5.0)]), &[]).unwrap();
    sync(&mut store);
    settle(&mut store, 4_000);
    assert_eq!(read(&store, "level"), [(1_000, 5.0)]);
    settle(&mut store, DAY_MS);
    assert_eq!((read(&store, "total"), read(&store, "level")), (vec![(3_000, 9.0)], vec![]));
    assert_eq!((store.windows.points(), store.block_bytes()), (0, 0), "the window was unlinked");
    let mut again = Store::open(Arc::new(disk), origin(2), options).unwrap().store;
    settle(&mut again, DAY_MS);
    assert_eq!(read(&again, "total"), [(3_000, 9.0)]);
}

#[test]
fn a_flush_that_fails_is_tried_again_and_loses_nothing() {
    let disk = MemoryDisk::new();
    let mut store = open(&disk, 1).store;
    store.append(&batch("x", &[(1, 1.0)]), &[]).unwrap();
    sync(&mut store);
    store.freeze();
    disk.set_bytes_max(Some(0));
    let job = store.poll_job(0).unwrap();
    store.handle_done(job.run());
    assert!(store.poll_job(0).is_none(), "it waits before it tries again");
    assert_eq!(read(&store, "x"), [(1, 1.0)]);
    disk.set_bytes_max(None);
    settle(&mut store, 60_000);
    assert_eq!(read(&open(&disk, 2).store, "x"), [(1, 1.0)]);
}

#[test]
fn a_view_keeps_what_it_saw() {
    let mut store = open(&MemoryDisk::new(), 1).store;
    store.append(&batch("x", &[(1, 1.0)]), &[]).unwrap();
    let (view, place) = (store.view(), store.select(&[])[0].streams[0].2);
    for time in 2..20 {
        store.append(&batch("x", &[(time, 1.0)]), &[]).unwrap();
        settle(&mut store, DAY_MS);
    }
    let mut points = Vec::new();
    view.read(place, Kind::Gauge, i64::MIN..=i64::MAX, &mut points).unwrap();
    assert_eq!(points, [Point::new(1, 1.0)]);
}

fn merged(streams: &[StreamView], millis: RangeInclusive<i64>) -> (Option<Point>, Vec<Point>) {
    let part = |stream| {
        let StreamView { writer, kind, points }: &StreamView = stream;
        WriterPoints { writer: *writer, kind: *kind, points }
    };
    let parts: Vec<_> = streams.iter().map(part).collect();
    (lens::last(&parts, *millis.end()), lens::merge(&parts, millis))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_condensed_past_reads_as_the_whole_one(
        rounds in prop::collection::vec(prop::collection::vec((0_i64..40_000, 0_u32..100), 1..30), 1..6),
        from in 0_i64..80_000,
        is_all_flushed: bool,
    ) {
        let mut store = open(&MemoryDisk::new(), 1).store;
        for (round, points) in rounds.iter().enumerate() {
            for kind in [Kind::Counter, Kind::UpDown, Kind::Delta, Kind::Gauge] {
                let at = |second: i64| match kind {
                    Kind::Delta => time::delta_time(0, second * 1_000, &[round as u8]).unwrap(),
                    _ => second * 1_000,
                };
                let points: Vec<_> = points.iter().map(|(s, value)| (at(*s), f64::from(*value) * 0.1)).collect();
                let mut batch = batch(kind.name(), &points);
                batch.streams[0].stream.kind = kind;
                store.append(&batch, &[]).unwrap();
            }
            if is_all_flushed || round + 1 < rounds.len() {
                settle(&mut store, DAY_MS * (round as i64 + 1));
            }
        }
        let view = store.view();
        let millis = from * 1_000..=81_000_000;
        for series in view.select(&[]) {
            let whole = view.read_series(&series, i64::MIN..=*millis.end()).whole().unwrap();
            let condensed = view.read_condensed(&series, millis.start() - 300_000..=*millis.end()).whole().unwrap();
            prop_assert_eq!(merged(&condensed, millis.clone()), merged(&whole, millis.clone()), "{}", series.labels);
        }
    }
}

#[test]
fn a_series_is_present_where_it_has_points() {
    const HOUR: i64 = 3_600_000;
    let mut store = open(&MemoryDisk::new(), 1).store;
    store.append(&batch("a", &[(HOUR, 1.0), (HOUR + 1, 2.0)]), &[]).unwrap();
    store.append(&batch("b", &[(5 * HOUR, 1.0)]), &[]).unwrap();
    let present = |store: &Store, millis: RangeInclusive<i64>| {
        let (view, series) = (store.view(), store.select(&[]));
        let present = view.present(&series, millis);
        series
            .iter()
            .zip(present)
            .filter(|(_, is)| *is)
            .map(|(one, _)| one.labels.metric().to_owned())
            .collect()
    };
    for is_flushed in [false, true] {
        let check = |millis: RangeInclusive<i64>, expected: &[&str]| {
            let found: Vec<String> = present(&store, millis.clone());
            assert_eq!(found, expected, "{millis:?}, flushed: {is_flushed}");
        };
        check(i64::MIN..=i64::MAX, &["a", "b"]);
        check(0..=HOUR, &["a"]);
        check(HOUR + 1..=5 * HOUR, &["a", "b"]);
        check(HOUR + 2..=5 * HOUR - 1, &[]);
        check(5 * HOUR..=5 * HOUR, &["b"]);
        check(6 * HOUR..=i64::MAX, &[]);
        if !is_flushed {
            sync(&mut store);
            settle(&mut store, 0);
        }
    }
    assert_eq!(store.view().label_names(&[]), ["__name__"]);
    assert_eq!(store.view().label_values("__name__", &[]), ["a", "b"]);
}
