//! Debts and loans on the debtor's side. A debt is named by the manifest before the frontier jumps over what is
//! owed; a loan's points are written to the journal and joined like any others; a flush then makes them durable
//! and settles the debt.

use shoal_merge::Frontier;
use shoal_model::Origin;

use super::{Store, StoreError};
use crate::block::Part;
use crate::damage::Damage;
use crate::debt::Debt;
use crate::frame::{Frame, FrameError, FrameId};
use crate::journal::RecordKind;

/// Lost frames of one origin that are named one by one.
const LOST_MAX: usize = 1_000;

/// What a repair came to, to take effect when its points are durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The loan; its table is of no use any more.
    pub loan: Origin,
    /// Up to where the lender had everything: the debt is settled, and there are no holes before it.
    pub frontier: Option<Frontier>,
    /// The damage that is mended.
    pub mended: Vec<Damage>,
    /// Windows of which something was damaged at the lender: it is missing here too.
    pub inherited: Vec<i64>,
}

impl Store {
    /// What is owed, from when it is to be recorded until it is settled.
    pub fn debt(&self) -> Option<&Debt> {
        self.manifest.debt.as_ref()
    }

    /// Whether what is owed and what loans may show stands in the manifest, and the frontier covers what is owed.
    pub fn is_debt_recorded(&self) -> bool {
        let is_owed = self.debt().is_none_or(|debt| self.applied.covers(&debt.frontier));
        is_owed && self.background.shown.covers(&self.manifest.shown)
    }

    /// A loan may bring points of these frames, in part if it comes to nothing; whether that is news.
    pub fn will_show(&mut self, frontier: &Frontier) -> bool {
        let is_news = !self.manifest.shown.covers(frontier);
        if is_news {
            self.manifest.shown.merge(frontier);
            self.background.manifest_is_old = true;
        }
        is_news
    }

    /// The first frame of each origin that is missing, where its points or those of later ones may be here.
    pub fn missing(&self) -> Vec<FrameId> {
        let below: Vec<FrameId> = self.lacking().collect();
        let shown = self.manifest.shown.iter().filter(|(origin, seq)| *seq > self.applied.get(*origin));
        let beyond = shown.map(|(origin, _)| FrameId { origin, seq: self.applied.get(origin) + 1 });
        let mut missing: Vec<_> = below.into_iter().chain(beyond).collect();
        missing.sort_unstable();
        missing.dedup_by_key(|id| id.origin);
        missing
    }

    /// Whether frames are missing whose points, or those of later ones, may be here.
    pub fn is_missing_frames(&self) -> bool {
        self.lacking().next().is_some() || !self.applied.covers(&self.manifest.shown)
    }

    /// Owes everything up to a frontier. Once that is durable, the frontier covers it and what comes after it can
    /// be applied. Where it does not reach what was owed before, frames are lost: they become holes.
    pub fn incur(&mut self, frontier: &Frontier) {
        let mut debt = self.manifest.debt.take().unwrap_or_default();
        for (origin, seqs) in frontier.missing_from(&debt.frontier) {
            // The first of them already keeps the others from being claimed.
            let lost = seqs.take(LOST_MAX).map(|seq| FrameId { origin, seq });
            let lost: Vec<_> = lost.filter(|id| self.journal.find(*id).is_none()).collect();
            self.holes.extend(lost.into_iter().map(|id| (id, super::Hole::Rot)));
        }
        debt.frontier.merge(frontier);
        self.manifest.debt = Some(debt);
        self.background.manifest_is_old = true;
    }

    /// The manifest that names a debt is durable.
    pub(super) fn take_on(&mut self, debt: &Debt) {
        let frozen = self.frozen.as_mut().map(|frozen| &mut frozen.applied);
        let known = [&mut self.applied, &mut self.synced].into_iter().chain(&mut self.syncing).chain(frozen);
        known.for_each(|known| known.merge(&debt.frontier));
        let mut applied = Frontier::from_entries(self.manifest.applied.iter().copied());
        applied.merge(&debt.frontier);
        self.manifest.applied = applied.iter().collect();
    }

    /// Takes a loan's points in; its table must be known.
    pub fn restore(&mut self, frame: &Frame) -> Result<(), StoreError> {
        if frame.header().table_len > self.tables.known(frame.id().origin) {
            return Err(FrameError::Malformed.into());
        }
        self.check_journal()?;
        self.make_room()?;
        self.write(RecordKind::Loan, frame.bytes())?;
        self.join_frame(frame);
        Ok(())
    }

    /// The places of a loan's streams, by number.
    pub fn loan_places(&self, loan: Origin) -> &[u32] {
        self.tables.run(loan, 0)
    }

    /// Whether all blocks that were found damaged have been written anew without what cannot be read.
    pub fn is_damage_isolated(&self) -> bool {
        self.background.worn.is_empty() && !self.background.merges()
    }

    /// Begins to settle, by flushing all that is there; false if a flush is still under way. It is done when
    /// [`Store::is_settling`] is not true any more.
    pub fn settle(&mut self, settlement: Settlement) -> bool {
        if self.frozen.is_some() {
            return false;
        }
        self.freeze_any(self.journal.end());
        if let Some(frozen) = &mut self.frozen {
            frozen.settlement = Some(settlement);
        }
        true
    }

    /// Forgets an origin that is over, all of whose points are below the horizon: it reads as nothing applied.
    pub fn retire(&mut self, origin: Origin) {
        self.change_frontiers(|known| {
            known.remove(origin);
        });
        self.holes.retain(|id, _| id.origin != origin);
        self.ended.insert(origin);
    }

    /// Raises the number of an origin that has no frames.
    pub fn raise(&mut self, origin: Origin, to: u64) {
        let raised = Frontier::from_entries([(origin, to)]);
        self.change_frontiers(|known| known.merge(&raised));
    }

    fn change_frontiers(&mut self, change: impl Fn(&mut Frontier)) {
        let frozen = self.frozen.as_mut().map(|frozen| &mut frozen.applied);
        let debt = self.manifest.debt.as_mut().map(|debt| &mut debt.frontier);
        let known = [&mut self.applied, &mut self.synced].into_iter().chain(&mut self.syncing);
        known.chain(frozen).chain(debt).chain([&mut self.manifest.shown]).for_each(&change);
        let mut applied = Frontier::from_entries(self.manifest.applied.iter().copied());
        change(&mut applied);
        self.manifest.applied = applied.iter().collect();
        self.background.manifest_is_old = true;
    }

    /// Whether a settlement waits for its flush.
    pub fn is_settling(&self) -> bool {
        self.frozen.as_ref().is_some_and(|frozen| frozen.settlement.is_some())
    }

    /// The flush has ended, and with the next manifest the debt does.
    pub(super) fn settled(&mut self, settlement: Settlement) {
        let Settlement { loan, frontier, mended, inherited } = settlement;
        if let Some(frontier) = frontier {
            self.manifest.debt = None;
            let is_open = |id: &FrameId| id.seq > frontier.get(id.origin);
            self.holes.retain(|id, _| is_open(id));
            self.manifest.holes.retain(is_open);
        }
        self.mend(&mended);
        for window in inherited {
            self.mark(Damage { window, first: 0, last: u32::MAX, part: Part::Page });
        }
        self.end_loan(loan);
        self.background.manifest_is_old = true;
    }

    /// Nothing more will come of a loan.
    pub fn end_loan(&mut self, loan: Origin) {
        self.ended.insert(loan);
    }

    /// Tables of loans that a past life took, if nothing is owed: they are of no use any more.
    pub(super) fn end_old_loans(&mut self) {
        if self.debt().is_some() {
            return;
        }
        let held: Vec<Origin> = self.journal.origins().collect();
        let is_loan = |origin: &Origin| self.applied.get(*origin) == 0 && held.binary_search(origin).is_err();
        self.ended = self.tables.origins().filter(|o| *o != self.own && is_loan(o)).collect();
    }
}
