//! One stream as a grow-only map from times to values: the replicated value in its plainest form, and the
//! oracle of every store that holds points in a quicker one.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::RangeBounds;

use crdts::{CmRDT, CvRDT};
use shoal_model::Point;

use crate::order;

/// A map from time (on the stream's axis) to value. Union is its join; two values at one time join to the
/// greater, so inserting is idempotent and order does not matter.
#[derive(Clone, Debug, Default)]
pub struct PointMap(BTreeMap<i64, f64>);

impl PointMap {
    /// An empty stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Joins one point in. False means that the map already said at least as much.
    pub fn insert(&mut self, point: Point) -> bool {
        let Some(held) = self.0.get_mut(&point.time) else {
            self.0.insert(point.time, point.value);
            return true;
        };
        let grows = order::compare(*held, point.value).is_lt();
        if grows {
            *held = point.value;
        }
        grows
    }

    /// Joins another copy of the stream in.
    pub fn merge(&mut self, other: &PointMap) {
        self.extend(other.iter());
    }

    /// The value at exactly this time.
    pub fn get(&self, time: i64) -> Option<f64> {
        self.0.get(&time).copied()
    }

    /// All points in order of time.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Point> + '_ {
        self.range(..)
    }

    /// The points with times in the range, in order of time.
    pub fn range(&self, times: impl RangeBounds<i64>) -> impl DoubleEndedIterator<Item = Point> + '_ {
        self.0.range(times).map(|(&time, &value)| Point { time, value })
    }

    /// How many times have a value.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no point.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Equal to the bit: `-0.0` is not `0.0`, and a NaN equals itself.
impl PartialEq for PointMap {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for PointMap {}

impl Extend<Point> for PointMap {
    fn extend<I: IntoIterator<Item = Point>>(&mut self, points: I) {
        points.into_iter().for_each(|point| {
            self.insert(point);
        });
    }
}

impl FromIterator<Point> for PointMap {
    fn from_iter<I: IntoIterator<Item = Point>>(points: I) -> Self {
        let mut map = Self::new();
        map.extend(points);
        map
    }
}

impl CvRDT for PointMap {
    type Validation = Infallible;

    fn validate_merge(&self, _other: &Self) -> Result<(), Infallible> {
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        PointMap::merge(self, &other);
    }
}

impl CmRDT for PointMap {
    type Op = Point;
    type Validation = Infallible;

    fn validate_op(&self, _point: &Point) -> Result<(), Infallible> {
        Ok(())
    }

    fn apply(&mut self, point: Point) {
        self.insert(point);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shoal_model::stale;

    #[test]
    fn a_retry_changes_nothing_and_a_conflict_joins_to_the_greater() {
        let mut map = PointMap::new();
        assert!(map.insert(Point::new(5, 1.0)));
        assert!(!map.insert(Point::new(5, 1.0)));
        assert!(map.insert(Point::new(5, 2.0)));
        assert!(!map.insert(Point::new(5, stale())));
        assert_eq!(map.get(5), Some(2.0));
        assert_eq!(map.len(), 1);
    }

    #[test]
    fn points_come_back_in_order_of_time() {
        let map: PointMap = [7, 3, 5].into_iter().map(|time| Point::new(time, time as f64)).collect();
        assert_eq!(map.iter().map(|point| point.time).collect::<Vec<_>>(), [3, 5, 7]);
        assert_eq!(map.range(4..=5).map(|point| point.time).collect::<Vec<_>>(), [5]);
        assert!(!map.is_empty() && PointMap::new().is_empty());
    }
}
