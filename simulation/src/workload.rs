//! Sessions: each counts, and reports cumulative counters, increments and readings under its own identity. A report
//! is sent until it is acknowledged, with the same points, to whichever node takes it; one whose answer was lost may
//! be laid aside and sent again, elsewhere, hours of the wall clock later.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng;
use shoal_model::{Batch, Labels};
use shoal_replication::Ticket;

use crate::life::wall_ms;
use crate::mix::Mix;
use crate::seed::generator;
use crate::session::{Report, Session};

/// The counter that all sessions share.
pub const REQUESTS: &str = r#"requests_total{job="shop"}"#;
/// The increments that all sessions share.
pub const ORDERS: &str = r#"orders_total{job="shop"}"#;
/// The reading that all sessions share.
pub const DEPTH: &str = r#"queue_depth{job="shop"}"#;
/// What may rise and fall, and adds up over the sessions.
pub const OPEN: &str = r#"connections{job="shop"}"#;
/// Samples without a writer: sessions contradict each other under one identity.
pub const HEAT: &str = r#"temperature_celsius{job="shop"}"#;

/// How long a session waits for an answer before it sends elsewhere.
const PATIENCE: Duration = Duration::from_millis(4_000);
/// How long a session waits between two looks at its report, in ms.
const TICK_MS: std::ops::Range<u64> = 300..900;
/// Share of answers that are lost on the way.
const LOST_ANSWERS: f64 = 0.02;
/// Share of the lost answers whose report is laid aside.
const LAID_ASIDE: f64 = 0.5;

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
    pub acks: shoal_replication::Acks,
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

/// The labels of the series, parsed once.
#[derive(Clone, Debug)]
pub struct Names {
    /// Of [`REQUESTS`].
    pub requests: Labels,
    /// Of [`ORDERS`].
    pub orders: Labels,
    /// Of [`DEPTH`].
    pub depth: Labels,
    /// Of [`OPEN`].
    pub open: Labels,
    /// Of [`HEAT`].
    pub heat: Labels,
}

/// All sessions.
pub struct Workload {
    sessions: Vec<Session>,
    waiting: BTreeMap<Sent, usize>,
    lapse: u32,
    /// How long a report may be laid aside.
    delay_ms: std::ops::Range<u64>,
    is_ending: bool,
    /// Reports that were laid aside.
    pub laid_aside: u64,
    /// Sessions that began anew under another writer.
    pub reborn: u64,
}

impl Workload {
    /// The sessions of a mix, spread over the nodes; with `reuses_identity` the first gives several increments one
    /// identity, as a broken client would.
    pub fn new(seed: u64, mix: &Mix, reuses_identity: bool) -> Self {
        let names = Names::default();
        let session = |number: usize| {
            let rng = generator(seed, &format!("session {number}"));
            Session::new(rng, names.clone(), number % mix.nodes, reuses_identity && number == 0)
        };
        // A door refuses what is older than the retention; no session waits for half as long.
        let retention_ms = mix.retention.as_millis() as u64 / u64::from(mix.lapse);
        Self {
            sessions: (0..mix.sessions).map(session).collect(),
            waiting: BTreeMap::new(),
            lapse: mix.lapse,
            delay_ms: 1_000..(retention_ms / 3).clamp(2_000, 240_000),
            is_ending: false,
            laid_aside: 0,
            reborn: 0,
        }
    }

    /// A session looks at its reports: what it wants to send, if anything, and when it looks again.
    pub fn tick(
        &mut self,
        session: usize,
        now: Duration,
        doors: &[Option<Door>],
    ) -> (Option<Request>, Duration) {
        let one = &mut self.sessions[session];
        self.reborn += u64::from(one.count(now, wall_ms(now, self.lapse), self.is_ending));
        let request = one.request(now, PATIENCE, doors);
        (request, Duration::from_millis(one.rng.random_range(TICK_MS)))
    }

    /// A node took a session's report and will answer.
    pub fn taken(&mut self, session: usize, now: Duration, sent: Sent) {
        if let Some(report) = &mut self.sessions[session].report {
            report.sent = Some((sent, now));
            self.waiting.insert(sent, session);
        }
    }

    /// A write was acknowledged; its report, if its session still waits for it and the answer arrives.
    pub fn acknowledged(&mut self, now: Duration, sent: Sent) -> Option<Batch> {
        let session = &mut self.sessions[self.waiting.remove(&sent)?];
        if !session.awaits(sent) {
            return None;
        }
        if !self.is_ending && session.rng.random_bool(LOST_ANSWERS) {
            if session.rng.random_bool(LAID_ASIDE) {
                let delay = Duration::from_millis(session.rng.random_range(self.delay_ms.clone()));
                session.lay_aside(now + delay);
                self.laid_aside += 1;
            }
            return None;
        }
        session.report.take().map(|report| report.batch)
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
        self.sessions.iter().all(Session::is_done)
    }

    /// All that the sessions counted from a time on.
    pub fn counted_since(&self, ms: i64) -> u64 {
        let counted = self.sessions.iter().flat_map(|session| &session.counted);
        counted.filter(|(at, _)| *at >= ms).map(|(_, increment)| increment).sum()
    }

    /// How many sessions there are.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }
}

impl Default for Names {
    fn default() -> Self {
        let [requests, orders, depth, open, heat] = [REQUESTS, ORDERS, DEPTH, OPEN, HEAT].map(labels);
        Self { requests, orders, depth, open, heat }
    }
}

impl Report {
    /// A report that nobody has got yet.
    pub fn new(batch: Batch, acks: shoal_replication::Acks) -> Self {
        Self { batch, acks, sent: None }
    }
}

/// The labels of a series, as people write it.
pub fn labels(series: &str) -> Labels {
    shoal_query::parse_series(series).expect("the series are constants")
}
