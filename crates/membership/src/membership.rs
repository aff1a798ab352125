//! The door to gossip: starts chitchat with the settings that were measured to work, hands out views.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chitchat::{Chitchat, ChitchatConfig, ChitchatHandle, FailureDetectorConfig, spawn_chitchat};
use shoal_model::{Phase, Profile, View};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::link::{GossipLink, LinkTransport};
use crate::profile::{PHASE, TEXT_BYTES_MAX, chitchat_id, key_values};
use crate::seeds::{names, resolve_while_alone};
use crate::watcher::{publish, publish_views};

/// How many mean heartbeat intervals of silence make a node dead. At 4 a fifth of lost messages kills the
/// living; at 8 half of them does not.
const PHI: f64 = 8.0;
/// Heartbeat intervals remembered of each node: some ten seconds of them, in 1 KiB.
const SAMPLES: usize = 128;
/// Intervals beyond this are pauses and say nothing of the pace.
const INTERVAL_MAX: Duration = Duration::from_secs(10);
/// Dead lives count towards the digest in each message, and chitchat dies of about 1,300.
const GRACE_MAX: Duration = Duration::from_secs(15 * 60);
/// Rounds of gossip that a node which leaves stays for.
const FAREWELL_ROUNDS: u32 = 2;

/// What gossip needs to know.
#[derive(Clone, Debug)]
pub struct MembershipConfig {
    /// Name of the cluster; gossip of others is refused.
    pub cluster: String,
    /// Where others may be found, each `HOST:PORT`; names are resolved again and again.
    pub seeds: Vec<String>,
    /// Time between rounds: a dead node is noticed after about eight, and a stall of the process of five
    /// makes peers doubt it. Default 250 ms.
    pub gossip_interval: Duration,
    /// How long a dead node stays in views. Default and bound 15 minutes.
    pub grace: Duration,
}

impl MembershipConfig {
    /// With the default times.
    pub fn new(cluster: String, seeds: Vec<String>) -> Self {
        Self { cluster, seeds, gossip_interval: Duration::from_millis(250), grace: GRACE_MAX }
    }
}

/// A node's part in gossip. Dropped, it falls silent without a farewell.
pub struct Membership {
    handle: Arc<ChitchatHandle>,
    views: watch::Sender<Arc<View>>,
    gossip_interval: Duration,
    _tasks: JoinSet<()>,
}

/// Gossip could not be started; nothing was.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// A text of the profile is the operator's to shorten.
    #[error("a node's {what} has at most {TEXT_BYTES_MAX} bytes")]
    TooLong {
        /// Which text.
        what: &'static str,
    },
    /// A round must take some time.
    #[error("the gossip interval must be greater than zero")]
    Interval,
    /// chitchat refused.
    #[error("cannot start gossip: {0}")]
    Gossip(anyhow::Error),
}

/// Gossip has died and does not come back: chitchat found its own state wrong, or lost its link. The node
/// should end and start anew.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("membership gossip has died: {reason}")]
pub struct Failed {
    /// What chitchat says; the panic itself is on standard error.
    pub reason: String,
}

impl Membership {
    /// Starts to gossip a profile. Messages leave by the link, and come in with their sender's advertised
    /// address. Waits for the first look-up of seeds that are names.
    pub async fn spawn(
        config: MembershipConfig,
        profile: Profile,
        link: impl GossipLink,
        incoming: mpsc::Receiver<(SocketAddr, Bytes)>,
    ) -> Result<Membership, SpawnError> {
        check(&config, &profile)?;
        let gossip_interval = config.gossip_interval;
        let names = names(&config.seeds);
        let transport = LinkTransport::new(link, incoming);
        let handle = spawn_chitchat(chitchat_config(config, &profile), key_values(&profile), &transport)
            .await
            .map_err(SpawnError::Gossip)?;
        let handle = Arc::new(handle);
        let views = watch::Sender::default();
        handle.with_chitchat(|chitchat| publish(chitchat, &views)).await;
        let mut tasks = JoinSet::new();
        tasks.spawn(publish_views(handle.chitchat(), gossip_interval, views.clone()));
        tasks.spawn(resolve_while_alone(handle.clone(), names));
        Ok(Membership { handle, views, gossip_interval, _tasks: tasks })
    }

    /// The nodes that gossip knows, ourselves among them, now and whenever that changes.
    pub fn views(&self) -> watch::Receiver<Arc<View>> {
        self.views.subscribe()
    }

    /// Tells the others where we stand in our life.
    pub async fn set_phase(&self, phase: Phase) {
        let mut chitchat = self.handle.chitchat().lock_owned().await;
        chitchat.self_node_state().set(PHASE, phase.word());
        publish(&chitchat, &self.views);
    }

    /// Resolves when gossip has died, never when it was shut down.
    pub fn failed(&self) -> impl Future<Output = Failed> + Send + use<> {
        let terminated = self.handle.termination_watcher();
        async move {
            match terminated.await {
                Ok(()) => std::future::pending().await,
                Err(error) => Failed { reason: error.to_string() },
            }
        }
    }

    /// Tells the others that we leave, stays for two rounds so that they hear it, and falls silent.
    pub async fn shutdown(&self) {
        self.set_phase(Phase::Leaving).await;
        for _ in 0..FAREWELL_ROUNDS {
            let peers = self.handle.with_chitchat(|chitchat| live_peers(chitchat)).await;
            if peers.is_empty() {
                break;
            }
            for peer in peers {
                let _ = self.handle.gossip(peer);
            }
            tokio::time::sleep(self.gossip_interval).await;
        }
        // Where gossip has died before, there is nothing left to stop.
        let _ = self.handle.initiate_shutdown();
        let _ = self.handle.termination_watcher().await;
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

fn check(config: &MembershipConfig, profile: &Profile) -> Result<(), SpawnError> {
    let texts = [("name", &profile.name), ("zone", &profile.zone), ("version", &profile.version)];
    for (what, text) in texts {
        if text.len() > TEXT_BYTES_MAX {
            return Err(SpawnError::TooLong { what });
        }
    }
    if config.gossip_interval.is_zero() { Err(SpawnError::Interval) } else { Ok(()) }
}

fn chitchat_config(config: MembershipConfig, profile: &Profile) -> ChitchatConfig {
    let grace = config.grace.min(GRACE_MAX);
    // Its default of five seconds for the first interval would put detection off by ten.
    let first_interval = config.gossip_interval;
    ChitchatConfig {
        chitchat_id: chitchat_id(profile),
        cluster_id: config.cluster,
        gossip_interval: config.gossip_interval,
        listen_addr: profile.peer,
        seed_nodes: config.seeds,
        failure_detector_config: FailureDetectorConfig::new(
            PHI,
            SAMPLES,
            INTERVAL_MAX,
            first_interval,
            grace,
        ),
        marked_for_deletion_grace_period: grace,
        catchup_callback: None,
        extra_liveness_predicate: None,
    }
}

fn live_peers(chitchat: &Chitchat) -> Vec<SocketAddr> {
    let ourselves = chitchat.self_chitchat_id();
    chitchat.live_nodes().filter(|id| *id != ourselves).map(|id| id.gossip_advertise_addr).collect()
}

#[cfg(test)]
mod tests;
