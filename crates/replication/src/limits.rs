//! The constants of replication, each with its reason.

use std::time::Duration;

/// How often a node tells each other node that it is there and what it holds. Five beats fit into the time
/// after which a link counts as dead.
pub const BEAT: Duration = Duration::from_millis(150);
/// A link whose last echoed beat is older than this is dead: writes stop waiting for it. Below a second, so that
/// no client waits longer.
pub const LINK_DEAD: Duration = Duration::from_millis(750);
/// How long `acks=auto` waits for a second copy.
pub const AUTO_WAIT: Duration = Duration::from_secs(1);
/// How long a write with an explicit number of copies waits for them.
pub const ACKS_WAIT: Duration = Duration::from_secs(3);
/// How often what a random peer holds is compared and pulled while frontiers differ.
pub const COMPARE: Duration = Duration::from_secs(1);
/// How often every member is asked what it has applied, so that answers can say how far they are complete.
pub const PROBE: Duration = Duration::from_millis(500);
/// A node whose clock is further ahead of the members' median unlinks no window.
pub const CLOCK_LEAD_MAX: Duration = Duration::from_secs(300);
/// How long the answer to a pull may take before the next one.
pub const PULL_PATIENCE: Duration = Duration::from_millis(1_500);
/// How often every node in reach is asked for a gap before what is missing is fetched as a debt.
pub const ROUNDS: u32 = 2;
/// How long a lender's answer may take: it may have to digest a whole window first.
pub const LEND_PATIENCE: Duration = Duration::from_secs(30);
/// How long until it is asked once more, in case the question or the answer was lost.
pub const LEND_REPEAT: Duration = Duration::from_secs(2);
/// How long a node that could not lend is left alone.
pub const LENDER_REST: Duration = Duration::from_secs(2);
/// The longest pause between two requests of a repair.
pub const PAUSE_MAX: Duration = Duration::from_millis(200);
/// How long a view is kept for a debtor that asks nothing.
pub const LOAN_IDLE: Duration = Duration::from_secs(60);
/// Views that are kept for debtors: each may hold blocks and points that are gone otherwise.
pub const LOANS_MAX: usize = 4;
/// How long a returning member waits for any other before it serves with a warning.
pub const CATCH_UP: Duration = Duration::from_secs(5);
/// Unsynced bytes pushed to one peer: covers 100 ms at 40 MB/s.
pub const WINDOW_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of frames in one message: large enough to fill a link, small enough not to delay beats.
pub const PULL_BYTES: usize = 1024 * 1024;
/// A member that nobody has heard of for this long is forgotten.
pub const FORGET_AFTER: Duration = Duration::from_secs(72 * 3600);
/// Writes that wait for copies; more are refused for now.
pub const PENDING_MAX: usize = 100_000;
/// How long a node listens before it takes an unreachable member's name: longer than a link takes to come up.
pub const NAMESAKE_WAIT: Duration = Duration::from_secs(3);
