//! A node's profile as it is gossiped. Node, incarnation and peer address are chitchat's own id; the rest
//! are a few small key-values. What cannot be read is left out, for it may come from another version.

use std::net::SocketAddr;
use std::str::FromStr;

use chitchat::{ChitchatId, NodeState};
use shoal_model::{Incarnation, NodeId, Phase, Profile};

/// Longest name, zone or version. chitchat takes a value that fills its 64 KiB message without complaint,
/// and then sends nothing of that node any more.
pub(crate) const TEXT_BYTES_MAX: usize = 1024;

const ORIGIN: &str = "origin";
const NAME: &str = "name";
const ZONE: &str = "zone";
const VERSION: &str = "version";
const CLIENT: &str = "client";
pub(crate) const PHASE: &str = "phase";

/// Why a node's gossip makes no profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("its id is no node id")]
    Node,
    #[error("no readable `{0}`")]
    Key(&'static str),
}

/// The identity of a node's life in gossip. An incarnation is never used again: chitchat takes a life with
/// a known number for the known life, and believes it dead until its heartbeat passes the old one's.
pub(crate) fn chitchat_id(profile: &Profile) -> ChitchatId {
    ChitchatId::new(profile.node.to_string(), profile.incarnation.0, profile.peer)
}

/// The key-values of a profile.
pub(crate) fn key_values(profile: &Profile) -> Vec<(String, String)> {
    let pairs = [
        (ORIGIN, profile.origin.to_string()),
        (NAME, profile.name.clone()),
        (ZONE, profile.zone.clone()),
        (VERSION, profile.version.clone()),
        (CLIENT, profile.client.to_string()),
        (PHASE, profile.phase.to_string()),
    ];
    pairs.map(|(key, value)| (key.to_owned(), value)).into()
}

/// The profile that a node gossips of itself.
pub(crate) fn read_profile(id: &ChitchatId, state: &NodeState) -> Result<Profile, Unreadable> {
    Ok(Profile {
        node: NodeId::from_str(&id.node_id).map_err(|_| Unreadable::Node)?,
        incarnation: Incarnation(id.generation_id),
        origin: read(state, ORIGIN)?,
        name: read(state, NAME)?,
        zone: read(state, ZONE)?,
        version: read(state, VERSION)?,
        client: read::<SocketAddr>(state, CLIENT)?,
        peer: id.gossip_advertise_addr,
        phase: read::<Phase>(state, PHASE)?,
    })
}

fn read<T: FromStr>(state: &NodeState, key: &'static str) -> Result<T, Unreadable> {
    let value = state.get(key).filter(|value| value.len() <= TEXT_BYTES_MAX);
    value.and_then(|value| value.parse().ok()).ok_or(Unreadable::Key(key))
}
