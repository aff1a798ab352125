//! The demo's application: it counts clicks and sets a gauge through the SDK all the time, writes once a second
//! to whichever node answers, and keeps a tally of its own to compare with.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use shoal_client::{BuildError, Client, Session, SessionConfig};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// The counter that every node is asked for.
pub(super) const CLICKS: &str = "demo_clicks_total";
const GAUGE: &str = "demo_clicks_per_second";

/// Clicks come this often, each time a few; the application writes after [`CLICKS_PER_WRITE`] of them.
const CLICK: Duration = Duration::from_millis(100);
const CLICKS_PER_WRITE: u64 = 10;

/// What the application knows of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tally {
    /// Clicks in writes that were acknowledged.
    pub(super) clicks: f64,
    /// Writes.
    pub(super) calls: u64,
    /// Writes that failed, after all attempts of the SDK.
    pub(super) failed: u64,
    /// Synced copies of the last write.
    pub(super) copies: Option<u32>,
}

/// Runs until it is dropped.
#[derive(Debug)]
pub(super) struct Application {
    tally: watch::Receiver<Tally>,
    task: JoinHandle<()>,
}

impl Application {
    /// Starts counting. Must be called within a runtime.
    pub(super) fn start(nodes: &[SocketAddr]) -> Result<Self, BuildError> {
        let client = Client::connect(nodes.iter().map(SocketAddr::to_string))?;
        let session = Session::new(client, SessionConfig::default());
        let (publish, tally) = watch::channel(Tally::default());
        let task = tokio::spawn(count(session, publish));
        Ok(Self { tally, task })
    }

    pub(super) fn tally(&self) -> watch::Receiver<Tally> {
        self.tally.clone()
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn count(session: Session, publish: watch::Sender<Tally>) {
    let (counter, gauge) = (session.counter(CLICKS, &[]), session.gauge(GAUGE, &[]));
    let mut ticks = interval_at(Instant::now() + until_next_second(), CLICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut clicks = 0.0;
    for tick in 1_u64.. {
        ticks.tick().await;
        let more = (tick % 3 + 1) as f64;
        clicks += more;
        counter.add(more);
        gauge.set(more / CLICK.as_secs_f64());
        if tick % CLICKS_PER_WRITE == 0 {
            let result = session.flush().await;
            publish.send_modify(|tally| {
                tally.calls += 1;
                match result {
                    Ok(flush) => (tally.clicks, tally.copies) = (clicks, flush.copies),
                    Err(_) => tally.failed += 1,
                }
            });
        }
    }
}

fn until_next_second() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Duration::from_secs(1).saturating_sub(Duration::from_millis(now.subsec_millis().into()))
}
