//! Frames that are lost for good. Where no member has a frame, one without points takes its place, and all nodes are
//! told, those that are away too. Somebody may hold its points all the same: a member that was given up and comes back
//! with the frame, a disk restored from a snapshot, the borrower of a loan that broke off. Who does writes a frame of
//! its own that is served to nobody, a *remnant*: the others find it gone, and borrow what there is.

use std::time::Duration;

use bytes::Bytes;
use shoal_model::Batch;
use shoal_store::{Frame, FrameId, Record, StoreError, Tag};

use super::{Event, Replica};
use crate::limits::ROUNDS;
use crate::member::Notice;

impl Replica {
    /// A hole that no member can fill would keep all frames after it from the others: it is closed for good. Alone
    /// there is nobody to keep them from.
    pub(super) fn close_holes(&mut self, now: Duration) {
        if self.store.debt().is_some() || self.has_gap() || !self.is_lacking() {
            return;
        }
        let others: Vec<_> = self.other_members().collect();
        let has_nothing = |node| {
            let peer = self.peers.get(node);
            peer.is_some_and(|peer| peer.is_reachable(now) && !peer.is_in_debt && peer.rounds >= ROUNDS)
        };
        if others.is_empty() || !others.iter().all(has_nothing) {
            return;
        }
        self.peers.values_mut().for_each(|peer| peer.rounds = 0);
        // Of each origin the first: for what comes after it nobody was asked yet.
        for id in self.store.missing() {
            match self.give_up_frame(id) {
                Ok(()) => {
                    self.counters.frames_voided += 1;
                    self.events.push_back(Event::Voided(id));
                }
                Err(error) => tracing::warn!(%error, "a frame that is lost could not be given up"),
            }
        }
        self.push_all(now);
    }

    fn give_up_frame(&mut self, id: FrameId) -> Result<(), StoreError> {
        self.learn_voids(&[id])?;
        // A crash after this leaves the hole, and it is given up once more.
        let body = Notice::Void(id).encode();
        self.append(&Batch::default(), &[Record { tag: Tag::MEMBER, body: &body }])?;
        self.store.void(id)
    }

    /// What must be told to the others before a frame is applied: that it was given up and has come after all, and that
    /// points are here of one that it says was given up.
    pub(super) fn prepare(&mut self, frame: &Frame) -> Result<(), StoreError> {
        if !self.store.awaits(frame.id()) {
            return Ok(());
        }
        if self.members.is_void(frame.id()) && !frame.has(Tag::VOID) {
            self.write_remnant(frame.id())?;
        }
        let voids = frame.records().filter_map(Result::ok).filter_map(|record| match record.tag {
            Tag::VOID => Some(frame.id()),
            Tag::MEMBER => void_of(record.body),
            _ => None,
        });
        let news: Vec<_> = voids.filter(|id| self.is_news(*id)).collect();
        self.learn_voids(&news)
    }

    /// The same for a lender's notices.
    pub(super) fn learn_voids_among(&mut self, notices: &[Bytes]) -> Result<(), StoreError> {
        let voids = notices.iter().filter_map(|body| void_of(body));
        let news: Vec<_> = voids.filter(|id| self.is_news(*id)).collect();
        self.learn_voids(&news)
    }

    /// Frames are known as given up from now on: if points of one may be here, the others are to borrow them.
    fn learn_voids(&mut self, voids: &[FrameId]) -> Result<(), StoreError> {
        let is_untold =
            |id: &FrameId| self.told.get(id.origin) < id.seq && self.store.may_have_been_lent(*id);
        let lent = voids.iter().find(|id| is_untold(id)).copied();
        if let Some(id) = lent.or_else(|| voids.iter().find(|id| self.store.shows(**id)).copied()) {
            self.write_remnant(id)?;
        }
        if voids.iter().filter(|id| self.members.note_void(**id)).count() > 0 {
            self.keep_members();
        }
        Ok(())
    }

    /// Writes a frame that the others can only borrow.
    fn write_remnant(&mut self, id: FrameId) -> Result<(), StoreError> {
        self.append(&Batch::default(), &[Record { tag: Tag::REMNANT, body: &[] }])?;
        self.counters.remnants += 1;
        self.told = self.store.shown();
        let FrameId { origin, seq } = id;
        tracing::warn!(%origin, seq, "points of a frame that was given up are here: the other nodes will fetch them");
        Ok(())
    }

    fn is_news(&self, id: FrameId) -> bool {
        !self.members.is_void(id) && !self.retired.contains(&id.origin)
    }
}

fn void_of(body: &[u8]) -> Option<FrameId> {
    match Notice::decode(body) {
        Ok(Notice::Void(id)) => Some(id),
        _ => None,
    }
}
