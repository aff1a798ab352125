//! From chitchat's state to views: looked at once a gossip interval and whenever the live nodes change, for
//! chitchat does not tell of nodes that it has forgotten.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chitchat::{Chitchat, ChitchatId};
use shoal_model::{Sighting, View};
use tokio::sync::{Mutex, watch};
use tokio::time::MissedTickBehavior;

use crate::profile::{Unreadable, read_profile};

/// Publishes views; runs until it is ended.
pub(crate) async fn publish_views(
    chitchat: Arc<Mutex<Chitchat>>,
    interval: Duration,
    views: watch::Sender<Arc<View>>,
) {
    let mut live = chitchat.lock().await.live_nodes_watcher();
    let mut tick = tokio::time::interval(interval);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = HashSet::new();
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            changed = live.changed() => if changed.is_err() { return },
        }
        for (id, error) in publish(&*chitchat.lock().await, &views) {
            if told.insert(id.clone()) {
                tracing::debug!(node = %id.node_id, incarnation = id.generation_id, %error, "left a node out of the view");
            }
        }
    }
}

/// Publishes what chitchat knows now, if that differs from what is known; returns who was left out.
pub(crate) fn publish(
    chitchat: &Chitchat,
    views: &watch::Sender<Arc<View>>,
) -> Vec<(ChitchatId, Unreadable)> {
    let (view, unreadable) = view(chitchat);
    views.send_if_modified(|known| {
        let differs = **known != view;
        if differs {
            *known = Arc::new(view);
        }
        differs
    });
    unreadable
}

/// All nodes whose gossip can be read, and the others.
fn view(chitchat: &Chitchat) -> (View, Vec<(ChitchatId, Unreadable)>) {
    let live: HashSet<_> = chitchat.live_nodes().collect();
    let (mut view, mut unreadable) = (View::default(), Vec::new());
    for (id, state) in chitchat.node_states() {
        match read_profile(id, state) {
            Ok(profile) => view.observe(Sighting { profile, alive: live.contains(id) }),
            Err(error) => unreadable.push((id.clone(), error)),
        }
    }
    (view, unreadable)
}
