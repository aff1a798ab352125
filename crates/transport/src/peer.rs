//! What we know of one address: the messages that wait for it and the connection that they take. A state
//! machine without I/O: the mesh tells it what happened, and it says whether to dial and what to send on.
//!
//! ```text
//!            send               greeted                    lost
//!   absent ───────► Dialling ─────────────► Up ───────────────────► absent, or Dialling if messages wait
//!                      │ failed             ▲ greeted by the peer
//!                      ▼                    │
//!                    Down ──────────────────┘   (and to Dialling with the first send after the pause)
//! ```

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use shoal_model::{NodeId, Origin};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::class::Class;
use crate::queue::{Pushed, Queues};

/// Pause after a first failure, counted from the start of the dial.
const PAUSE_MIN: Duration = Duration::from_millis(200);
/// Longest pause: a healed partition must be seen within about a second.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// A connection that ends sooner counts as a failed dial, or two nodes that cannot agree would dial in a loop.
const SETTLED: Duration = Duration::from_secs(1);
/// Two nodes that dial each other at once see both connections within this time of each other.
const SIMULTANEOUS: Duration = Duration::from_secs(1);

/// The messages for one address and the way that they take.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) queues: Queues,
    link: Link,
    failures: u32,
}

#[derive(Debug)]
enum Link {
    Dialling,
    Up(Line),
    Down { until: Instant },
}

/// A connection whose greetings were accepted both ways.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// Told apart by number, for an address may have several at once.
    pub(crate) id: u64,
    /// The peer's life.
    pub(crate) origin: Origin,
    /// The version of the protocol that both ends speak on it.
    pub(crate) version: u16,
    /// Which of the two ends dialled.
    pub(crate) dialler: NodeId,
    pub(crate) since: Instant,
    /// Told when nothing more is to be sent on it.
    pub(crate) retired: Arc<Notify>,
}

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Offered {
    /// It waits; a connection takes it or is being dialled.
    Queued { displaced: usize },
    /// It waits, and the caller must dial.
    Dial,
    /// There was no room, or the peer could not be reached a moment ago.
    Dropped,
}

/// What a new connection is for.
#[derive(Debug)]
pub(crate) enum Standing {
    /// It carries what we send; the former, if any, is replaced.
    Carries { replaced: Option<Line> },
    /// Another carries what we send; the peer may send on it all the same.
    Spare,
}

impl Peer {
    /// A peer that is being dialled.
    pub(crate) fn dialling() -> Self {
        Self { queues: Queues::default(), link: Link::Dialling, failures: 0 }
    }

    /// Takes a message for the peer.
    pub(crate) fn offer(&mut self, class: Class, message: Bytes, now: Instant) -> Offered {
        if let Link::Down { until } = self.link {
            if now < until {
                return Offered::Dropped;
            }
            self.link = Link::Dialling;
            self.queues.push(class, message);
            return Offered::Dial;
        }
        match self.queues.push(class, message) {
            Pushed::Taken { displaced } => Offered::Queued { displaced },
            Pushed::Full => Offered::Dropped,
        }
    }

    /// A dial that began then failed; returns how many messages are given up. Nothing, if the peer dialled us meanwhile.
    pub(crate) fn handle_failure(&mut self, began: Instant, now: Instant) -> usize {
        if !matches!(self.link, Link::Dialling) {
            return 0;
        }
        self.pause(began, now);
        std::mem::take(&mut self.queues).len()
    }

    /// A connection was greeted both ways.
    pub(crate) fn handle_line(&mut self, line: &Line) -> Standing {
        if let Link::Up(known) = &self.link
            && known.stays_beside(line)
        {
            return Standing::Spare;
        }
        match std::mem::replace(&mut self.link, Link::Up(line.clone())) {
            Link::Up(known) => Standing::Carries { replaced: Some(known) },
            Link::Dialling | Link::Down { .. } => Standing::Carries { replaced: None },
        }
    }

    /// A connection ended; returns whether the caller must dial for what still waits.
    pub(crate) fn handle_loss(&mut self, id: u64, now: Instant) -> bool {
        let Link::Up(line) = &self.link else { return false };
        if line.id != id {
            return false;
        }
        if now < line.since + SETTLED {
            self.pause(now, now);
            return false;
        }
        self.failures = 0;
        self.link = if self.queues.len() > 0 { Link::Dialling } else { Link::Down { until: now } };
        matches!(self.link, Link::Dialling)
    }

    /// Whether a connection is the one that carries what we send.
    pub(crate) fn is_carried_by(&self, id: u64) -> bool {
        matches!(&self.link, Link::Up(line) if line.id == id)
    }

    /// Whether a connection carries what we send.
    pub(crate) fn is_up(&self) -> bool {
        matches!(self.link, Link::Up(_))
    }

    /// The version of the protocol on the connection that carries what we send.
    pub(crate) fn version(&self) -> Option<u16> {
        if let Link::Up(line) = &self.link { Some(line.version) } else { None }
    }

    /// Whether nothing is known of the peer that matters any more.
    pub(crate) fn is_forgettable(&self, now: Instant) -> bool {
        matches!(self.link, Link::Down { until } if until + PAUSE_MAX <= now)
    }

    /// A dial that timed out took long enough; one refused at once must not be repeated at once.
    fn pause(&mut self, began: Instant, now: Instant) {
        let pause = PAUSE_MAX.min(PAUSE_MIN * 2_u32.pow(self.failures.min(8)));
        self.failures += 1;
        self.link = Link::Down { until: (began + pause).max(now + PAUSE_MIN) };
    }
}

impl Line {
    /// The newest connection wins, for the peer may have lost the older; but of two that were dialled at
    /// once both ends must choose the same, so there the lower node's dial stays.
    fn stays_beside(&self, newer: &Line) -> bool {
        let simultaneous = newer.since < self.since + SIMULTANEOUS;
        self.origin == newer.origin && simultaneous && self.dialler < newer.dialler
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOW: NodeId = NodeId([1; 16]);
    const HIGH: NodeId = NodeId([2; 16]);

    fn line(id: u64, dialler: NodeId, since: Instant) -> Line {
        Line { id, origin: Origin([3; 16]), version: 1, dialler, since, retired: Arc::default() }
    }

    fn up(first: &Line) -> Peer {
        let mut peer = Peer::dialling();
        assert!(matches!(peer.handle_line(first), Standing::Carries { replaced: None }));
        peer
    }

    fn offer(peer: &mut Peer, now: Instant) -> Offered {
        peer.offer(Class::Control, Bytes::from_static(b"m"), now)
    }

    #[test]
    fn both_ends_of_a_simultaneous_dial_choose_the_lower_nodes() {
        let now = Instant::now();
        let (by_low, by_high) = (line(1, LOW, now), line(2, HIGH, now));
        let mut peer = up(&by_low);
        assert!(matches!(peer.handle_line(&by_high), Standing::Spare));
        assert!(peer.is_carried_by(1));
        let mut peer = up(&by_high);
        assert!(matches!(peer.handle_line(&by_low), Standing::Carries { replaced: Some(_) }));
        assert!(peer.is_carried_by(1));
    }

    #[test]
    fn otherwise_the_newest_connection_wins() {
        let now = Instant::now();
        let wins = |newer: &Line| {
            let mut peer = up(&line(1, LOW, now));
            matches!(peer.handle_line(newer), Standing::Carries { replaced: Some(_) })
        };
        assert!(wins(&line(2, HIGH, now + SIMULTANEOUS)), "later");
        assert!(wins(&line(2, LOW, now)), "dialled by the same end");
        assert!(wins(&Line { origin: Origin([4; 16]), ..line(2, HIGH, now) }), "another life");
    }

    #[test]
    fn sends_are_dropped_for_a_moment_after_a_failure() {
        let now = Instant::now();
        let mut peer = Peer::dialling();
        assert_eq!(offer(&mut peer, now), Offered::Queued { displaced: 0 });
        assert_eq!(peer.handle_failure(now, now), 1);
        assert_eq!(offer(&mut peer, now + PAUSE_MIN / 2), Offered::Dropped);
        assert_eq!(offer(&mut peer, now + PAUSE_MIN), Offered::Dial);
        assert_eq!(offer(&mut peer, now + PAUSE_MIN), Offered::Queued { displaced: 0 });
    }

    #[test]
    fn pauses_double_up_to_a_second_and_a_timeout_counts_towards_them() {
        let mut now = Instant::now();
        let mut peer = Peer::dialling();
        for millis in [200, 400, 800, 1000, 1000] {
            peer.handle_failure(now, now);
            assert_eq!(offer(&mut peer, now + Duration::from_millis(millis - 1)), Offered::Dropped);
            now += Duration::from_millis(millis);
            assert_eq!(offer(&mut peer, now), Offered::Dial);
        }
        peer.handle_failure(now, now + Duration::from_secs(2));
        assert_eq!(offer(&mut peer, now + Duration::from_millis(2200)), Offered::Dial);
    }

    #[test]
    fn a_failed_dial_does_not_touch_the_connection_that_the_peer_made_meanwhile() {
        let now = Instant::now();
        let mut peer = up(&line(1, HIGH, now));
        offer(&mut peer, now);
        assert_eq!(peer.handle_failure(now, now), 0);
        assert!(peer.is_carried_by(1));
    }

    #[test]
    fn what_waits_when_a_connection_is_lost_is_dialled_for() {
        let now = Instant::now();
        let mut peer = up(&line(1, LOW, now));
        offer(&mut peer, now);
        assert!(!peer.handle_loss(7, now + SETTLED), "another connection");
        assert!(peer.handle_loss(1, now + SETTLED));
        assert_eq!(offer(&mut peer, now + SETTLED), Offered::Queued { displaced: 0 });
        assert_eq!(peer.queues.len(), 2);
    }

    #[test]
    fn a_connection_lost_at_once_is_a_failure() {
        let now = Instant::now();
        let mut peer = up(&line(1, LOW, now));
        assert!(!peer.handle_loss(1, now));
        assert_eq!(offer(&mut peer, now), Offered::Dropped);
    }
}
