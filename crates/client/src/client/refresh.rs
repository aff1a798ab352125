//! Keeps the members in view: asks every known node for them now and then, and soon after a failure. What the
//! question takes is the node's round trip.

use std::sync::{Arc, Weak};

use shoal_proto::v1;
use shoal_proto::v1::cluster_client::ClusterClient;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::Shared;
use crate::address::Address;
use crate::limits::{PROBE_TIMEOUT, REFRESH, REFRESH_GAP};
use crate::members;

/// Runs until the last copy of the client is gone.
pub(super) async fn keep_in_view(client: Weak<Shared>, stale: Arc<Notify>) {
    while let Some(shared) = client.upgrade() {
        refresh(&shared).await;
        drop(shared);
        sleep(REFRESH_GAP).await;
        _ = timeout(REFRESH.saturating_sub(REFRESH_GAP), stale.notified()).await;
    }
}

async fn refresh(shared: &Arc<Shared>) {
    let mut probes = JoinSet::new();
    for node in shared.roster().known() {
        probes.spawn(probe(shared.clone(), node));
    }
    let members: Vec<Address> = probes.join_all().await.into_iter().flatten().collect();
    if !shared.only_seeds {
        shared.roster().learn(members);
    }
    let known = shared.roster().known();
    shared.links.keep(&known);
}

/// Asks one node, and notes how it fared; gives the members that it names.
async fn probe(shared: Arc<Shared>, node: Address) -> Vec<Address> {
    let link = shared.link(&node, PROBE_TIMEOUT);
    let mut client = ClusterClient::new(link.channel.clone());
    let begun = Instant::now();
    let reply = timeout(PROBE_TIMEOUT, client.members(link.request(v1::MembersRequest {}))).await;
    let now = Instant::now();
    match reply {
        Ok(Ok(reply)) => {
            shared.roster().measured(&node, now - begun, now.into_std());
            members::client_addresses(&reply.into_inner())
        }
        Ok(Err(_)) | Err(_) => {
            shared.roster().failed(&node, now.into_std());
            Vec::new()
        }
    }
}
