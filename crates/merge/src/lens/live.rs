//! Who is live: a writer whose last point is no stale marker and younger than 5 minutes. As in PromQL's
//! lookback a point of exactly that age is too old.

use std::collections::BTreeSet;
use std::convert::Infallible;

use crdts::{CmRDT, CvRDT};
use shoal_model::limits::LIVE;
use shoal_model::{Point, is_stale};

use super::{Liveness, WriterPoints};
use crate::order;

/// [`LIVE`] on the time axis.
pub(super) const LIVE_MS: i64 = LIVE.as_millis() as i64;

/// A writer's last point, if it is live at a ms; its time in ms.
pub(super) fn last_live(part: &WriterPoints<'_>, at_ms: i64, liveness: Liveness) -> Option<Point> {
    let last = part.last_until(at_ms).filter(|point| !is_stale(point.value))?;
    match liveness {
        Liveness::Young => is_young(last.time, at_ms).then_some(last),
        Liveness::EverSince => Some(last),
    }
}

fn is_young(ms: i64, at_ms: i64) -> bool {
    at_ms.saturating_sub(ms) < LIVE_MS
}

/// The last point of one writer; of two at one time the greater value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latest(Option<Point>);

impl Latest {
    /// The point, or `None` before the first.
    pub fn point(self) -> Option<Point> {
        self.0
    }
}

impl CmRDT for Latest {
    type Op = Point;
    type Validation = Infallible;

    fn validate_op(&self, _point: &Point) -> Result<(), Infallible> {
        Ok(())
    }

    fn apply(&mut self, point: Point) {
        let newer = |held: Point| {
            held.time.cmp(&point.time).then_with(|| order::compare(held.value, point.value)).is_lt()
        };
        if self.0.is_none_or(newer) {
            self.0 = Some(point);
        }
    }
}

impl CvRDT for Latest {
    type Validation = Infallible;

    fn validate_merge(&self, _other: &Self) -> Result<(), Infallible> {
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        other.0.into_iter().for_each(|point| self.apply(point));
    }
}

/// The live writers as time goes on, writers named by their place in the parts.
pub(super) struct LiveWriters {
    last: Vec<Latest>,
    /// (time of the last point, writer) of the live ones: the oldest first, the gauge's choice last.
    by_age: BTreeSet<(i64, usize)>,
}

impl LiveWriters {
    pub(super) fn new(writers: usize) -> Self {
        Self { last: vec![Latest::default(); writers], by_age: BTreeSet::new() }
    }

    /// Takes a writer's next point, and returns the value it had so far if it was live.
    pub(super) fn observe(&mut self, writer: usize, point: Point) -> Option<f64> {
        let before = self.last[writer].point().filter(|held| self.by_age.remove(&(held.time, writer)));
        self.last[writer].apply(point);
        if !is_stale(point.value) {
            self.by_age.insert((point.time, writer));
        }
        before.map(|held| held.value)
    }

    /// Lets one writer go that is no longer young at a ms, and returns its value.
    pub(super) fn pop_aged(&mut self, at_ms: i64) -> Option<f64> {
        let &(ms, writer) = self.by_age.first().filter(|(ms, _)| !is_young(*ms, at_ms))?;
        self.by_age.remove(&(ms, writer));
        self.last[writer].point().map(|point| point.value)
    }

    /// The value of the greatest (time, writer).
    pub(super) fn newest(&self) -> Option<f64> {
        let &(_, writer) = self.by_age.last()?;
        self.last[writer].point().map(|point| point.value)
    }
}
