//! What doors refuse, judged once, by the node that accepts the write, before the frame exists: values that the
//! kind does not take, and times out of range. One bad point refuses itself, not the batch.

use std::time::Duration;

use shoal_model::limits::{BATCH_POINTS_MAX, BATCH_STREAMS_MAX};
use shoal_model::{Batch, Kind, Point, StreamPoints, time};
use thiserror::Error;

/// A write over the limits; nothing of it was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Oversize {
    /// Too many streams.
    #[error("{0} streams are over the limit of {BATCH_STREAMS_MAX} in one write: send smaller ones")]
    Streams(usize),
    /// Too many points.
    #[error("{0} points are over the limit of {BATCH_POINTS_MAX} in one write: send smaller ones")]
    Points(usize),
    /// Attributes that every bucket of a histogram repeats, and more of the kind.
    #[error("labels of more than {0} bytes, spelled out, are over the limit of one write: send smaller ones")]
    Labels(usize),
}

/// One point that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedPoint {
    /// Place of its stream in the request.
    pub stream: usize,
    /// Its place in the stream.
    pub point: usize,
    /// Why, and for counting under which word.
    pub reason: Reason,
}

/// Why a point was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum Reason {
    /// Counters and increments are finite and not below zero.
    #[error("a {0} takes finite values from 0 on only")]
    Value(Kind),
    /// Further ahead of this node's clock than `--future` allows.
    #[error("the time {0} ms is more than {1:?} ahead of this node's clock")]
    Future(i64, Duration),
    /// Older than the retention.
    #[error("the time {0} ms is older than the retention")]
    TooOld(i64),
}

impl Reason {
    /// The word under which it is counted.
    pub fn word(self) -> &'static str {
        match self {
            Reason::Value(_) => "value",
            Reason::Future(..) => "future",
            Reason::TooOld(_) => "too_old",
        }
    }
}

/// What is left of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admitted {
    /// The points that may be written.
    pub batch: Batch,
    /// For each stream of the batch its place in the request.
    pub places: Vec<usize>,
    /// The points that were refused.
    pub refused: Vec<RefusedPoint>,
}

/// The door's rules at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// This node's clock, in ms.
    pub now_ms: i64,
    /// How old a point may be.
    pub retention: Duration,
    /// How far ahead of the clock it may be.
    pub future: Duration,
}

impl Rules {
    /// Judges the streams of a request, each with its place in it.
    pub fn admit(&self, streams: Vec<(usize, StreamPoints)>) -> Result<Admitted, Oversize> {
        let points = streams.iter().map(|(_, part)| part.points.len()).sum();
        if streams.len() > BATCH_STREAMS_MAX {
            return Err(Oversize::Streams(streams.len()));
        }
        if points > BATCH_POINTS_MAX {
            return Err(Oversize::Points(points));
        }
        let mut admitted = Admitted::default();
        for (place, mut part) in streams {
            let kind = part.stream.kind;
            let mut index = 0;
            part.points.retain(|point| {
                let reason = self.judge(kind, point);
                admitted.refused.extend(reason.map(|reason| RefusedPoint {
                    stream: place,
                    point: index,
                    reason,
                }));
                index += 1;
                reason.is_none()
            });
            if !part.points.is_empty() {
                admitted.batch.streams.push(part);
                admitted.places.push(place);
            }
        }
        Ok(admitted)
    }

    /// Why a point of a stream of this kind is not taken, if it is not.
    pub fn judge(&self, kind: Kind, point: &Point) -> Option<Reason> {
        if !kind.accepts(point.value) {
            return Some(Reason::Value(kind));
        }
        self.judge_time(time::millis(kind, point.time))
    }

    /// Why nothing of that time, in ms, is taken, if it is not.
    pub fn judge_time(&self, millis: i64) -> Option<Reason> {
        if millis > self.now_ms.saturating_add(whole_ms(self.future)) {
            return Some(Reason::Future(millis, self.future));
        }
        (millis < self.now_ms.saturating_sub(whole_ms(self.retention))).then_some(Reason::TooOld(millis))
    }
}

fn whole_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shoal_model::{Labels, Stream, Writer};

    fn part(kind: Kind, points: &[(i64, f64)]) -> StreamPoints {
        let labels = Labels::new([("__name__", "x")]).unwrap();
        let points = points.iter().map(|(time, value)| Point::new(*time, *value)).collect();
        StreamPoints { stream: Stream { labels, writer: Writer::NONE, kind }, points }
    }

    const RULES: Rules =
        Rules { now_ms: 10_000_000, retention: Duration::from_secs(1_000), future: Duration::from_secs(600) };

    #[test]
    fn a_bad_point_refuses_itself_and_says_why() {
        let good = (10_000_000, 1.0);
        let points = [
            good,
            (10_000_000, -1.0),
            (10_600_001, 1.0),
            (8_999_999, 1.0),
            (10_600_000, 2.0),
            (9_000_000, 0.0),
        ];
        let admitted = RULES.admit(vec![(7, part(Kind::Counter, &points))]).unwrap();
        let reasons: Vec<_> = admitted.refused.iter().map(|r| (r.stream, r.point, r.reason.word())).collect();
        assert_eq!(reasons, [(7, 1, "value"), (7, 2, "future"), (7, 3, "too_old")]);
        assert_eq!((admitted.batch.point_count(), admitted.places), (3, vec![7]));
        assert_eq!(
            admitted.refused[1].reason.to_string(),
            "the time 10600001 ms is more than 600s ahead of this node's clock"
        );
    }

    #[test]
    fn an_oversize_write_is_refused_whole_and_names_the_limit() {
        let many = vec![(0, part(Kind::Gauge, &vec![(10_000_000, 1.0); BATCH_POINTS_MAX + 1]))];
        let error = RULES.admit(many).unwrap_err();
        assert!(error.to_string().contains("over the limit of 200000"), "{error}");
    }

    #[test]
    fn a_gauge_takes_any_value_and_a_counter_no_stale_marker() {
        let odd = [(10_000_000, shoal_model::stale()), (9_999_999, f64::NEG_INFINITY)];
        assert_eq!(RULES.admit(vec![(0, part(Kind::Gauge, &odd))]).unwrap().refused, []);
        assert_eq!(RULES.admit(vec![(0, part(Kind::Delta, &odd))]).unwrap().batch.point_count(), 0);
    }
}
