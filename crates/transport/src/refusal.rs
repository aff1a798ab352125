//! Why a connection is not wanted, as a word for people and as a number on the wire.

use std::fmt;

use quinn::VarInt;

/// Close code of a node that stops.
pub(crate) const CLOSE_STOPPED: VarInt = VarInt::from_u32(1);
/// Close code of a connection that a newer one stands for.
pub(crate) const CLOSE_REPLACED: VarInt = VarInt::from_u32(2);
/// Close code towards a peer that breaks the rules of streams.
pub(crate) const CLOSE_MISUSED: VarInt = VarInt::from_u32(3);

/// Why a greeting is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// It cannot be read.
    Malformed,
    /// No version of the protocol is common.
    Version,
    /// It is another cluster's.
    Cluster,
    /// The certificate names another node than the greeting.
    Identity,
    /// We dialled ourselves.
    Oneself,
}

impl Refusal {
    /// All reasons.
    pub const ALL: [Refusal; 5] =
        [Refusal::Malformed, Refusal::Version, Refusal::Cluster, Refusal::Identity, Refusal::Oneself];

    /// The number with which the connection is closed.
    pub(crate) fn close_code(self) -> VarInt {
        VarInt::from_u32(match self {
            Refusal::Malformed => 0x10,
            Refusal::Version => 0x11,
            Refusal::Cluster => 0x12,
            Refusal::Identity => 0x13,
            Refusal::Oneself => 0x14,
        })
    }

    /// The reason that a close code stands for.
    pub(crate) fn from_close_code(code: VarInt) -> Option<Refusal> {
        Refusal::ALL.into_iter().find(|refusal| refusal.close_code() == code)
    }

    /// The place of the reason in an array of all.
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// The reason in a few words.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Refusal::Malformed => "the greeting cannot be read",
            Refusal::Version => "no common version of the protocol",
            Refusal::Cluster => "another cluster's node",
            Refusal::Identity => "the certificate names another node",
            Refusal::Oneself => "the node dialled itself",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}
