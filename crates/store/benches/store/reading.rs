//! Reading a million points, as a query does: stream by stream out of a view, streams that follow one another and
//! streams from everywhere. The best of five runs.

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
        let best = (0..ROUNDS).map(|_| once(view, places, points_each)).min_by_key(|spent| spent.cpu);
        let best = best.expect("some rounds");
        let scale = POINTS as f64 / (places.len() * points_each) as f64;
        line(&format!("read 1M points, {order}, {what}"), best.cpu.as_secs_f64() * 1e3 * scale, "ms");
    }
}

fn once(view: &View, places: &[u32], points_each: usize) -> Spent {
    let mut spent = Spent::default();
    let found = spent.measure(|| {
        let (mut points, mut found): (Vec<Point>, usize) = (Vec::new(), 0);
        for place in places {
            points.clear();
            view.read(*place, Kind::Sample, i64::MIN..=i64::MAX, &mut points).expect("a sound disk");
            found += points.len();
        }
        found
    });
    assert_eq!(found, places.len() * points_each, "all that was written is read");
    spent
}
