//! What a session counts and what of it is due. Pure: given the clock and the process, it stamps the points
//! that a flush sends, and is told which were acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::rngs::OsRng;
use rand::{RngCore, TryRngCore};
use shoal_model::{Kind, Labels, Point, Stream, StreamPoints, Writer};

use super::instrument::Cell;
use crate::limits::REPEAT;

/// The streams of one writer.
#[derive(Debug)]
pub(super) struct Ledger {
    writer: Writer,
    process: u32,
    streams: BTreeMap<(Labels, Kind), Entry>,
    streams_max: usize,
    refused: u64,
}

#[derive(Debug)]
struct Entry {
    cell: Arc<Cell>,
    /// What a former writer of this memory has counted: the part of a forked process before the fork.
    base: f64,
    /// What the memory held when a point was last stamped.
    seen: f64,
    /// When a point was last stamped, sent or not.
    stamped: Option<i64>,
    /// The last point that a node acknowledged.
    acknowledged: Option<Point>,
}

/// Where writers are drawn from: the operating system's own randomness, which a fork does not repeat.
pub(super) fn entropy() -> impl RngCore {
    OsRng.unwrap_err()
}

impl Ledger {
    pub(super) fn new(writer: Writer, process: u32, streams_max: usize) -> Self {
        Self { writer, process, streams: BTreeMap::new(), streams_max, refused: 0 }
    }

    /// The memory of a stream; where the ledger is full, memory that is never sent.
    pub(super) fn open(&mut self, labels: Labels, kind: Kind) -> Arc<Cell> {
        let key = (labels, kind);
        if let Some(entry) = self.streams.get(&key) {
            return entry.cell.clone();
        }
        if self.streams.len() >= self.streams_max {
            return self.refuse(kind);
        }
        let cell = new_cell(kind);
        let entry = Entry { cell: cell.clone(), base: 0.0, seen: 0.0, stamped: None, acknowledged: None };
        self.streams.insert(key, entry);
        cell
    }

    /// Memory that is never sent.
    pub(super) fn refuse(&mut self, kind: Kind) -> Arc<Cell> {
        if self.refused == 0 {
            tracing::warn!(
                streams_max = self.streams_max,
                "the session does not send all of its instruments"
            );
        }
        self.refused += 1;
        new_cell(kind)
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// The points to send at `now_ms` by process `process`, one for each stream that changed or that is to be
    /// repeated. Times grow strictly within a stream, whatever the clock does.
    pub(super) fn due(&mut self, now_ms: i64, process: u32) -> Vec<StreamPoints> {
        if process != self.process {
            self.begin_anew(process);
        }
        let writer = self.writer;
        let stamp = |((labels, kind), entry): (&(Labels, Kind), &mut Entry)| {
            let point = entry.stamp(now_ms)?;
            let stream = Stream { labels: labels.clone(), writer, kind: *kind };
            Some(StreamPoints { stream, points: vec![point] })
        };
        self.streams.iter_mut().filter_map(stamp).collect()
    }

    /// The nodes have these points, which [`Ledger::due`] gave.
    pub(super) fn acknowledged(&mut self, sent: &[StreamPoints]) {
        for part in sent.iter().filter(|part| part.stream.writer == self.writer) {
            let key = (part.stream.labels.clone(), part.stream.kind);
            if let (Some(entry), Some(point)) = (self.streams.get_mut(&key), part.points.last()) {
                entry.acknowledged = Some(*point);
            }
        }
    }

    /// This is a fork: the parent goes on under the old name with what it has sent, so this process counts
    /// from there under a new one.
    fn begin_anew(&mut self, process: u32) {
        self.process = process;
        self.writer = Writer::random(&mut entropy());
        for ((_, kind), entry) in &mut self.streams {
            entry.acknowledged = None;
            if *kind != Kind::Gauge {
                entry.base = entry.seen;
            }
        }
    }
}

impl Entry {
    fn stamp(&mut self, now_ms: i64) -> Option<Point> {
        let held = self.cell.value()?;
        let value = held - self.base;
        if self.acknowledged.is_some_and(|known| is_same(known, value, now_ms)) {
            return None;
        }
        let time = self.stamped.map_or(now_ms, |last| now_ms.max(last + 1));
        (self.seen, self.stamped) = (held, Some(time));
        Some(Point::new(time, value))
    }
}

fn is_same(known: Point, value: f64, now_ms: i64) -> bool {
    let recent = u128::from(now_ms.saturating_sub(known.time).unsigned_abs()) < REPEAT.as_millis();
    known.value.to_bits() == value.to_bits() && recent
}

fn new_cell(kind: Kind) -> Arc<Cell> {
    Arc::new(match kind {
        Kind::Gauge | Kind::Sample => Cell::unset(),
        Kind::Counter | Kind::UpDown | Kind::Delta => Cell::zero(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::instrument::{Counter, Gauge};
    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    fn ledger() -> Ledger {
        Ledger::new(Writer([1; 16]), 7, 3)
    }

    fn labels(name: &str) -> Labels {
        Labels::new([("__name__", name)]).unwrap()
    }

    fn points(due: &[StreamPoints]) -> Vec<(i64, f64)> {
        due.iter().flat_map(|part| &part.points).map(|point| (point.time - NOW, point.value)).collect()
    }

    #[test]
    fn times_grow_strictly_within_a_millisecond_and_when_the_clock_falls() {
        let mut ledger = ledger();
        let counter = Counter(ledger.open(labels("a"), Kind::Counter));
        for (now, expected) in [(NOW, 0), (NOW, 1), (NOW - 9, 2), (NOW + 9, 9)] {
            counter.add(1.0);
            assert_eq!(points(&ledger.due(now, 7))[0].0, expected);
        }
    }

    #[test]
    fn an_unchanged_value_is_sent_once_a_minute() {
        let mut ledger = ledger();
        ledger.open(labels("a"), Kind::Counter);
        let mut sent = |now| {
            let due = ledger.due(now, 7);
            ledger.acknowledged(&due);
            due.len()
        };
        assert_eq!([sent(NOW), sent(NOW + 10_000), sent(NOW + 59_999)], [1, 0, 0]);
        assert_eq!([sent(NOW + 60_000), sent(NOW + 60_001)], [1, 0]);
    }

    #[test]
    fn what_was_not_acknowledged_is_due_again_with_the_newest_total_only() {
        let mut ledger = ledger();
        let counter = Counter(ledger.open(labels("a"), Kind::Counter));
        counter.add(1.0);
        assert_eq!(points(&ledger.due(NOW, 7)), [(0, 1.0)]);
        assert_eq!(points(&ledger.due(NOW + 1, 7)), [(1, 1.0)]);
        counter.add(2.0);
        assert_eq!(points(&ledger.due(NOW + 2, 7)), [(2, 3.0)]);
    }

    #[test]
    fn a_fork_is_a_new_writer_that_leaves_out_what_its_parent_sent() {
        let mut ledger = ledger();
        let counter = Counter(ledger.open(labels("a"), Kind::Counter));
        let gauge = Gauge(ledger.open(labels("b"), Kind::Gauge));
        counter.add(5.0);
        gauge.set(5.0);
        let parents = ledger.due(NOW, 7);
        counter.add(1.0);
        let childs = ledger.due(NOW + 1, 8);
        assert_eq!(points(&childs), [(1, 1.0), (1, 5.0)]);
        let writer = childs[0].stream.writer;
        assert!(writer != Writer([1; 16]) && writer != Writer::NONE);
        assert!(childs.iter().all(|part| part.stream.writer == writer));
        ledger.acknowledged(&parents);
        assert_eq!(ledger.due(NOW + 2, 8).len(), 2, "the parent's points are not the child's");
        assert_eq!(ledger.due(NOW + 2, 8)[0].stream.writer, writer);
    }

    #[test]
    fn a_full_ledger_refuses_new_streams_and_keeps_the_old() {
        let mut ledger = ledger();
        for name in ["a", "b", "c", "d", "e", "a"] {
            Counter(ledger.open(labels(name), Kind::Counter)).add(1.0);
        }
        assert_eq!(ledger.refused(), 2);
        assert_eq!(points(&ledger.due(NOW, 7)), [(0, 2.0), (0, 1.0), (0, 1.0)]);
    }

    #[test]
    fn a_gauge_is_due_from_its_first_reading_on() {
        let mut ledger = ledger();
        let gauge = Gauge(ledger.open(labels("a"), Kind::Gauge));
        assert_eq!(ledger.due(NOW, 7), []);
        gauge.set(4.0);
        assert_eq!(points(&ledger.due(NOW, 7)), [(0, 4.0)]);
    }
}
