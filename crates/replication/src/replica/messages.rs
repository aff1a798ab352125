//! What another node's message does. Every message is idempotent: a lost, repeated or reordered one costs time,
//! never truth.

use std::time::Duration;

use bytes::Bytes;
use shoal_merge::Frontier;
use shoal_model::{NodeId, Origin};
use shoal_store::{Apply, Chunk, Frame, StoreError, Tag};

use super::{Event, Replica};
use crate::fault::Fault;
use crate::limits::BEAT;
use crate::member::Notice;
use crate::wire::{Beat, Have, Message};

impl Replica {
    pub(super) fn dispatch(&mut self, now: Duration, from: NodeId, message: Message) {
        match message {
            Message::Beat(beat) => self.take_beat(now, from, &beat),
            Message::Pull { have } => {
                if self.is_credible(from, have.iter().map(|entry| (entry.origin, entry.seq))) {
                    self.answer_pull(from, &have);
                }
            }
            Message::Held { origin, seq, owed } if origin == self.config.origin => {
                self.take_held(now, from, seq, owed);
            }
            Message::Held { .. } => {}
            Message::Probe { origin, sent_ms } => {
                if let Some(peer) = self.peers.get_mut(&from) {
                    peer.clock = Some((now, sent_ms));
                }
                let heads = self.store.applied().iter().collect();
                self.send(from, &Message::Applied { origin, probe_ms: sent_ms, heads });
            }
            Message::Applied { origin, probe_ms, heads } if origin == self.config.origin => {
                if self.is_credible(from, heads.iter().copied()) {
                    let heads = heads.into_iter().filter(|(origin, _)| !self.retired.contains(origin));
                    let has = Frontier::from_entries(heads);
                    self.note_taker(now, from, probe_ms, &has);
                    self.complete.handle_reply(from, probe_ms, has);
                    self.settle_complete();
                }
            }
            Message::Applied { .. } => {}
            Message::Ask { loan, ask } => self.take_ask(now, from, loan, ask),
            Message::Lend { loan, lend } => self.take_lend(now, from, loan, *lend),
            Message::Frames { answers_pull, more, mut chunks, mut frames, mut gone } => {
                let retired = &self.retired;
                if !retired.is_empty() {
                    chunks.retain(|chunk| !retired.contains(&chunk.origin));
                    frames.retain(|frame| !retired.contains(&frame.id().origin));
                    gone.retain(|origin| !retired.contains(origin));
                }
                let intake = self.take_chunks(from, &chunks).max(self.take_frames(from, &frames));
                match (answers_pull, intake) {
                    (true, intake) => {
                        self.end_pull(now, from, Answer { more, has_gone: !gone.is_empty() }, intake)
                    }
                    (false, Intake::Early) => self.pull(now, from),
                    (false, Intake::Whole | Intake::Behind | Intake::Failed) => {}
                }
            }
        }
    }

    fn take_beat(&mut self, now: Duration, from: NodeId, beat: &Beat) {
        let own = self.config.origin;
        if !self.is_credible(from, [(beat.held_origin, beat.held)].into_iter()) {
            return;
        }
        let Some(peer) = self.peers.get_mut(&from) else { return };
        let is_new_link = peer.handle_beat(now, beat, own);
        if beat.held_origin == own {
            self.take_held(now, from, beat.held, beat.owed);
        }
        if is_new_link {
            self.open_link(now, from);
        }
    }

    /// A link is new: the other side learns at once that we hear it, and both pull what they lack.
    fn open_link(&mut self, now: Duration, node: NodeId) {
        self.send_beat(now, node);
        let Some(peer) = self.peers.get_mut(&node) else { return };
        peer.compared = false;
        peer.forget_gap();
        peer.end_pull();
        if peer.is_reachable(now) && !std::mem::replace(&mut peer.was_reachable, true) {
            self.events.push_back(Event::LinkUp(node));
        }
        self.pull(now, node);
    }

    fn take_held(&mut self, now: Duration, from: NodeId, seq: u64, owed: u64) {
        if !self.is_credible(from, [(self.config.origin, seq)].into_iter()) {
            return;
        }
        let Some(peer) = self.peers.get_mut(&from) else { return };
        peer.handle_held(seq, owed);
        self.push(from);
        self.settle(now);
        self.consider_readiness(now);
    }

    /// Whether what a peer says to have of our own frames exists; a claim that cannot be true is counted.
    pub(super) fn is_credible(
        &mut self,
        from: NodeId,
        mut heads: impl Iterator<Item = (Origin, u64)>,
    ) -> bool {
        let (own, head) = (self.config.origin, self.store.applied().get(self.config.origin));
        let is_false = heads.any(|(origin, seq)| origin == own && seq > head);
        if is_false {
            self.faults.count(from, Fault::Claim);
        }
        !is_false
    }

    fn take_chunks(&mut self, from: NodeId, chunks: &[Chunk]) -> Intake {
        let mut intake = Intake::Whole;
        for chunk in chunks {
            let known = self.store.table_len(chunk.origin);
            if chunk.origin == self.config.origin {
                if chunk.first as usize + chunk.streams.len() > known as usize {
                    self.faults.count(from, Fault::Table);
                }
                continue;
            }
            if chunk.first > known {
                intake = intake.max(Intake::Early);
                continue;
            }
            match self.store.define(chunk) {
                Ok(notices) => self.join_notices(&notices),
                Err(error) => {
                    self.faults.count(from, Fault::Table);
                    intake = Intake::Failed;
                    tracing::warn!(origin = %chunk.origin, %error, "a table was refused");
                }
            }
        }
        intake
    }

    fn take_frames(&mut self, from: NodeId, frames: &[Frame]) -> Intake {
        let mut intake = Intake::Whole;
        for frame in frames {
            if frame.id().origin == self.config.origin {
                if frame.id().seq > self.store.applied().get(frame.id().origin) {
                    self.faults.count(from, Fault::Forged);
                }
                continue;
            }
            if frame.has(Tag::REMNANT) {
                // Its writer serves it to nobody.
                self.faults.count(from, Fault::Frame);
                continue;
            }
            match self.prepare(frame).and_then(|()| self.store.apply(frame)) {
                Ok(Apply::Applied(notices)) => {
                    self.counters.frames_applied += 1;
                    self.join_notices(&notices);
                }
                Ok(Apply::Known) => self.counters.frames_known += 1,
                Ok(Apply::Gap { .. } | Apply::NeedsTable { .. }) => {
                    self.faults.count(from, Fault::Gap);
                    intake = intake.max(Intake::Early);
                }
                Err(StoreError::Behind) => intake = intake.max(Intake::Behind),
                Err(error) => {
                    intake = Intake::Failed;
                    tracing::warn!(%error, "a peer's frame could not be stored");
                }
            }
        }
        intake
    }

    /// Takes in the members' records among notices; voids were learnt before.
    pub(super) fn join_notices(&mut self, bodies: &[Bytes]) {
        for body in bodies {
            match Notice::decode(body) {
                Ok(Notice::Member(member)) => self.take_member(member),
                Ok(Notice::Void(_)) => {}
                Err(error) => tracing::warn!(%error, "a notice cannot be read"),
            }
        }
    }

    /// A pull was answered. What did not fit is pulled again by the next comparison, not in a tight loop.
    fn end_pull(&mut self, now: Duration, from: NodeId, answer: Answer, intake: Intake) {
        let was_lacking = self.is_lacking();
        let Some(peer) = self.peers.get_mut(&from) else { return };
        peer.end_pull();
        match (intake, answer.more) {
            (Intake::Whole, true) => self.pull(now, from),
            (Intake::Whole, false) => {
                peer.compared = true;
                peer.has_gone = answer.has_gone;
                peer.rounds = if was_lacking || answer.has_gone { peer.rounds + 1 } else { 0 };
                let has_all_before = peer.knows_history && !peer.has_gone;
                if has_all_before {
                    self.know_history();
                }
                self.consider_readiness(now);
            }
            (Intake::Behind, _) => self.next_compare = self.next_compare.min(now + BEAT),
            (Intake::Early | Intake::Failed, _) => {}
        }
    }

    /// Asks a node for all that we lack.
    pub(super) fn pull(&mut self, now: Duration, node: NodeId) {
        let may = self.peers.get_mut(&node).is_some_and(|peer| peer.begin_pull(now));
        if !may {
            return;
        }
        self.counters.pulls += 1;
        let have = self.store.have();
        let have =
            have.iter().map(|(origin, seq)| Have { origin, seq, table_len: self.store.table_len(origin) });
        let message = Message::Pull { have: have.collect() };
        self.send(node, &message);
    }
}

/// What an answer to a pull says of itself.
#[derive(Clone, Copy)]
struct Answer {
    /// There is more to pull.
    more: bool,
    /// There are frames that the peer's journal does not hold any more.
    has_gone: bool,
}

/// How a peer's chunks and frames were taken in; the worse is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Intake {
    /// All of them are here now.
    Whole,
    /// Something before one of them is missing.
    Early,
    /// Our own store has to flush first; then the rest is welcome.
    Behind,
    /// Our own store, or a contradiction, kept one out; asking again at once would not help.
    Failed,
}
