//! Rendezvous hashing: every node says alike which of them a thing belongs to, and when one goes, only its things
//! move.

use std::collections::BTreeSet;

use shoal_model::NodeId;

/// The node that a thing belongs to: the one with the highest score; `None` if there is no node.
pub(crate) fn owner(nodes: &BTreeSet<NodeId>, thing: &[u8]) -> Option<NodeId> {
    let mut base = blake3::Hasher::new_derive_key("shoal 2026 which node a thing belongs to");
    base.update(thing);
    let score = |node: &NodeId| *base.clone().update(&node.0).finalize().as_bytes();
    nodes.iter().copied().max_by_key(score)
}
