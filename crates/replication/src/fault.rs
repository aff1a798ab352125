//! What was refused of other nodes, counted by node and reason. A refused message, frame or claim changes nothing
//! else: the link stays, and what is missing is pulled.

use std::collections::BTreeMap;

use shoal_model::NodeId;

use crate::wire::WireError;

/// Why something of a peer's was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// A message of a kind that this release does not know.
    UnknownMessage,
    /// A message whose bytes end early, or whose lengths disagree or are beyond the limits.
    Malformed,
    /// A message with a frame whose checksum or form is wrong.
    Frame,
    /// A table chunk that is broken, contradicts what is known, or names streams of ours that we never numbered.
    Table,
    /// A frame under our own origin that we did not write.
    Forged,
    /// A claim to hold frames of ours that do not exist.
    Claim,
    /// A frame that came before what it follows or needs; reordering does that too.
    Gap,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 7] = [
        Fault::UnknownMessage,
        Fault::Malformed,
        Fault::Frame,
        Fault::Table,
        Fault::Forged,
        Fault::Claim,
        Fault::Gap,
    ];

    /// The word under which it is counted.
    pub fn word(self) -> &'static str {
        match self {
            Fault::UnknownMessage => "unknown_message",
            Fault::Malformed => "malformed",
            Fault::Frame => "frame",
            Fault::Table => "table",
            Fault::Forged => "forged",
            Fault::Claim => "claim",
            Fault::Gap => "gap",
        }
    }
}

impl From<&WireError> for Fault {
    fn from(error: &WireError) -> Self {
        match error {
            WireError::Unknown(_) => Fault::UnknownMessage,
            WireError::Malformed => Fault::Malformed,
            WireError::Frame(_) => Fault::Frame,
            WireError::Table(_) => Fault::Table,
        }
    }
}

/// How often each node was refused, since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(BTreeMap<(NodeId, Fault), u64>);

impl Faults {
    pub(crate) fn count(&mut self, node: NodeId, fault: Fault) {
        *self.0.entry((node, fault)).or_default() += 1;
    }

    /// How often a node was refused for a reason.
    pub fn of(&self, node: NodeId, fault: Fault) -> u64 {
        self.0.get(&(node, fault)).copied().unwrap_or_default()
    }

    /// All that is not zero, in order of node and reason.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, Fault, u64)> {
        self.0.iter().map(|((node, fault), count)| (*node, *fault, *count))
    }
}
