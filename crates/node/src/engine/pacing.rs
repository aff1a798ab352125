//! When a sync begins. One covers all that was written before it, and costs the same for one write as for many. A
//! write that comes alone is synced at once. Where writers overlap, those that a sync has answered are about to write
//! again: the next one waits for them, shorter than it takes itself, and covers both.

use std::time::Duration;

/// The longest wait; also where a disk is slow.
const HOLD_MAX: Duration = Duration::from_millis(1);

/// Writes and syncs so far; times are since the node began.
#[derive(Debug, Default)]
pub(super) struct Pacing {
    /// Writes that no sync covers yet.
    waiting: usize,
    /// Writes that the sync under way covers.
    covered: usize,
    /// When the sync under way began.
    began: Duration,
    hold: Option<Hold>,
}

#[derive(Debug)]
struct Hold {
    until: Duration,
    /// Writes that end it before.
    writes: usize,
}

impl Pacing {
    /// A write was taken.
    pub(super) fn note_write(&mut self) {
        self.waiting += 1;
    }

    /// Whether a sync may begin now.
    pub(super) fn may_begin(&mut self, now: Duration) -> bool {
        self.hold = self.hold.take().filter(|hold| now < hold.until && self.waiting < hold.writes);
        self.hold.is_none()
    }

    /// When a sync may begin that may not yet.
    pub(super) fn held_until(&self) -> Option<Duration> {
        self.hold.as_ref().map(|hold| hold.until)
    }

    /// A sync has begun.
    pub(super) fn note_begun(&mut self, now: Duration) {
        self.covered = std::mem::take(&mut self.waiting);
        self.began = now;
    }

    /// It has ended.
    pub(super) fn note_ended(&mut self, now: Duration) {
        let answered = std::mem::take(&mut self.covered);
        if self.waiting > 0 && answered > 0 {
            let took = now.saturating_sub(self.began);
            self.hold = Some(Hold { until: now + (took / 2).min(HOLD_MAX), writes: self.waiting + answered });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    /// A sync from 0 to 800 µs that covers `covered` writes, while which `waiting` more come.
    fn after_a_sync(covered: usize, waiting: usize) -> Pacing {
        let mut pacing = Pacing::default();
        (0..covered).for_each(|_| pacing.note_write());
        assert!(pacing.may_begin(micros(0)));
        pacing.note_begun(micros(0));
        (0..waiting).for_each(|_| pacing.note_write());
        pacing.note_ended(micros(800));
        pacing
    }

    #[test]
    fn who_writes_alone_waits_for_nobody() {
        let mut pacing = after_a_sync(1, 0);
        pacing.note_write();
        assert!(pacing.may_begin(micros(801)));
        assert!(after_a_sync(0, 1).may_begin(micros(801)), "nobody was answered, so nobody comes back");
    }

    #[test]
    fn writers_that_overlap_share_a_sync() {
        let mut pacing = after_a_sync(1, 1);
        assert!(!pacing.may_begin(micros(900)));
        assert_eq!(pacing.held_until(), Some(micros(1_200)));
        pacing.note_write();
        assert!(pacing.may_begin(micros(901)), "who was answered is back");
        pacing.note_begun(micros(901));
        assert_eq!((pacing.covered, pacing.held_until()), (2, None));
    }

    #[test]
    fn who_does_not_come_back_is_waited_for_half_a_sync_at_the_most() {
        let mut pacing = after_a_sync(3, 1);
        assert!(!pacing.may_begin(micros(1_199)));
        assert!(pacing.may_begin(micros(1_200)));
        assert_eq!(pacing.held_until(), None);
        pacing.note_begun(micros(1_200));
        pacing.note_write();
        pacing.note_ended(micros(51_200));
        assert_eq!(pacing.held_until(), Some(micros(51_200) + HOLD_MAX));
    }
}
