//! What is known of one other node: whether the link works both ways, what it holds of our frames, and how far
//! our frames were pushed to it. A peer that is slow or away is served later from the journal; here it costs a
//! few numbers.

use std::collections::VecDeque;
use std::time::Duration;

use shoal_model::{Origin, Profile};

use crate::limits::{LINK_DEAD, PULL_PATIENCE, WINDOW_BYTES};
use crate::wire::Beat;

/// One other node.
#[derive(Debug)]
pub struct Peer {
    /// What it told of itself, by gossip.
    pub profile: Profile,
    /// Whether the failure detector holds it for alive.
    pub alive: bool,
    /// When anything of it arrived last.
    pub heard_at: Option<Duration>,
    /// Its wall clock in ms, and when it told that.
    pub clock: Option<(Duration, i64)>,
    /// The last own frame that it holds, synced.
    pub held: u64,
    /// Fingerprint of all that it holds, by its last beat.
    pub fingerprint: Option<u128>,
    /// Our frames from after the first number up to the second one are held too: what lies before, the peer owes.
    held_after: (u64, u64),
    /// Whether it is in debt, by its last beat.
    pub is_in_debt: bool,
    /// Whether its last answer to a pull said that frames are gone from its journal.
    pub has_gone: bool,
    /// Answers to pulls since some node first said so.
    pub rounds: u32,
    /// Whether it has answered a pull of ours to the end since it was reached.
    pub compared: bool,
    /// Whether it knows what there was before it, by what it said last.
    pub knows_history: bool,
    /// How far it was told that we hold its own frames.
    pub told: u64,
    /// Whether the link was up at the last look.
    pub was_reachable: bool,
    /// The newest clock of ours that it echoed while it was not in debt and lacked no frame.
    whole_at_ms: Option<u64>,
    origin: Option<Origin>,
    /// When a beat of this life came first.
    life_since: Option<Duration>,
    sent_ms: u64,
    echoed_ms: Option<u64>,
    push: Push,
    pull_until: Option<Duration>,
}

/// How far our own frames were pushed.
#[derive(Debug)]
struct Push {
    next: u64,
    table_len: u32,
    unsynced: VecDeque<(u64, usize)>,
    bytes: usize,
    is_open: bool,
}

impl Peer {
    /// A node that gossip has just told of.
    pub fn new(profile: Profile, alive: bool) -> Self {
        let push = Push { next: 1, table_len: 0, unsynced: VecDeque::new(), bytes: 0, is_open: false };
        Self {
            profile,
            alive,
            heard_at: None,
            clock: None,
            held: 0,
            fingerprint: None,
            held_after: (0, 0),
            is_in_debt: false,
            has_gone: false,
            rounds: 0,
            compared: false,
            knows_history: false,
            told: 0,
            was_reachable: false,
            whole_at_ms: None,
            origin: None,
            life_since: None,
            sent_ms: 0,
            echoed_ms: None,
            push,
            pull_until: None,
        }
    }

    /// Takes a beat in. True if the link is new: the first beat, or of another life of the node.
    pub fn handle_beat(&mut self, now: Duration, beat: &Beat, own: Origin) -> bool {
        let was_reachable = self.is_reachable(now);
        let is_other_life = self.origin.replace(beat.origin) != Some(beat.origin);
        if is_other_life {
            self.life_since = Some(now);
            self.whole_at_ms = None;
            self.held = 0;
            self.held_after = (0, 0);
            self.told = 0;
            self.sent_ms = 0;
            self.echoed_ms = None;
        }
        self.heard_at = Some(now);
        self.sent_ms = self.sent_ms.max(beat.sent_ms);
        self.fingerprint = Some(beat.fingerprint);
        self.is_in_debt = beat.is_in_debt;
        self.knows_history = beat.knows_history;
        if beat.held_origin == own {
            self.note_held(beat.held, beat.owed);
            self.echoed_ms = self.echoed_ms.max(Some(beat.echo_ms));
            let whole_at_ms = (!beat.is_in_debt && !beat.lacks_frames).then_some(beat.echo_ms);
            self.whole_at_ms = self.whole_at_ms.max(whole_at_ms);
        }
        is_other_life || !was_reachable && self.is_reachable(now)
    }

    /// Whether messages went there and back within [`LINK_DEAD`].
    pub fn is_reachable(&self, now: Duration) -> bool {
        self.echoed_ms.is_some_and(|echo| now.saturating_sub(Duration::from_millis(echo)) < LINK_DEAD)
    }

    /// The newest clock of the peer's, to be echoed.
    pub fn echo_ms(&self) -> u64 {
        self.sent_ms
    }

    /// The peer's origin in this life, if it has told.
    pub fn origin(&self) -> Option<Origin> {
        self.origin
    }

    /// When its life was first heard of.
    pub fn life_since(&self) -> Option<Duration> {
        self.life_since
    }

    /// Whether at some time after this one it had all that it had applied.
    pub fn was_whole_after(&self, time: Duration) -> bool {
        self.whole_at_ms.is_some_and(|at_ms| u128::from(at_ms) > time.as_millis())
    }

    /// Forgets what its answers to pulls said of gaps: it is to be asked anew.
    pub fn forget_gap(&mut self) {
        (self.has_gone, self.rounds) = (false, 0);
    }

    /// Whether the peer holds a frame of ours, synced.
    pub fn holds(&self, seq: u64) -> bool {
        let (after, last) = self.held_after;
        seq <= self.held || after < seq && seq <= last
    }

    /// What the peer says once stays true, in whatever order it arrives.
    fn note_held(&mut self, seq: u64, owed: u64) {
        if owed == 0 {
            self.held = self.held.max(seq);
        } else if owed == self.held_after.0 {
            self.held_after.1 = self.held_after.1.max(seq);
        } else {
            self.held_after = (owed, seq);
        }
    }

    /// The peer holds our frames up to `seq`, synced, but for the first `owed`: they no longer count against the
    /// window.
    pub fn handle_held(&mut self, seq: u64, owed: u64) {
        self.note_held(seq, owed);
        while let Some((_, bytes)) = self.push.unsynced.pop_front_if(|(pushed, _)| *pushed <= seq) {
            self.push.bytes -= bytes;
        }
    }

    /// The peer says what it has of ours: pushing goes on from there.
    pub fn open_push(&mut self, seq: u64, table_len: u32) {
        self.push = Push { next: seq + 1, table_len, unsynced: VecDeque::new(), bytes: 0, is_open: true };
    }

    /// The link is gone, or the peer complained of a gap: nothing is pushed until it pulls.
    pub fn close_push(&mut self) {
        self.push.is_open = false;
    }

    /// The number of the next frame to push and of the next table entry, if the window allows any.
    pub fn wants_push(&self) -> Option<(u64, u32)> {
        let fits = self.push.is_open && self.push.bytes < WINDOW_BYTES;
        fits.then_some((self.push.next, self.push.table_len))
    }

    /// A frame was pushed.
    pub fn note_pushed(&mut self, seq: u64, bytes: usize, table_len: u32) {
        self.push.next = seq + 1;
        self.push.table_len = self.push.table_len.max(table_len);
        self.push.unsynced.push_back((seq, bytes));
        self.push.bytes += bytes;
    }

    /// Bytes that were pushed and are not held yet.
    pub fn pushed_bytes(&self) -> usize {
        self.push.bytes
    }

    /// Whether a pull may be sent now; remembers that it was.
    pub fn begin_pull(&mut self, now: Duration) -> bool {
        let may = self.pull_until.is_none_or(|until| until <= now);
        if may {
            self.pull_until = Some(now + PULL_PATIENCE);
        }
        may
    }

    /// A pull was answered.
    pub fn end_pull(&mut self) {
        self.pull_until = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shoal_model::{Incarnation, NodeId, Phase};

    fn peer() -> Peer {
        let address = ([127, 0, 0, 1], 1).into();
        let profile = Profile {
            node: NodeId([2; 16]),
            incarnation: Incarnation(1),
            origin: Origin([2; 16]),
            name: String::new(),
            zone: String::new(),
            version: String::new(),
            client: address,
            peer: address,
            phase: Phase::Ready,
        };
        Peer::new(profile, true)
    }

    fn beat(origin: u8, sent_ms: u64, echo_ms: u64, held: u64) -> Beat {
        let (origin, held_origin) = (Origin([origin; 16]), Origin([1; 16]));
        let (is_in_debt, lacks_frames) = (false, false);
        Beat {
            sent_ms,
            echo_ms,
            origin,
            held,
            held_origin,
            owed: 0,
            fingerprint: 0,
            is_in_debt,
            lacks_frames,
            knows_history: true,
        }
    }

    const OWN: Origin = Origin([1; 16]);

    #[test]
    fn a_link_counts_only_while_it_works_both_ways() {
        let mut peer = peer();
        let at = Duration::from_millis;
        assert!(peer.handle_beat(at(1_000), &beat(2, 5, 900, 0), OWN));
        assert!(peer.is_reachable(at(1_000)));
        // It is still heard, but hears us no more.
        assert!(!peer.handle_beat(at(1_600), &beat(2, 6, 900, 0), OWN));
        assert!(!peer.is_reachable(at(1_700)));
        assert!(peer.handle_beat(at(1_800), &beat(2, 7, 1_750, 0), OWN));
        assert!(peer.is_reachable(at(1_800)));
    }

    #[test]
    fn beats_tell_what_a_node_knows_of_the_past_whether_it_is_a_member_or_not() {
        let mut peer = peer();
        let beat = beat(2, 5, 0, 0);
        peer.handle_beat(Duration::ZERO, &Beat { knows_history: false, ..beat }, OWN);
        assert!(!peer.knows_history);
        peer.handle_beat(Duration::ZERO, &beat, OWN);
        assert!(peer.knows_history);
    }

    #[test]
    fn another_life_of_the_peer_holds_nothing_yet() {
        let mut peer = peer();
        peer.handle_beat(Duration::ZERO, &beat(2, 5, 0, 9), OWN);
        assert_eq!(peer.held, 9);
        assert!(peer.handle_beat(Duration::ZERO, &beat(3, 1, 0, 0), OWN));
        assert_eq!((peer.held, peer.echo_ms()), (0, 1));
    }

    #[test]
    fn a_full_window_stops_pushing_until_frames_are_held() {
        let mut peer = peer();
        assert_eq!(peer.wants_push(), None);
        peer.open_push(3, 7);
        assert_eq!(peer.wants_push(), Some((4, 7)));
        peer.note_pushed(4, WINDOW_BYTES, 9);
        assert_eq!(peer.wants_push(), None);
        peer.handle_held(4, 0);
        assert_eq!(peer.wants_push(), Some((5, 9)));
    }
}
