//! Sessions: each counts, and reports cumulative counters, increments and a reading under its own identity. A
//! report is sent until it is acknowledged, with the same points, to whichever node takes it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use shoal_model::{Batch, Kind, Labels, Point, Stream, StreamPoints, Writer, time};
use shoal_replication::{Acks, Ticket};

use crate::seed::generator;

/// The counter that all sessions share.
pub const REQUESTS: &str = r#"requests_total{job="shop"}"#;
/// The increments that all sessions share.
pub const ORDERS: &str = r#"orders_total{job="shop"}"#;
/// The reading that all sessions share.
pub const DEPTH: &str = r#"queue_depth{job="shop"}"#;

/// Wall time at the world's beginning, in ms.
const EPOCH_MS: i64 = 1_700_000_000_000;
/// How long a session waits for an answer before it sends elsewhere.
const PATIENCE: Duration = Duration::from_millis(4_000);
/// How long a session waits between two looks at its report.
const TICK: Range<Duration> = Duration::from_millis(150)..Duration::from_millis(500);
/// Share of answers that are lost on the way.
const LOST_ANSWERS: f64 = 0.02;

/// A node as a client sees it: the process, and whether it takes requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Door {
    /// Which process.
    pub life: u64,
    /// Whether it answers now.
    pub is_open: bool,
}

/// A write that a session wants to send.
#[derive(Clone, Debug)]
pub struct Request {
    /// The place of the node.
    pub node: usize,
    /// The report.
    pub batch: Batch,
    /// The copies asked for.
    pub acks: Acks,
}

/// Names a write among all nodes and their lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sent {
    /// The place of the node.
    pub node: usize,
    /// Its process.
    pub life: u64,
    /// Its ticket there.
    pub ticket: Ticket,
}

/// All sessions.
pub struct Workload {
    sessions: Vec<Session>,
    waiting: BTreeMap<Sent, usize>,
    is_ending: bool,
}

struct Session {
    rng: StdRng,
    writer: Writer,
    skew_ms: i64,
    last_ms: i64,
    reports: u32,
    /// Counted and not reported yet.
    fresh: u64,
    total: u64,
    node: usize,
    report: Option<Report>,
    said_last: bool,
    reuses_identity: bool,
}

struct Report {
    batch: Batch,
    acks: Acks,
    sent: Option<(Sent, Duration)>,
}

impl Workload {
    /// So many sessions, spread over the nodes; with `reuses_identity` the first gives several increments one
    /// identity, as a broken client would.
    pub fn new(seed: u64, sessions: usize, nodes: usize, reuses_identity: bool) -> Self {
        let session = |number: usize| {
            let mut rng = generator(seed, &format!("session {number}"));
            let (writer, skew_ms) = (Writer::random(&mut rng), rng.random_range(-2_000..2_000));
            Session {
                rng,
                writer,
                skew_ms,
                last_ms: 0,
                reports: 0,
                fresh: 0,
                total: 0,
                node: number % nodes,
                report: None,
                said_last: false,
                reuses_identity: reuses_identity && number == 0,
            }
        };
        let sessions = (0..sessions).map(session).collect();
        Self { sessions, waiting: BTreeMap::new(), is_ending: false }
    }

    /// A session's time has come: it counts, and may want to send. Returns how long until its next time.
    pub fn tick(
        &mut self,
        session: usize,
        now: Duration,
        doors: &[Option<Door>],
    ) -> (Option<Request>, Duration) {
        let is_ending = self.is_ending;
        let session = &mut self.sessions[session];
        session.count(now, is_ending);
        (session.request(now, doors), session.rng.random_range(TICK))
    }

    /// A session's write was taken.
    pub fn taken(&mut self, session: usize, now: Duration, sent: Sent) {
        if let Some(report) = &mut self.sessions[session].report {
            report.sent = Some((sent, now));
            self.waiting.insert(sent, session);
        }
    }

    /// A write was acknowledged; its report, if its session still waits for it and the answer arrives.
    pub fn acknowledged(&mut self, sent: Sent) -> Option<Batch> {
        let session = &mut self.sessions[self.waiting.remove(&sent)?];
        let is_awaited = session.awaits(sent);
        let is_lost = !self.is_ending && session.rng.random_bool(LOST_ANSWERS);
        let report = session.report.take_if(|_| is_awaited && !is_lost)?;
        Some(report.batch)
    }

    /// A write was refused after it had been taken: the session sends it elsewhere.
    pub fn refused(&mut self, sent: Sent) {
        let Some(session) = self.waiting.remove(&sent) else { return };
        let session = &mut self.sessions[session];
        if session.awaits(sent)
            && let Some(report) = &mut session.report
        {
            report.sent = None;
        }
    }

    /// From now on sessions report the rest and then end.
    pub fn end(&mut self) {
        self.is_ending = true;
    }

    /// Whether every session has ended, all that it counted acknowledged.
    pub fn is_done(&self) -> bool {
        self.sessions.iter().all(|session| session.said_last && session.report.is_none())
    }

    /// How many sessions there are.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// All that the sessions counted and reported.
    pub fn total(&self) -> u64 {
        self.sessions.iter().map(|session| session.total).sum()
    }
}

impl Session {
    /// Counts, and writes the next report if the last one is done.
    fn count(&mut self, now: Duration, is_ending: bool) {
        if !is_ending {
            self.fresh += self.rng.random_range(0..10);
        }
        if self.report.is_none() && !self.said_last {
            self.said_last = is_ending;
            let acks = if self.rng.random_bool(0.5) { Acks::Auto } else { Acks::Count(2) };
            self.report = Some(Report { batch: self.batch(now), acks, sent: None });
        }
    }

    fn batch(&mut self, now: Duration) -> Batch {
        let ms = (EPOCH_MS + self.skew_ms + now.as_millis() as i64).max(self.last_ms + 1);
        let increment = std::mem::take(&mut self.fresh);
        self.total += increment;
        self.reports += 1;
        let place = if self.reuses_identity {
            time::delta_time(0, ms - ms % 5_000, b"always the same key")
        } else {
            let key = [&self.writer.0[..], &self.reports.to_le_bytes()].concat();
            time::delta_time(self.last_ms, ms, &key)
        };
        let reading = f64::from(self.rng.random_range(-1_000..1_000));
        self.last_ms = ms;
        let streams = vec![
            self.points(REQUESTS, Kind::Counter, Point::new(ms, self.total as f64)),
            self.points(
                ORDERS,
                Kind::Delta,
                Point::new(place.expect("a time of this century"), increment as f64),
            ),
            self.points(DEPTH, Kind::Gauge, Point::new(ms, reading)),
        ];
        Batch { streams }
    }

    fn points(&self, series: &str, kind: Kind, point: Point) -> StreamPoints {
        StreamPoints {
            stream: Stream { labels: labels(series), writer: self.writer, kind },
            points: vec![point],
        }
    }

    fn awaits(&self, sent: Sent) -> bool {
        self.report.as_ref().is_some_and(|report| report.sent.is_some_and(|(last, _)| last == sent))
    }

    fn request(&mut self, now: Duration, doors: &[Option<Door>]) -> Option<Request> {
        let report = self.report.as_mut()?;
        if let Some((sent, at)) = report.sent {
            let is_alive = doors[sent.node].is_some_and(|door| door.life == sent.life);
            if is_alive && now < at + PATIENCE {
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
}

/// The labels of a series, as people write it.
pub fn labels(series: &str) -> Labels {
    shoal_query::parse_series(series).expect("the series are constants")
}
