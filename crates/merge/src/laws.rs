//! One suite of laws for every replicated type: joining is commutative, associative and idempotent, it only
//! grows, and applying an operation is joining the state that holds it alone. Beside it, in `oracles`, stand
//! the lenses against the counters and registers of the `crdts` crate.

mod oracles;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Debug;

use crdts::{CmRDT, CvRDT, Dot};
use proptest::array::uniform3;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use shoal_model::{Kind, Origin, Point, Writer, stale};

use crate::{Frontier, Greatest, Latest, PointMap, WriterPoints, lens, order};

/// The laws of a join-semilattice with an order `below` that is stated apart from the join.
fn check_join<T>(states: [T; 3], below: impl Fn(&T, &T) -> bool) -> Result<(), TestCaseError>
where
    T: CvRDT + Clone + PartialEq + Debug,
{
    let [a, b, c] = &states;
    let join = |x: &T, y: &T| {
        let mut joined = x.clone();
        assert!(joined.validate_merge(y).is_ok(), "any two states may be joined");
        joined.merge(y.clone());
        joined
    };
    prop_assert_eq!(join(a, b), join(b, a), "commutative");
    prop_assert_eq!(join(&join(a, b), c), join(a, &join(b, c)), "associative");
    prop_assert_eq!(&join(a, a), a, "idempotent");
    prop_assert!(below(a, &join(a, b)) && below(b, &join(a, b)), "monotone");
    prop_assert_eq!(&join(a, b) == b, below(a, b), "the join's order is the stated one");
    Ok(())
}

/// Applying operations, in the given order, is joining the states that hold one each.
fn check_operations<T, Op>(operations: &[Op], alone: impl Fn(&Op) -> T) -> Result<(), TestCaseError>
where
    T: CvRDT + CmRDT<Op = Op> + Default + PartialEq + Debug,
    Op: Clone,
{
    let (mut applied, mut joined) = (T::default(), T::default());
    for operation in operations {
        prop_assert!(applied.validate_op(operation).is_ok());
        for _ in 0..2 {
            applied.apply(operation.clone());
        }
        joined.merge(alone(operation));
        prop_assert_eq!(&applied, &joined);
    }
    Ok(())
}

/// All streams of one series as one replica holds them: the product of its point maps.
#[derive(Clone, Debug, Default, PartialEq)]
struct Replica(BTreeMap<(Writer, Kind), PointMap>);

impl Replica {
    fn insert(&mut self, writer: Writer, kind: Kind, point: Point) {
        self.0.entry((writer, kind)).or_default().insert(point);
    }

    /// Reads through the lens.
    fn read<R>(&self, read: impl Fn(&[WriterPoints<'_>]) -> R) -> R {
        let streams: Vec<_> =
            self.0.iter().map(|(key, map)| (*key, map.iter().collect::<Vec<_>>())).collect();
        let parts = streams.iter().map(|((writer, kind), points)| WriterPoints {
            writer: *writer,
            kind: *kind,
            points,
        });
        read(&parts.collect::<Vec<_>>())
    }
}

impl CvRDT for Replica {
    type Validation = Infallible;

    fn validate_merge(&self, _other: &Self) -> Result<(), Infallible> {
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        for (key, map) in other.0 {
            PointMap::merge(self.0.entry(key).or_default(), &map);
        }
    }
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        (0..4u8).prop_map(f64::from),
        prop::sample::select(vec![stale(), f64::NAN, -f64::NAN, 0.0, -0.0, f64::INFINITY]),
    ]
}

/// Few times, so that conflicts are common.
fn point() -> impl Strategy<Value = Point> {
    (0..6i64, value()).prop_map(|(time, value)| Point { time, value })
}

fn writer() -> impl Strategy<Value = Writer> {
    (0..3u8).prop_map(|name| Writer([name; 16]))
}

fn points() -> impl Strategy<Value = PointMap> {
    prop::collection::vec(point(), 0..8).prop_map(PointMap::from_iter)
}

fn greatest() -> impl Strategy<Value = Greatest> {
    prop::collection::vec(value(), 0..3).prop_map(|values| all_applied(&values))
}

fn latest() -> impl Strategy<Value = Latest> {
    prop::collection::vec(point(), 0..3).prop_map(|points| all_applied(&points))
}

fn frontier() -> impl Strategy<Value = Frontier> {
    prop::collection::vec((0..4u8, 0..5u64), 0..5).prop_map(|entries| {
        Frontier::from_entries(entries.into_iter().map(|(name, seq)| (Origin([name; 16]), seq)))
    })
}

fn replica(kinds: &'static [Kind]) -> impl Strategy<Value = Replica> {
    let key = (writer(), prop::sample::select(kinds));
    prop::collection::btree_map(key, points(), 0..4).prop_map(Replica)
}

fn all_applied<T: CmRDT + Default>(operations: &[T::Op]) -> T
where
    T::Op: Clone,
{
    let mut state = T::default();
    operations.iter().for_each(|operation| state.apply(operation.clone()));
    state
}

fn points_below(a: &PointMap, b: &PointMap) -> bool {
    a.iter().all(|point| b.get(point.time).is_some_and(|value| order::compare(point.value, value).is_le()))
}

fn greatest_below(a: &Greatest, b: &Greatest) -> bool {
    a.value().is_none_or(|a| b.value().is_some_and(|b| order::compare(a, b).is_le()))
}

fn latest_below(a: &Latest, b: &Latest) -> bool {
    let not_after =
        |a: Point, b: Point| a.time < b.time || a.time == b.time && order::compare(a.value, b.value).is_le();
    a.point().is_none_or(|a| b.point().is_some_and(|b| not_after(a, b)))
}

fn replica_below(a: &Replica, b: &Replica) -> bool {
    let none = PointMap::new();
    a.0.iter().all(|(key, map)| b.0.contains_key(key) && points_below(map, b.0.get(key).unwrap_or(&none)))
}

proptest! {
    #[test]
    fn a_point_map_obeys_the_laws(states in uniform3(points())) {
        check_join(states, points_below)?;
    }

    #[test]
    fn a_frontier_obeys_the_laws(states in uniform3(frontier())) {
        check_join(states, |a, b| b.covers(a))?;
    }

    #[test]
    fn a_counters_state_obeys_the_laws(states in uniform3(greatest())) {
        check_join(states, greatest_below)?;
    }

    #[test]
    fn the_state_of_an_updown_or_a_gauge_obeys_the_laws(states in uniform3(latest())) {
        check_join(states, latest_below)?;
    }

    #[test]
    fn the_streams_of_a_series_obey_the_laws(states in uniform3(replica(&[Kind::Counter, Kind::Delta]))) {
        check_join(states, replica_below)?;
    }

    #[test]
    fn operations_are_small_states(
        points in prop::collection::vec(point(), 0..9),
        values in prop::collection::vec(value(), 0..9),
    ) {
        check_operations::<PointMap, _>(&points, |point| PointMap::from_iter([*point]))?;
        check_operations::<Latest, _>(&points, |point| all_applied(&[*point]))?;
        check_operations::<Greatest, _>(&values, |value| all_applied(&[*value]))?;
    }

    #[test]
    fn frames_in_order_are_small_frontiers(origins in prop::collection::vec(0..3u8, 0..12)) {
        let mut seen = Frontier::new();
        let frames: Vec<Dot<Origin>> = origins.into_iter().map(|name| {
            let dot = Dot::new(Origin([name; 16]), seen.get(Origin([name; 16])) + 1);
            seen.apply(dot);
            dot
        }).collect();
        check_operations::<Frontier, _>(&frames, |dot| Frontier::from_entries([(dot.actor, dot.counter)]))?;
    }

    #[test]
    fn readings_do_not_depend_on_the_way_the_points_came(
        (kind, all) in prop::sample::select(&Kind::ALL[..]).prop_flat_map(|kind| {
            (Just(kind), prop::collection::vec((writer(), point(), 1..4u8), 0..12))
        })
    ) {
        // Each point goes to the first, the second or both replicas, and both then join.
        let (mut left, mut right, mut straight) = (Replica::default(), Replica::default(), Replica::default());
        for (writer, point, to) in &all {
            straight.insert(*writer, kind, *point);
            if to & 1 != 0 { left.insert(*writer, kind, *point) }
        }
        for (writer, point, _) in all.iter().rev().filter(|(_, _, to)| to & 2 != 0) {
            right.insert(*writer, kind, *point);
        }
        let from_left = left.clone();
        left.merge(right.clone());
        right.merge(from_left);
        let merged = straight.read(|parts| lens::merge(parts, i64::MIN..=i64::MAX));
        prop_assert_eq!(&left.read(|parts| lens::merge(parts, i64::MIN..=i64::MAX)), &merged);
        prop_assert_eq!(&right.read(|parts| lens::merge(parts, i64::MIN..=i64::MAX)), &merged);
    }
}
