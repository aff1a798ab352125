//! Reading a million points out of a view, streams that follow one another and streams from everywhere: all streams
//! in one go, as a query does, and stream by stream. The best of five runs.

use shoal_model::{Kind, Point};
use shoal_store::View;

use crate::line;
use crate::meter::Spent;

/// Points of one read.
const POINTS: usize = 1_000_000;
const ROUNDS: usize = 5;

/// Reads from streams that have this many points each.
pub fn read(what: &str, view: &View, places: &[u32], points_each: usize) {
    let count = (POINTS.div_ceil(points_each)).min(places.len());
    let middle = (places.len() - count) / 2;
    let scattered: Vec<u32> = (0..count).map(|index| places[index * (places.len() / count)]).collect();
    for (order, places) in [("consecutive", &places[middle..middle + count]), ("scattered", &scattered)] {
        for (way, read) in [("", together as fn(&View, &[u32]) -> usize), (", one by one", one_by_one)] {
            let best = (0..ROUNDS).map(|_| once(|| read(view, places), places.len() * points_each));
            let best = best.min_by_key(|spent| spent.cpu).expect("some rounds");
            let scale = POINTS as f64 / (places.len() * points_each) as f64;
            line(
                &format!("read 1M points, {order}, {what}{way}"),
                best.cpu.as_secs_f64() * 1e3 * scale,
                "ms",
            );
        }
    }
}

fn once(read: impl FnOnce() -> usize, expected: usize) -> Spent {
    let mut spent = Spent::default();
    assert_eq!(spent.measure(read), expected, "all that was written is read");
    spent
}

fn together(view: &View, places: &[u32]) -> usize {
    let streams: Vec<_> = places.iter().map(|place| (*place, Kind::Sample)).collect();
    let lists = view.read_many(&streams, i64::MIN..=i64::MAX);
    lists.iter().map(|read| read.points.len()).sum()
}

fn one_by_one(view: &View, places: &[u32]) -> usize {
    let (mut points, mut found): (Vec<Point>, usize) = (Vec::new(), 0);
    for place in places {
        points.clear();
        view.read(*place, Kind::Sample, i64::MIN..=i64::MAX, &mut points).expect("a sound disk");
        found += points.len();
    }
    found
}
