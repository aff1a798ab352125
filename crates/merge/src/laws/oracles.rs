//! The lenses against `crdts`' own types: the counter lens is a `GCounter`, the updown lens a `PNCounter`,
//! the gauge lens an `LWWReg` whose markers are unique. Two replicas take operations apart, then join.

use crdts::{GCounter, LWWReg, PNCounter};

use super::*;

/// One operation: who, by how much, and which of two replicas takes it.
type Step = (Writer, i8, bool);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((writer(), any::<i8>(), any::<bool>()), 0..30)
}

/// What `value_at` reads at the end of time, as a decimal number; the empty sum of the oracles is 0.
fn total(replica: &Replica, at: i64) -> String {
    replica.read(|parts| lens::last(parts, at)).map_or("0".to_owned(), |point| point.value.to_string())
}

fn joined<T: CvRDT + Clone>(pair: &[T; 2]) -> T {
    let mut joined = pair[0].clone();
    joined.merge(pair[1].clone());
    joined
}

/// A writer reports its running totals, its own memory being what a session is.
fn report(memory: &mut BTreeMap<Writer, i64>, writer: Writer, step: i64) -> f64 {
    let total = memory.entry(writer).or_default();
    *total += step;
    *total as f64
}

proptest! {
    #[test]
    fn the_counter_lens_is_a_gcounter(steps in steps()) {
        let mut oracles = [GCounter::new(), GCounter::new()];
        let (mut replicas, mut sessions) = ([Replica::default(), Replica::default()], BTreeMap::new());
        for (time, (writer, step, second)) in steps.into_iter().enumerate() {
            let step = step.unsigned_abs();
            // The writer's own state is the join, as a session that fails over knows all it counted.
            let operation = joined(&oracles).inc_many(writer, u64::from(step));
            oracles[usize::from(second)].apply(operation);
            let point = Point::new(time as i64, report(&mut sessions, writer, i64::from(step)));
            replicas[usize::from(second)].insert(writer, Kind::Counter, point);
            for (oracle, replica) in oracles.iter().zip(&replicas) {
                prop_assert_eq!(total(replica, time as i64), oracle.read().to_string());
            }
            prop_assert_eq!(total(&joined(&replicas), time as i64), joined(&oracles).read().to_string());
        }
    }

    #[test]
    fn the_updown_lens_is_a_pncounter(steps in steps()) {
        let mut oracle = PNCounter::new();
        let (mut replicas, mut sessions) = ([Replica::default(), Replica::default()], BTreeMap::new());
        for (time, (writer, step, second)) in steps.into_iter().enumerate() {
            let size = u64::from(step.unsigned_abs());
            oracle.apply(if step < 0 { oracle.dec_many(writer, size) } else { oracle.inc_many(writer, size) });
            let point = Point::new(time as i64, report(&mut sessions, writer, i64::from(step)));
            replicas[usize::from(second)].insert(writer, Kind::UpDown, point);
            prop_assert_eq!(total(&joined(&replicas), time as i64), oracle.read().to_string());
        }
    }

    #[test]
    fn the_gauge_lens_is_a_register_with_unique_markers(
        points in prop::collection::btree_map((0..9i64, writer()), 0..9u8, 1..20),
        split: u32,
    ) {
        let start = LWWReg { val: 0, marker: (-1, Writer::NONE) };
        let mut oracles = [start.clone(), start];
        let mut replicas = [Replica::default(), Replica::default()];
        for (i, (marker, val)) in points.into_iter().rev().enumerate() {
            let side = (split >> i & 1) as usize;
            let write = LWWReg { val, marker };
            prop_assert!(oracles[side].validate_op(&write).is_ok());
            oracles[side].apply(write);
            replicas[side].insert(marker.1, Kind::Gauge, Point::new(marker.0, f64::from(val)));
        }
        let read = joined(&replicas).read(|parts| lens::value_at(parts, 9));
        let oracle = joined(&oracles);
        prop_assert_eq!(read, Some(Point::new(oracle.marker.0, f64::from(oracle.val))));
    }
}
