//! What the doors accepted and refused, counted by door and reason.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Door {
    /// gRPC `Ingest`.
    Grpc,
    /// Text exposition by HTTP.
    Import,
    /// Remote write.
    RemoteWrite,
    /// OTLP by gRPC or HTTP; what is counted are data points.
    Otlp,
    /// The node's own and its host's metrics.
    Itself,
    /// StatsD: the values of the lines that came.
    Statsd,
    /// StatsD: the points that they came to.
    StatsdTotals,
    /// What targets say.
    Scrape,
}

impl Door {
    /// The door's name in metrics.
    pub fn word(self) -> &'static str {
        match self {
            Door::Grpc => "grpc",
            Door::Import => "import",
            Door::RemoteWrite => "remote_write",
            Door::Otlp => "otlp",
            Door::Itself => "self",
            Door::Statsd => "statsd",
            Door::StatsdTotals => "statsd_totals",
            Door::Scrape => "scrape",
        }
    }
}

/// Points accepted and refused since the start.
#[derive(Default)]
pub struct Refusals {
    counts: Mutex<Counts>,
}

/// The counts at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Points accepted by door.
    pub accepted: BTreeMap<Door, u64>,
    /// Points, or lines, refused by door and reason.
    pub refused: BTreeMap<(Door, &'static str), u64>,
}

impl Refusals {
    /// Points were accepted.
    pub fn accept(&self, door: Door, points: u64) {
        *self.lock().accepted.entry(door).or_default() += points;
    }

    /// Points were refused.
    pub fn refuse(&self, door: Door, reason: &'static str, points: u64) {
        if points > 0 {
            *self.lock().refused.entry((door, reason)).or_default() += points;
        }
    }

    /// The counts now.
    pub fn counts(&self) -> Counts {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
