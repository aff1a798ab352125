//! What is held of one StatsD metric between two seconds, and the points that it comes to. Counters and
//! histograms only grow and are one writer's part of a series that adds up over the nodes; gauges and sets
//! stand for this node alone.

use std::collections::HashSet;

use shoal_model::{Kind, Labels, Point, Stream, StreamPoints, Writer};

use super::line::{Line, LineError, Sort, number};

/// How often a total that does not move is written again, so that reads still see it.
const REPEAT_MS: i64 = 60_000;
/// Over how long the members of a set are counted.
const SET_WINDOW_MS: i64 = 10_000;
/// Members of one set in one window: each costs a word of memory.
const SET_MEMBERS_MAX: usize = 100_000;

/// One metric of this node.
pub(super) struct Slot {
    /// Its series: one, or those of a histogram.
    series: Vec<Labels>,
    writer: Writer,
    held: Held,
    /// When the last line came, in ms.
    touched_ms: i64,
    is_changed: bool,
    written_ms: Option<i64>,
}

enum Held {
    Counter(f64),
    Gauge(f64),
    /// How many observations fell into each bucket alone, and their sum.
    Histogram {
        counts: Vec<f64>,
        sum: f64,
    },
    Set {
        members: HashSet<u64>,
        counted: usize,
    },
}

impl Slot {
    /// An empty one; `series` has the buckets of a histogram, its sum and its count.
    pub(super) fn new(sort: Sort, series: Vec<Labels>, writer: Writer, now_ms: i64) -> Self {
        let held = match sort {
            Sort::Counter => Held::Counter(0.0),
            Sort::Gauge => Held::Gauge(0.0),
            Sort::Timer | Sort::Histogram => {
                Held::Histogram { counts: vec![0.0; series.len().saturating_sub(2)], sum: 0.0 }
            }
            Sort::Set => Held::Set { members: HashSet::new(), counted: 0 },
        };
        Self { series, writer, held, touched_ms: now_ms, is_changed: false, written_ms: None }
    }

    /// Whether lines of this sort are taken here.
    pub(super) fn fits(&self, sort: Sort) -> bool {
        match self.held {
            Held::Counter(_) => sort == Sort::Counter,
            Held::Gauge(_) => sort == Sort::Gauge,
            Held::Histogram { .. } => matches!(sort, Sort::Timer | Sort::Histogram),
            Held::Set { .. } => sort == Sort::Set,
        }
    }

    /// How many series it has.
    pub(super) fn series_count(&self) -> usize {
        self.series.len()
    }

    /// Whether a line came since then.
    pub(super) fn is_touched_since(&self, ms: i64) -> bool {
        self.touched_ms >= ms
    }

    /// Takes a line's values in; gives how many it had, and the first error with how many were refused.
    pub(super) fn take(
        &mut self,
        line: &Line,
        bounds: &[f64],
        now_ms: i64,
    ) -> (u64, Option<(LineError, u64)>) {
        let (mut taken, mut refused) = (0, None);
        for value in line.values.split(|byte| *byte == b':') {
            match self.held.take(line, value, bounds) {
                Ok(()) => taken += 1,
                Err(error) => refused.get_or_insert((error, 0)).1 += 1,
            }
        }
        if taken > 0 {
            (self.touched_ms, self.is_changed) = (now_ms, true);
        }
        (taken, refused)
    }

    /// Adds what is to be written at `now_ms`, a whole second later than the last time.
    pub(super) fn flush(&mut self, now_ms: i64, out: &mut Vec<StreamPoints>) {
        if let Held::Set { members, counted } = &mut self.held
            && now_ms.rem_euclid(SET_WINDOW_MS) == 0
        {
            self.is_changed = self.written_ms.is_none() || *counted != members.len();
            *counted = members.len();
            members.clear();
        }
        let is_open = matches!(self.held, Held::Set { .. }) && now_ms.rem_euclid(SET_WINDOW_MS) != 0;
        let is_due = self.written_ms.is_some_and(|written| now_ms - written >= REPEAT_MS);
        if is_open || !(self.is_changed || is_due) {
            return;
        }
        match &self.held {
            Held::Counter(total) => self.put(0, Kind::Counter, *total, now_ms, out),
            Held::Gauge(value) => self.put(0, Kind::Gauge, *value, now_ms, out),
            Held::Set { counted, .. } => self.put(0, Kind::Gauge, *counted as f64, now_ms, out),
            Held::Histogram { counts, sum } => {
                let mut below = 0.0;
                for (place, count) in counts.iter().enumerate() {
                    below += count;
                    self.put(place, Kind::Counter, below, now_ms, out);
                }
                self.put(counts.len(), Kind::Counter, *sum, now_ms, out);
                self.put(counts.len() + 1, Kind::Counter, below, now_ms, out);
            }
        }
        (self.is_changed, self.written_ms) = (false, Some(now_ms));
    }

    /// A writer's first total is preceded by a zero, so that a rate sees it too.
    fn put(&self, place: usize, kind: Kind, value: f64, now_ms: i64, out: &mut Vec<StreamPoints>) {
        let Some(labels) = self.series.get(place).cloned() else { return };
        let writer = if kind == Kind::Counter { self.writer } else { Writer::NONE };
        let mut points = Vec::with_capacity(2);
        if kind == Kind::Counter && self.written_ms.is_none() {
            points.push(Point::new(now_ms - 1_000, 0.0));
        }
        points.push(Point::new(now_ms, value));
        out.push(StreamPoints { stream: Stream { labels, writer, kind }, points });
    }
}

impl Held {
    fn take(&mut self, line: &Line, value: &[u8], bounds: &[f64]) -> Result<(), LineError> {
        match self {
            Held::Counter(total) => grow(total, amount(value)? * line.weight),
            Held::Histogram { counts, sum } => {
                let unit = if line.sort == Sort::Timer { 1e-3 } else { 1.0 };
                let value = amount(value)? * unit;
                grow(sum, value * line.weight)?;
                counts[bounds.partition_point(|bound| *bound < value)] += line.weight;
                Ok(())
            }
            Held::Gauge(held) => {
                let is_step = matches!(value.first(), Some(b'+' | b'-'));
                let next = number(value).ok_or(LineError::Value)? + if is_step { *held } else { 0.0 };
                *held = Some(next).filter(|next| next.is_finite()).ok_or(LineError::Value)?;
                Ok(())
            }
            Held::Set { members, .. } => {
                if value.is_empty() {
                    return Err(LineError::Value);
                }
                let hash = blake3::hash(value);
                let member = hash.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
                if members.len() >= SET_MEMBERS_MAX && !members.contains(&member) {
                    return Err(LineError::SetLimit);
                }
                members.insert(member);
                Ok(())
            }
        }
    }
}

fn amount(value: &[u8]) -> Result<f64, LineError> {
    number(value).filter(|value| *value >= 0.0).ok_or(LineError::Value)
}

fn grow(total: &mut f64, by: f64) -> Result<(), LineError> {
    let next = *total + by;
    if !next.is_finite() {
        return Err(LineError::Value);
    }
    *total = next;
    Ok(())
}
