//! Who is there: chitchat (scuttlebutt gossip with phi-accrual failure detection) behind one door. A node's
//! profile goes in, an ordered view of all nodes comes out; messages are handed to whoever carries them.
//!
//! - `profile`: a node's profile as gossip's key-values
//! - `link`: chitchat's socket, over whatever carries messages
//! - `seeds`: names of seeds that did not resolve at first
//! - `watcher`: from chitchat's state to views
//! - `membership`: the public face
//!
//! It does not say who is a member, only who can be heard of; and alive is not reachable.

mod link;
mod membership;
mod profile;
mod seeds;
mod watcher;

pub use link::GossipLink;
pub use membership::{Failed, Membership, MembershipConfig, SpawnError};
