//! The lender's side of a loan: a view is kept for a node in debt as long as that asks from time to time. Each answer
//! is work for another thread, one at a time for each loan.

use std::time::Duration;

use shoal_model::{NodeId, Origin};
use shoal_store::Lender;

use super::Replica;
use crate::job::{Job, LendJob, Lent, Source};
use crate::limits::{LOAN_IDLE, LOANS_MAX};
use crate::wire::{Ask, Lend, Message, Terms};

/// A view that is kept for a debtor.
pub(super) struct Loan {
    debtor: NodeId,
    lender: Option<Lender>,
    /// What its debtor was told at first.
    terms: Option<Terms>,
    is_busy: bool,
    /// Terms that are told once what they claim is synced here.
    unsynced: Option<Terms>,
    used_at: Duration,
}

impl Replica {
    pub(super) fn take_ask(&mut self, now: Duration, from: NodeId, loan: Origin, ask: Ask) {
        if let Ask::Nothing = ask {
            self.loans.remove(&loan);
            return;
        }
        let has_room = self.loans.len() < LOANS_MAX;
        let is_view = matches!(ask, Ask::View);
        let source = match self.loans.get_mut(&loan) {
            Some(kept) if kept.debtor == from => {
                kept.used_at = now;
                if kept.is_busy {
                    return;
                }
                if is_view && let Some(terms) = kept.terms.clone() {
                    // The answer was lost.
                    return self.send(from, &Message::Lend { loan, lend: Box::new(Lend::View(terms)) });
                }
                kept.lender.clone().filter(|_| !is_view).map(|lender| Source::Kept(lender, ask))
            }
            None if is_view && has_room => self.fresh_view(now),
            _ => None,
        };
        let Some(source) = source else {
            return self.send(from, &Message::Lend { loan, lend: Box::new(Lend::Refused) });
        };
        let kept = self.loans.entry(loan).or_insert(Loan {
            debtor: from,
            lender: None,
            terms: None,
            is_busy: true,
            unsynced: None,
            used_at: now,
        });
        kept.is_busy = true;
        self.jobs.push_back(Job::Lend(Box::new(LendJob { debtor: from, loan, source })));
    }

    /// Of two that lack frames of one another the lesser goes first: were both in debt, neither could lend again.
    pub(super) fn lends_to_lesser(&self) -> bool {
        self.loans.values().any(|loan| loan.debtor < self.config.node)
    }

    /// A view of this moment. One who is in debt has none to give, unless all are.
    fn fresh_view(&self, now: Duration) -> Option<Source> {
        if self.store.debt().is_some() && !self.is_nobody_whole(now) {
            return None;
        }
        let members = self.members.notices().map(|notice| notice.encode().into()).collect();
        let terms =
            Terms { frontier: self.store.have(), shown: self.store.shown(), members, ..Terms::default() };
        Some(Source::Fresh(Box::new(self.store.lasting_view()), terms))
    }

    pub(super) fn take_lent(&mut self, lent: Lent) {
        let Lent { debtor, loan, lender, lend } = lent;
        if let Some(kept) = self.loans.get_mut(&loan) {
            kept.is_busy = false;
            kept.lender = lender.or(kept.lender.take());
            if let Lend::View(terms) = lend {
                kept.is_busy = true;
                kept.unsynced = Some(terms);
                return self.tell_synced_terms();
            }
            self.send(debtor, &Message::Lend { loan, lend: Box::new(lend) });
        }
    }

    /// Tells debtors of views all of which is synced by now: a loss of power must not take back what was lent.
    pub(super) fn tell_synced_terms(&mut self) {
        let mut messages = Vec::new();
        for (loan, kept) in &mut self.loans {
            let synced = |terms: &mut Terms| self.store.keeps(&terms.shown);
            if let Some(terms) = kept.unsynced.take_if(synced) {
                kept.terms = Some(terms.clone());
                kept.is_busy = false;
                messages
                    .push((kept.debtor, Message::Lend { loan: *loan, lend: Box::new(Lend::View(terms)) }));
            }
        }
        messages.iter().for_each(|(debtor, message)| self.send(*debtor, message));
    }

    /// Lets go of views that nobody asks for any more.
    pub(super) fn end_idle_loans(&mut self, now: Duration) {
        let works = |kept: &Loan| kept.is_busy && kept.unsynced.is_none();
        self.loans.retain(|_, kept| works(kept) || now.saturating_sub(kept.used_at) < LOAN_IDLE);
    }
}
