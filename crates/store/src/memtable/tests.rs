//! The memtable against a plain map.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn read(view: &MemtableView, place: u32) -> Vec<Point> {
    let mut points = Vec::new();
    view.read(place, &mut points);
    points.reverse();
    points
}

proptest! {
    #[test]
    fn streams_read_as_they_were_appended(
        points in prop::collection::vec((0_u32..9_000, prop_oneof![any::<i64>(), 0_i64..100], any::<u64>()), 0..200),
    ) {
        let (table, mut recycled) = (Arc::new(Memtable::default()), Recycled::default());
        let mut expected: BTreeMap<u32, Vec<Point>> = BTreeMap::new();
        for (place, time, bits) in points {
            let point = Point::new(time, f64::from_bits(bits));
            prop_assert!(table.append(place, point, &mut recycled));
            expected.entry(place).or_default().push(point);
        }
        let view = MemtableView::new(&table);
        prop_assert_eq!(view.places().collect::<Vec<_>>(), expected.keys().copied().collect::<Vec<_>>());
        for (place, points) in expected {
            prop_assert_eq!(read(&view, place), points);
        }
    }
}

#[test]
fn a_view_does_not_see_what_came_after_it() {
    let (table, mut recycled) = (Arc::new(Memtable::default()), Recycled::default());
    table.append(1, Point::new(1, 1.0), &mut recycled);
    let view = MemtableView::new(&table);
    table.append(1, Point::new(2, 2.0), &mut recycled);
    table.append(2, Point::new(2, 2.0), &mut recycled);
    assert_eq!(read(&view, 1), [Point::new(1, 1.0)]);
    assert_eq!(read(&view, 2), []);
    assert_eq!(read(&MemtableView::new(&table), 1).len(), 2);
}

#[test]
fn pages_are_used_again_and_points_never_straddle_them() {
    let mut recycled = Recycled::default();
    for round in 0..2 {
        let table = Arc::new(Memtable::default());
        let count = PAGE_WORDS as i64;
        for n in 0..count {
            let time = if n % 2 == 0 { n } else { -n };
            assert!(table.append((n % 7) as u32, Point::new(time, n as f64), &mut recycled));
        }
        let view = MemtableView::new(&table);
        let total: usize = (0..7).map(|place| read(&view, place).len()).sum();
        assert_eq!((total as i64, table.len() as i64), (count, count), "round {round}");
        drop(view);
        let before = recycled.pages.len();
        Arc::into_inner(table).unwrap().recycle(&mut recycled);
        assert!(recycled.pages.len() > before);
    }
}

#[test]
fn one_writer_and_a_reader_meet_without_a_lock() {
    let table = Arc::new(Memtable::default());
    let writer = std::thread::spawn({
        let table = Arc::clone(&table);
        move || {
            let mut recycled = Recycled::default();
            (0..200_000).for_each(|n| assert!(table.append(3, Point::new(n, n as f64), &mut recycled)));
        }
    });
    while !writer.is_finished() {
        let points = read(&MemtableView::new(&table), 3);
        let in_order = points.iter().enumerate().all(|(i, point)| *point == Point::new(i as i64, i as f64));
        assert!(in_order, "a reader saw something half written");
    }
    writer.join().unwrap();
    assert_eq!(read(&MemtableView::new(&table), 3).len(), 200_000);
}

#[test]
fn no_more_pages_are_kept_than_a_memtable_needs() {
    let (table, mut recycled) = (Memtable::default(), Recycled::default());
    for time in 0..3 * PAGE_WORDS as i64 {
        assert!(table.append(1, Point::new(time, 1.0), &mut recycled));
    }
    table.recycle(&mut recycled);
    assert_eq!(recycled.pages.len(), 7);
    recycled.shrink(PAGE_WORDS as u64);
    assert_eq!(recycled.pages.len(), 3);
}
