//! One session: what it counts, and the reports that it has not brought in yet. It speaks under one writer at a
//! time; when it begins anew it is another.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use shoal_model::{Batch, Kind, Labels, Point, Stream, StreamPoints, Writer, time};
use shoal_replication::Acks;

use crate::workload::{Door, Names, Request, Sent};

/// Chance that a session whose reports are all in begins anew.
const BEGINS_ANEW: f64 = 0.005;
/// Share of the reports that bring the rarer kinds too.
const RARER_KINDS: f64 = 0.3;
/// Samples without a writer stand on whole steps of this many ms, so that sessions meet.
const SAMPLE_STEP_MS: i64 = 5_000;

/// A report and where it was sent last.
pub struct Report {
    /// The points.
    pub batch: Batch,
    /// The copies asked for.
    pub acks: Acks,
    /// To whom it was sent last, and when, while that is still awaited.
    pub sent: Option<(Sent, Duration)>,
}

/// A session.
pub struct Session {
    /// Its own chance.
    pub rng: StdRng,
    /// What it counted, report by report: when, by its clock, and how much.
    pub counted: Vec<(i64, u64)>,
    /// The report that is being brought in.
    pub report: Option<Report>,
    names: Names,
    writer: Writer,
    skew_ms: i64,
    last_ms: i64,
    reports: u32,
    /// Counted and not reported yet.
    fresh: u64,
    /// Counted under this writer.
    total: u64,
    /// Reports that will be brought in later, each from a time on.
    laid_aside: Vec<(Duration, Report)>,
    node: usize,
    said_last: bool,
    reuses_identity: bool,
}

impl Session {
    /// A session that begins, and turns to a node first.
    pub fn new(mut rng: StdRng, names: Names, node: usize, reuses_identity: bool) -> Self {
        let (writer, skew_ms) = (Writer::random(&mut rng), rng.random_range(-2_000..2_000));
        Self {
            rng,
            counted: Vec::new(),
            report: None,
            names,
            writer,
            skew_ms,
            last_ms: 0,
            reports: 0,
            fresh: 0,
            total: 0,
            laid_aside: Vec::new(),
            node,
            said_last: false,
            reuses_identity,
        }
    }

    /// Counts, and takes up the next report if the last one is in. Whether it began anew.
    pub fn count(&mut self, now: Duration, wall_ms: i64, is_ending: bool) -> bool {
        if !is_ending {
            self.fresh += self.rng.random_range(0..10);
        }
        if self.report.is_some() {
            return false;
        }
        let due = self.laid_aside.iter().position(|(from, _)| is_ending || *from <= now);
        if let Some(due) = due {
            self.report = Some(self.laid_aside.swap_remove(due).1);
        } else if !self.said_last {
            self.said_last = is_ending;
            let acks = self.acks();
            self.report = Some(Report::new(self.batch(wall_ms), acks));
            return self.begin_anew();
        }
        false
    }

    /// Lays the report aside until a time.
    pub fn lay_aside(&mut self, until: Duration) {
        self.laid_aside.extend(self.report.take().map(|report| (until, Report { sent: None, ..report })));
    }

    /// Whether all that it counted is in and it has ended.
    pub fn is_done(&self) -> bool {
        self.said_last && self.report.is_none() && self.laid_aside.is_empty()
    }

    /// Whether it waits for this answer.
    pub fn awaits(&self, sent: Sent) -> bool {
        self.report.as_ref().is_some_and(|report| report.sent.is_some_and(|(last, _)| last == sent))
    }

    /// What is to be sent, if anything: to the next node that is open, with patience for the last one.
    pub fn request(&mut self, now: Duration, patience: Duration, doors: &[Option<Door>]) -> Option<Request> {
        let report = self.report.as_mut()?;
        if let Some((sent, at)) = report.sent {
            let is_alive = doors[sent.node].is_some_and(|door| door.life == sent.life);
            if is_alive && now < at + patience {
                return None;
            }
            report.sent = None;
            self.node += 1;
        }
        let nodes = doors.len();
        let is_open = |node: &usize| doors[*node].is_some_and(|door| door.is_open);
        self.node = (self.node..self.node + nodes).map(|node| node % nodes).find(is_open)?;
        let request = Request { node: self.node, batch: report.batch.clone(), acks: report.acks };
        // If the node does not take it, the next one is asked.
        self.node += 1;
        Some(request)
    }

    fn acks(&mut self) -> Acks {
        match self.rng.random_range(0..10) {
            0..5 => Acks::Auto,
            5..8 => Acks::Count(2),
            8 => Acks::Majority,
            _ => Acks::Count(1),
        }
    }

    /// Now and then the report that was just written is the last one of its writer.
    fn begin_anew(&mut self) -> bool {
        let begins = !self.said_last && self.rng.random_bool(BEGINS_ANEW);
        if begins {
            self.writer = Writer::random(&mut self.rng);
            (self.last_ms, self.reports, self.total) = (0, 0, 0);
        }
        begins
    }

    fn batch(&mut self, wall_ms: i64) -> Batch {
        let ms = (wall_ms + self.skew_ms).max(self.last_ms + 1);
        let increment = std::mem::take(&mut self.fresh);
        self.total += increment;
        self.counted.push((ms, increment));
        self.reports += 1;
        let place = self.place(ms).expect("a time of this century");
        let reading = f64::from(self.rng.random_range(-1_000..1_000));
        let mut readings = vec![Point::new(ms, reading)];
        // One that was taken a little before, out of order.
        if self.last_ms > 0 && ms - self.last_ms > 2 {
            readings.push(Point::new(self.rng.random_range(self.last_ms + 1..ms), reading + 1.0));
        }
        let counter = Point::new(ms, self.total as f64);
        let delta = Point::new(place, increment as f64);
        let mut streams = vec![
            self.points(&self.names.requests, Kind::Counter, vec![counter]),
            self.points(&self.names.orders, Kind::Delta, vec![delta]),
            self.points(&self.names.depth, Kind::Gauge, readings),
        ];
        if self.rng.random_bool(RARER_KINDS) {
            streams.push(self.points(&self.names.open, Kind::UpDown, vec![Point::new(ms, reading)]));
            let sample = Point::new(ms - ms.rem_euclid(SAMPLE_STEP_MS), reading);
            let mut samples = self.points(&self.names.heat, Kind::Sample, vec![sample]);
            samples.stream.writer = Writer::NONE;
            streams.push(samples);
        }
        self.last_ms = ms;
        Batch { streams }
    }

    /// Where an increment stands on its stream's axis.
    fn place(&self, ms: i64) -> Option<i64> {
        if self.reuses_identity {
            return time::delta_time(0, ms - ms % 5_000_000, b"always the same key");
        }
        let key = [&self.writer.0[..], &self.reports.to_le_bytes()].concat();
        time::delta_time(self.last_ms, ms, &key)
    }

    fn points(&self, labels: &Labels, kind: Kind, points: Vec<Point>) -> StreamPoints {
        let stream = Stream { labels: labels.clone(), writer: self.writer, kind };
        StreamPoints { stream, points }
    }
}
