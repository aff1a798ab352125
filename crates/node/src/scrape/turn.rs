//! One target, scraped again and again by the node whose turn it is, until it is told to stop and why.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use shoal_model::limits::REQUEST_BYTES_MAX;
use shoal_model::{StreamPoints, Writer};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::division::offset;
use super::handover::is_scraped_elsewhere;
use super::sampling::{Sampling, Scraped};
use super::target::Target;
use crate::clock::wall_ms;
use crate::doors::{Context, Door, gathered};
use crate::engine::Notes;

/// What is understood, OpenMetrics first for its times and types.
const ACCEPT: &str =
    "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
const TIMEOUT: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");

/// Bytes of texts that are in work at once, from when they are read until they are written: once read, a text takes
/// some times its bytes. Four of the largest requests' worth, as much as one scrape may bring.
pub(super) const TEXT_BYTES_MAX: usize = 4 * REQUEST_BYTES_MAX;

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Scrape,
    /// Another node scrapes the target now, or soon: its series go on.
    GiveUp,
    /// There is no such target any more: its series end.
    End,
}

/// How the last scrape went.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health {
    /// When it began, in ms; `None` before the first.
    pub(crate) scraped_ms: Option<i64>,
    /// How long it took.
    pub(crate) took: Duration,
    /// What went wrong; a scrape may be good for most lines and still have an error.
    pub(crate) error: Option<String>,
    /// Whether it was good.
    pub(crate) is_up: bool,
}

/// Where a target's health can be read.
pub(crate) type SharedHealth = Arc<Mutex<Health>>;

/// A target's turn on this node.
pub(super) struct Turn {
    pub(super) context: Context,
    pub(super) target: Target,
    pub(super) health: SharedHealth,
    /// Whether another node has scraped it until now: then the first scrape is at once.
    pub(super) is_taken_over: bool,
    /// Room for texts in work.
    pub(super) room: Arc<Semaphore>,
}

impl Turn {
    /// Scrapes until told otherwise.
    pub(super) async fn run(self, mut orders: watch::Receiver<Order>) {
        let mut sampling = Sampling::new(Writer(self.context.engine.node().0));
        let mut next = if self.is_taken_over { Instant::now() } else { self.next() };
        let mut last_ms = i64::MIN;
        loop {
            tokio::select! {
                biased;
                changed = orders.changed() => {
                    let order = *orders.borrow_and_update();
                    let ends = order == Order::End
                        || order == Order::GiveUp && is_scraped_elsewhere(&self.context, &self.target).await;
                    if changed.is_ok() && ends {
                        let ended = sampling.end(&self.target, wall_ms().max(last_ms.saturating_add(1)));
                        self.write(ended, Notes::default()).await;
                    }
                    if changed.is_err() || order != Order::Scrape {
                        return;
                    }
                }
                () = tokio::time::sleep_until(next) => {
                    last_ms = wall_ms().max(last_ms.saturating_add(1));
                    self.scrape(&mut sampling, last_ms).await;
                    next = self.next();
                }
            }
        }
    }

    /// The next moment of this target's grid, which is the same on every node.
    fn next(&self) -> Instant {
        let interval = self.target.interval;
        let (interval_ms, offset_ms) = (millis(interval), millis(offset(&self.target.id, interval)));
        let since = (wall_ms() - offset_ms).rem_euclid(interval_ms.max(1));
        Instant::now() + Duration::from_millis((interval_ms - since).unsigned_abs())
    }

    async fn scrape(&self, sampling: &mut Sampling, now_ms: i64) {
        let (target, began) = (&self.target, Instant::now());
        let headers = self.headers();
        let asked = target.job.fetcher.get(&target.url, &headers, target.job.limits.body_bytes);
        let answer = tokio::time::timeout(target.timeout, asked).await;
        let took = began.elapsed();
        let answer = match answer {
            Ok(Ok(fetched)) => Ok(fetched),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {:?}", target.timeout)),
        };
        let bytes = answer.as_ref().map_or(0, |fetched| fetched.bytes.len()).min(TEXT_BYTES_MAX);
        // It is never closed.
        let _room = self.room.acquire_many(bytes as u32).await;
        let taken = answer.and_then(|fetched| {
            // A large text takes long to read.
            let taken = tokio::task::block_in_place(|| sampling.take(target, &fetched, now_ms, took));
            taken.map_err(|bad| bad.to_string())
        });
        let (streams, notes, error, is_up) = match taken {
            Ok(Scraped { streams, notes, refused, reason }) => {
                self.context.refusals.refuse(Door::Scrape, "syntax", refused);
                (streams, notes, reason, true)
            }
            Err(error) => (sampling.fail(target, now_ms, took), Notes::default(), Some(error), false),
        };
        let written = self.write(streams, notes).await;
        let health = Health { scraped_ms: Some(now_ms), took, error: error.or(written), is_up };
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = health;
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(ACCEPT));
        headers.insert(
            header::USER_AGENT,
            HeaderValue::from_static(concat!("shoal/", env!("CARGO_PKG_VERSION"))),
        );
        if let Ok(seconds) = self.target.timeout.as_secs_f64().to_string().try_into() {
            headers.insert(TIMEOUT, seconds);
        }
        headers
    }

    /// Writes, and gives the reason why something was not.
    async fn write(&self, streams: Vec<StreamPoints>, notes: Notes) -> Option<String> {
        match gathered::write_noted(&self.context, Door::Scrape, streams, notes).await {
            Ok(gathered) => gathered.reason,
            Err(error) => {
                tracing::debug!(url = self.target.id.url, %error, "a scrape was not written");
                Some(error.to_string())
            }
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
