//! What gossip says of the nodes: who there is, where they are, who seems alive. It is an input to
//! replication, never the truth about membership; the simulation feeds worse views than gossip ever would.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use crate::id::{Incarnation, NodeId, Origin};

/// What a node tells of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The node.
    pub node: NodeId,
    /// Which of its lives.
    pub incarnation: Incarnation,
    /// The name of its frames in this life.
    pub origin: Origin,
    /// A label for people.
    pub name: String,
    /// Failure domain, empty if none.
    pub zone: String,
    /// Release of the binary.
    pub version: String,
    /// Where clients reach it.
    pub client: SocketAddr,
    /// Where peers reach it.
    pub peer: SocketAddr,
    /// Where it stands in its life.
    pub phase: Phase,
}

/// Where a node stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Started, not yet caught up.
    Joining,
    /// Takes writes and answers queries.
    Ready,
    /// Is shutting down on purpose.
    Leaving,
}

impl Phase {
    /// The phase as a word, for gossip and for people.
    pub fn word(self) -> &'static str {
        match self {
            Phase::Joining => "joining",
            Phase::Ready => "ready",
            Phase::Leaving => "leaving",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A word that names no phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a phase is joining, ready or leaving")]
pub struct ParsePhaseError;

impl FromStr for Phase {
    type Err = ParsePhaseError;

    fn from_str(word: &str) -> Result<Self, ParsePhaseError> {
        [Phase::Joining, Phase::Ready, Phase::Leaving]
            .into_iter()
            .find(|phase| phase.word() == word)
            .ok_or(ParsePhaseError)
    }
}

/// A node as gossip knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// What it told of itself.
    pub profile: Profile,
    /// Whether the failure detector holds it for alive. Alive is not reachable.
    pub alive: bool,
}

/// All nodes that gossip knows, ourselves among them, in order of id: of each only its highest incarnation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// The sightings by node.
    pub nodes: BTreeMap<NodeId, Sighting>,
}

impl View {
    /// Takes a sighting in; of two lives of one node the later stays (by incarnation, then origin).
    pub fn observe(&mut self, sighting: Sighting) {
        let life = |s: &Sighting| (s.profile.incarnation, s.profile.origin);
        match self.nodes.get(&sighting.profile.node) {
            Some(known) if life(known) > life(&sighting) => {}
            _ => {
                self.nodes.insert(sighting.profile.node, sighting);
            }
        }
    }
}
