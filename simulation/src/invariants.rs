//! What must hold, one file each. An invariant compares what the nodes hold with what the oracle knows, or one
//! node with another, and says in one sentence what is wrong.

pub mod acknowledged;
pub mod answers;
pub mod backlog;
pub mod complete;
pub mod convergence;
pub mod copies;
pub mod exact;
pub mod memory;
pub mod monotone;
pub mod replay;
pub mod token;

use std::fmt;
use std::time::Duration;

/// Which invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// No acknowledged point is lost.
    Acknowledged,
    /// Equal frontiers give equal answers.
    Answers,
    /// No queue grows without bound.
    Backlog,
    /// What is called complete is.
    Complete,
    /// All nodes agree soon after the faults end.
    Convergence,
    /// As many disks hold a write as its answer says.
    Copies,
    /// Merged values are what the sessions counted.
    Exact,
    /// Whatever waits in memory is bounded.
    Memory,
    /// A merged counter never falls from one read to the next.
    Monotone,
    /// A restart finds what was there.
    Replay,
    /// A session reads what it wrote.
    Token,
}

/// Something that must never be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What was violated.
    pub invariant: Invariant,
    /// When that was seen.
    pub at: Duration,
    /// What is wrong, in a sentence.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:.4} s: {}", self.invariant, self.at.as_secs_f64(), self.what)
    }
}
