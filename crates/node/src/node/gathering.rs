//! What a running node gathers by itself: its own metrics, what StatsD clients send it, its share of the
//! targets to scrape and of what short jobs have pushed.

use std::net::{SocketAddr, UdpSocket};

use anyhow::Context as _;
use tokio::task::JoinHandle;

use super::own_metrics;
use crate::config::NodeConfig;
use crate::doors::statsd::Statsd;
use crate::doors::{self, Context};
use crate::scrape::Scraper;

/// The sockets that gathering needs, taken before the node tells its addresses.
pub(super) struct Sockets {
    statsd: Option<UdpSocket>,
}

impl Sockets {
    /// Takes them.
    pub(super) fn bind(config: &NodeConfig) -> anyhow::Result<Self> {
        let bind = |address: SocketAddr| {
            if !address.ip().is_loopback() {
                tracing::warn!(statsd = %address, "StatsD knows no tokens: who reaches the address can count");
            }
            UdpSocket::bind(address).with_context(|| format!("--statsd {address}"))
        };
        Ok(Self { statsd: config.statsd.map(bind).transpose()? })
    }

    /// Where StatsD lines go.
    pub(super) fn statsd(&self) -> Option<SocketAddr> {
        self.statsd.as_ref().and_then(|socket| socket.local_addr().ok())
    }
}

/// What runs.
pub(super) struct Gathering {
    own_metrics: Option<JoinHandle<()>>,
    pushes: JoinHandle<()>,
    statsd: Option<Statsd>,
    scraper: Option<Scraper>,
}

impl Gathering {
    /// Starts all that the configuration asks for.
    pub(super) fn start(context: &Context, config: &NodeConfig, sockets: Sockets) -> anyhow::Result<Self> {
        let statsd = sockets
            .statsd
            .map(|socket| Statsd::start(context.clone(), socket, config.statsd_buckets.clone()))
            .transpose()
            .context("--statsd")?;
        let own_metrics =
            config.self_metrics.map(|every| tokio::spawn(own_metrics::write(context.clone(), every)));
        let scraper = config.scrape.clone().map(|path| Scraper::start(context.clone(), path)).transpose()?;
        let pushes = tokio::spawn(doors::repeat_pushes(context.clone()));
        Ok(Self { own_metrics, pushes, statsd, scraper })
    }

    /// Ends it; what was gathered is written before this returns.
    pub(super) async fn stop(self) {
        self.pushes.abort();
        if let Some(task) = self.own_metrics {
            task.abort();
        }
        if let Some(scraper) = self.scraper {
            scraper.stop().await;
        }
        if let Some(statsd) = self.statsd {
            statsd.stop().await;
        }
    }
}
