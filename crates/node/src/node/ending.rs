//! How a node ends. Told by SIGTERM it first drains: it says that it is not ready and serves on, until load balancers
//! and clients have turned elsewhere. Then it answers what is under way, hands over what it wrote, and leaves. SIGINT
//! skips the draining, and a second signal all of it.

use std::io;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::gathering::Gathering;
use super::supervisor;
use crate::engine::Engine;

/// How long requests under way are waited for: what the slowest question may take is its client's to choose, and a
/// connection that stands still must not keep the node.
const UNDER_WAY: Duration = Duration::from_secs(10);

/// The signals that end a node.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// In which way a node was told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// By whoever runs it (SIGTERM): clients are given time to turn elsewhere.
    Terminate,
    /// By a person at a keyboard (SIGINT), who waits.
    Interrupt,
}

/// What ends one after the other.
pub(super) struct Ending {
    pub(super) engine: Engine,
    pub(super) gathering: Gathering,
    /// Told to take no more connections.
    pub(super) stop: watch::Sender<bool>,
    /// The doors.
    pub(super) served: JoinHandle<io::Result<()>>,
    /// How long the node drains.
    pub(super) drain: Duration,
}

impl Signals {
    /// From now on signals come here.
    pub(super) fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("signals");
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Terminate,
            _ = self.interrupt.recv() => Told::Interrupt,
        }
    }
}

impl Ending {
    /// Ends all in order, unless another signal comes.
    pub(super) async fn run(self, told: Told, signals: &mut Signals) -> anyhow::Result<()> {
        supervisor::tell(supervisor::State::Stopping);
        tokio::select! {
            () = self.in_order(told) => Ok(()),
            _ = signals.next() => {
                bail!("ended at once by a second signal: what the others lack they get when this node is back")
            }
        }
    }

    async fn in_order(self, told: Told) {
        let Self { engine, gathering, stop, mut served, drain } = self;
        let has_company = engine.drain().await.unwrap_or_default();
        // Where nobody else can serve, waiting would only make the absence longer.
        if told == Told::Terminate && has_company && !drain.is_zero() {
            tracing::info!(
                ?drain,
                "draining: not ready any more, and serving until clients have turned elsewhere"
            );
            tokio::time::sleep(drain).await;
        }
        tracing::info!("leaving");
        gathering.stop().await;
        stop.send_replace(true);
        if tokio::time::timeout(UNDER_WAY, &mut served).await.is_err() {
            tracing::warn!(waited = ?UNDER_WAY, "requests were still under way and are cut off");
            served.abort();
        }
        if engine.leave().await.is_err() {
            tracing::warn!("the engine had stopped before the node left");
        }
        engine.stop().await;
    }
}
