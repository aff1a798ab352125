//! What waits in a replica, so that whoever watches can see that all of it is bounded.

use super::Replica;

/// How much waits, by queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queues {
    /// Writes that wait for their copies.
    pub writes: usize,
    /// Other nodes that are known.
    pub peers: usize,
    /// The most bytes that were pushed to one of them and are not held there yet.
    pub pushed_bytes: usize,
    /// Answers to probes that are not covered yet.
    pub replies: usize,
    /// Views that are kept for debtors.
    pub loans: usize,
    /// Work for other threads that was not handed out yet.
    pub jobs: usize,
    /// Messages and events that the driver has not taken yet.
    pub untaken: usize,
}

impl Replica {
    /// What waits now.
    pub fn queues(&self) -> Queues {
        Queues {
            writes: self.writes.len(),
            peers: self.peers.len(),
            pushed_bytes: self.peers.values().map(|peer| peer.pushed_bytes()).max().unwrap_or_default(),
            replies: self.complete.reply_count(),
            loans: self.loans.len(),
            jobs: self.jobs.len(),
            untaken: self.transmits.len() + self.events.len(),
        }
    }
}
