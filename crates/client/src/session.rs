//! A session: one writer that counts for an application. Values are kept as running totals in memory and sent
//! when they change, so that a failed flush costs nothing: the next one brings the newest totals.

mod batch;
mod instrument;
mod ledger;

use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use shoal_model::{Kind, LabelError, Labels, StreamPoints, Writer};
use tokio::task::AbortHandle;

use crate::client::{CallError, Client};
use crate::limits::STREAMS_MAX;
use crate::write::WriteOptions;
use instrument::Cell;
use ledger::Ledger;

pub use instrument::{Counter, Gauge, UpDown};

/// How a session counts and writes.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Labels that every series of the session gets, unless an instrument has the same with another value.
    pub labels: Vec<(String, String)>,
    /// How many streams the session keeps: memory grows by some 500 bytes each. Instruments beyond it work
    /// but are not sent, and are counted.
    pub streams_max: usize,
    /// How each batch of a flush is written.
    pub write: WriteOptions,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self { labels: Vec::new(), streams_max: STREAMS_MAX, write: WriteOptions::default() }
    }
}

/// What a flush did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flush {
    /// Points that were stored.
    pub accepted: u64,
    /// Points that the nodes did not take, and will not take another time.
    pub refused: u64,
    /// The least number of synced copies that any of them has; none where nothing was sent.
    pub copies: Option<u32>,
}

/// One writer that counts for an application. Cheap to clone; the clones are the same session.
///
/// A process that forks should make its session after the fork. Where it does not, the child counts as a new
/// writer from its first flush on, leaving out what was sent before; what was added between the last flush
/// and the fork is in both.
#[derive(Clone, Debug)]
pub struct Session {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    client: Client,
    config: SessionConfig,
    ledger: Mutex<Ledger>,
    /// Held by a flush, so that the points of one stream are sent in the order of their times.
    flushing: tokio::sync::Mutex<()>,
    flusher: Mutex<Option<AbortHandle>>,
}

impl Session {
    /// A new writer, drawn here, that sends through `client`.
    pub fn new(client: Client, config: SessionConfig) -> Self {
        let ledger =
            Ledger::new(Writer::random(&mut ledger::entropy()), std::process::id(), config.streams_max);
        let (ledger, flushing, flusher) =
            (Mutex::new(ledger), tokio::sync::Mutex::default(), Mutex::default());
        Self { shared: Arc::new(Shared { client, config, ledger, flushing, flusher }) }
    }

    /// A total that only grows. The same name and labels give the same counter.
    pub fn counter(&self, name: &str, labels: &[(&str, &str)]) -> Counter {
        Counter(self.cell(name, labels, Kind::Counter))
    }

    /// A total that may fall; it counts while this session lives.
    pub fn updown(&self, name: &str, labels: &[(&str, &str)]) -> UpDown {
        UpDown(self.cell(name, labels, Kind::UpDown))
    }

    /// A reading; it is sent from the first one on.
    pub fn gauge(&self, name: &str, labels: &[(&str, &str)]) -> Gauge {
        Gauge(self.cell(name, labels, Kind::Gauge))
    }

    /// How many instruments are not sent, because their labels name no series or the session is full.
    pub fn refused_instruments(&self) -> u64 {
        self.shared.ledger().refused()
    }

    /// Sends the streams that changed, and those that were not sent for a minute. After an error the next
    /// flush sends what this one did not.
    pub async fn flush(&self) -> Result<Flush, CallError> {
        let shared = &self.shared;
        let _one_at_a_time = shared.flushing.lock().await;
        let due = shared.ledger().due(now_ms(), std::process::id());
        let mut flush = Flush::default();
        let mut refusal = None;
        for batch in batch::split(due) {
            match shared.send(batch, &mut flush).await {
                Ok(()) => {}
                // The fault of one batch is no reason to keep the others back.
                Err(error @ CallError::Refused { .. }) => refusal = Some(error),
                Err(error @ CallError::Unanswered { .. }) => return Err(error),
            }
        }
        refusal.map_or(Ok(flush), Err)
    }

    /// Flushes in the background on whole intervals of the clock, until [`Session::finish`] or the end of the
    /// last clone. Must be called within a tokio runtime; a second call replaces the interval.
    pub fn start(&self, interval: Duration) {
        let flusher = tokio::spawn(flush_on_intervals(Arc::downgrade(&self.shared), interval));
        if let Some(former) = self.shared.flusher().replace(flusher.abort_handle()) {
            former.abort();
        }
    }

    /// Stops flushing in the background, and flushes a last time.
    pub async fn finish(&self) -> Result<Flush, CallError> {
        if let Some(flusher) = self.shared.flusher().take() {
            flusher.abort();
        }
        self.flush().await
    }

    /// An instrument's memory; one of its own where the session does not take it.
    pub(crate) fn cell(&self, name: &str, labels: &[(&str, &str)], kind: Kind) -> Arc<Cell> {
        match self.shared.config.labels_of(name, labels) {
            Ok(labels) => self.shared.ledger().open(labels, kind),
            Err(error) => {
                tracing::warn!(name, %error, "an instrument is not sent");
                self.shared.ledger().refuse(kind)
            }
        }
    }
}

impl Shared {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().expect("no panic while the lock is held")
    }

    fn flusher(&self) -> MutexGuard<'_, Option<AbortHandle>> {
        self.flusher.lock().expect("no panic while the lock is held")
    }

    async fn send(&self, batch: Vec<StreamPoints>, flush: &mut Flush) -> Result<(), CallError> {
        let receipt = self.client.write(batch.clone(), self.config.write.clone()).await?;
        self.ledger().acknowledged(&batch);
        flush.accepted += receipt.accepted;
        flush.refused += receipt.refused_points;
        flush.copies = Some(flush.copies.map_or(receipt.copies, |least| least.min(receipt.copies)));
        if let Some(first) = receipt.refused.first() {
            tracing::warn!(points = receipt.refused_points, reason = first.reason, "points were refused");
        }
        Ok(())
    }
}

impl SessionConfig {
    fn labels_of(&self, name: &str, labels: &[(&str, &str)]) -> Result<Labels, LabelError> {
        let own = [(shoal_model::labels::METRIC_NAME, name)].into_iter().chain(labels.iter().copied());
        let shared = self.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let shared = shared.filter(|(name, _)| labels.iter().all(|(own, _)| own != name));
        Labels::new(own.chain(shared))
    }
}

async fn flush_on_intervals(session: Weak<Shared>, interval: Duration) {
    let mut failing = false;
    loop {
        tokio::time::sleep(until_next(interval, now_ms())).await;
        let Some(shared) = session.upgrade() else { return };
        let result = Session { shared }.flush().await;
        match &result {
            Ok(_) if failing => tracing::info!("metrics are sent again"),
            Err(error) if !failing => tracing::warn!(%error, "metrics could not be sent; trying on"),
            Ok(_) | Err(_) => {}
        }
        failing = result.is_err();
    }
}

fn until_next(interval: Duration, now_ms: i64) -> Duration {
    let interval_ms = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX).max(1);
    Duration::from_millis((interval_ms - now_ms.rem_euclid(interval_ms)).unsigned_abs())
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
