//! Whatever waits in memory is bounded, by limits that are stated here: the queues of a replica, and the points that
//! are in no block yet. (What a replica wants sent is bounded in `backlog`.)

use std::time::Duration;

use shoal_replication::limits::{LOANS_MAX, PULL_BYTES, WINDOW_BYTES};
use shoal_replication::{Queues, Replica};

/// Writes of one session that wait at one node: each is given up after a while.
const WRITES_A_SESSION: usize = 4;
/// Answers to probes that are kept of each node.
const REPLIES_A_NODE: usize = 4;
/// Memtables, one active and one being flushed, each of which may grow to twice its size while the disk is slow.
const MEMTABLES: u64 = 4;
/// Points of a frame of a session, at most.
const FRAME_POINTS: u64 = 16;
/// Points that a repair may bring beyond that.
const LOAN_POINTS: u64 = 2 * 32_768;

/// What the bounds depend on.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Sessions that write.
    pub sessions: usize,
    /// Nodes that there ever were.
    pub nodes: usize,
    /// Points of a full memtable.
    pub memtable_points: u64,
}

/// What is too much in a replica that has just been served by its driver.
pub fn check(replica: &Replica, now: Duration, sizes: Sizes) -> Result<(), String> {
    let is_lent_to = replica.repair(now).is_some() || replica.store().debt().is_some();
    check_queues(&replica.queues(), sizes)?;
    check_points(replica.store().unflushed_points(), is_lent_to, sizes)
}

fn check_queues(queues: &Queues, sizes: Sizes) -> Result<(), String> {
    let Queues { writes, peers, pushed_bytes, replies, loans, jobs, untaken } = *queues;
    let bounds = [
        ("writes that wait for copies", writes, WRITES_A_SESSION * sizes.sessions),
        ("nodes that are known", peers, sizes.nodes),
        ("pushed bytes", pushed_bytes, WINDOW_BYTES + PULL_BYTES),
        ("answers to probes", replies, REPLIES_A_NODE * sizes.nodes),
        ("views for debtors", loans, LOANS_MAX),
        ("jobs that nobody has taken", jobs, 0),
        ("messages and events that nobody has taken", untaken, 0),
    ];
    match bounds.into_iter().find(|(_, found, most)| found > most) {
        None => Ok(()),
        Some((what, found, most)) => Err(format!("{found} {what}; the bound is {most}")),
    }
}

fn check_points(points: u64, is_lent_to: bool, sizes: Sizes) -> Result<(), String> {
    let most =
        MEMTABLES * sizes.memtable_points + 2 * FRAME_POINTS + if is_lent_to { LOAN_POINTS } else { 0 };
    if points <= most {
        return Ok(());
    }
    Err(format!("{points} points are in memory only; the bound is {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_beyond_its_bound_is_named() {
        let sizes = Sizes { sessions: 2, nodes: 3, memtable_points: 64 };
        let fits = Queues { writes: 8, peers: 3, loans: LOANS_MAX, replies: 12, ..Queues::default() };
        assert_eq!(check_queues(&fits, sizes), Ok(()));
        for (queues, what) in [
            (Queues { writes: 9, ..fits }, "writes"),
            (Queues { peers: 4, ..fits }, "nodes"),
            (Queues { loans: LOANS_MAX + 1, ..fits }, "views"),
            (Queues { replies: 13, ..fits }, "answers"),
            (Queues { jobs: 1, ..fits }, "jobs"),
        ] {
            assert!(check_queues(&queues, sizes).is_err_and(|error| error.contains(what)), "{queues:?}");
        }
        assert!(check_points(288, false, sizes).is_ok() && check_points(289, false, sizes).is_err());
        assert!(check_points(289, true, sizes).is_ok());
    }
}
