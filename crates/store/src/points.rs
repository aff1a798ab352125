//! The points of each stream, in memory, sorted by time; two values at one time join to the greater.

use shoal_merge::order;
use shoal_model::Point;

/// What a point did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Joined {
    /// A new time.
    New,
    /// A greater value at a known time, which had this one.
    Raised(f64),
    /// Nothing: the point was known.
    Known,
}

/// The points by place in the catalogue.
#[derive(Default)]
pub struct Points {
    streams: Vec<Vec<Point>>,
    count: u64,
}

impl Points {
    /// Joins a point into a stream.
    pub fn insert(&mut self, place: u32, point: Point) -> Joined {
        let index = place as usize;
        if self.streams.len() <= index {
            self.streams.resize(index + 1, Vec::new());
        }
        let Some(points) = self.streams.get_mut(index) else { return Joined::Known };
        let joined = join(points, point);
        self.count += u64::from(joined == Joined::New);
        joined
    }

    /// A stream's points in order of time.
    pub fn stream(&self, place: u32) -> &[Point] {
        self.streams.get(place as usize).map_or(&[], Vec::as_slice)
    }

    /// How many points there are.
    pub fn count(&self) -> u64 {
        self.count
    }
}

fn join(points: &mut Vec<Point>, point: Point) -> Joined {
    if points.last().is_none_or(|last| last.time < point.time) {
        points.push(point);
        return Joined::New;
    }
    match points.binary_search_by_key(&point.time, |known| known.time) {
        Err(at) => {
            points.insert(at, point);
            Joined::New
        }
        Ok(at) => points.get_mut(at).map_or(Joined::Known, |known| {
            let old = known.value;
            known.value = order::join(old, point.value);
            if known.value.to_bits() == old.to_bits() { Joined::Known } else { Joined::Raised(old) }
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_order_and_duplication_gives_the_same_points(
            mut points in prop::collection::vec((0_i64..20, -3_i32..3), 1..40), cut in 0_usize..40,
        ) {
            let fill = |points: &[(i64, i32)]| {
                let mut store = Points::default();
                points.iter().for_each(|(time, value)| { store.insert(1, Point::new(*time, f64::from(*value))); });
                (store.stream(1).to_vec(), store.count())
            };
            let expected = fill(&points);
            points.extend_from_within(cut.min(points.len())..);
            points.reverse();
            prop_assert_eq!(fill(&points), expected);
        }
    }
}
