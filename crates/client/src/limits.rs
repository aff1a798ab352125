//! Every bound of the client that is a constant, with its reason.

use std::time::Duration;

/// How long a call may take, with all its attempts, unless the caller says otherwise.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// How long one node may stay silent before the next is asked too: with the next node's answer, a dead link
/// costs less than a second.
pub const HEDGE_AFTER: Duration = Duration::from_millis(400);
/// How long a connection may take: longer than a round trip around the world, shorter than patience.
pub const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// How often an open connection in use is asked for a sign of life, and how long it has to give one.
pub const KEEP_ALIVE: Duration = Duration::from_secs(2);
/// Pause after all nodes failed; doubles with each round up to the greatest, and is drawn between half and all.
pub const PAUSE_MIN: Duration = Duration::from_millis(100);
/// See [`PAUSE_MIN`].
pub const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How long a node that failed is put last; doubles with each failure up to the greatest.
pub const REST_MIN: Duration = Duration::from_millis(250);
/// See [`REST_MIN`].
pub const REST_MAX: Duration = Duration::from_secs(4);
/// How often the members are asked for.
pub const REFRESH: Duration = Duration::from_secs(10);
/// The least time between two such questions, however many calls fail.
pub const REFRESH_GAP: Duration = Duration::from_secs(1);
/// How long a node has to answer that question.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// A node within this much of the nearest one's round trip is as near: switching for less is not worth it.
pub const RTT_SLACK: Duration = Duration::from_millis(1);
/// Streams of one session unless configured: some 50 MB with their labels.
pub const STREAMS_MAX: usize = 100_000;
/// Bytes of one request of a flush: far below what a node takes, so that a lost one is cheap to send again.
pub const FLUSH_BYTES_MAX: usize = 1024 * 1024;
/// How often an unchanged value is sent again: readers drop a gauge without a point in five minutes.
pub const REPEAT: Duration = Duration::from_secs(60);
/// How often an application's metrics are sent unless configured.
pub const INTERVAL: Duration = Duration::from_secs(10);
/// How long an application waits at its end for the last values to be sent.
pub const FINISH: Duration = Duration::from_secs(5);
