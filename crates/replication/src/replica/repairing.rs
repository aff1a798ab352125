//! The debtor's side of a loan. A gap that no journal fills any more, or damage on the disk, is made good from another
//! node's view: the debt is recorded, the streams are named, and window by window what differs is fetched; then a
//! flush settles it. Whatever fails on the way is begun anew with another lender; what was fetched stays.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use rand::seq::IteratorRandom;
use shoal_merge::Frontier;
use shoal_model::{NodeId, Origin};
use shoal_store::pinned::BELOW_HORIZON;
use shoal_store::windows::window_of;
use shoal_store::{Chunk, Cursor, Damage, Frame, Pinned, Settlement, StoreError, Want};

use super::retiring::{BEFORE_ALL, HISTORY};
use super::{Event, Readiness, Replica};
use crate::job::{CompareJob, Compared, Job, Points};
use crate::limits::{LEND_PATIENCE, LEND_REPEAT, LENDER_REST, PAUSE_MAX, ROUNDS};
use crate::peer::Peer;
use crate::wire::{Ask, Lend, Message, Terms};

/// A repair under way.
pub(super) struct Repair {
    loan: Origin,
    lender: NodeId,
    step: Step,
    /// When the step has taken too long.
    until: Duration,
    /// When what was asked is asked once more.
    repeat_at: Duration,
    asked_at: Duration,
    began: Duration,
    terms: Terms,
    /// Whether frames are missing, so that there is a debt.
    owes: bool,
    /// Whether the lender is not whole, as no member is.
    is_pooling: bool,
    /// Windows that were damaged when it began.
    mending: Vec<Damage>,
    windows: VecDeque<i64>,
    wants: VecDeque<Want>,
    pinned: Option<Arc<Pinned>>,
    places: Arc<[u32]>,
    points: u64,
}

/// What a repair waits for.
enum Step {
    /// The answer to this.
    Asking(Ask),
    /// The time to ask this.
    Pausing(Ask, Duration),
    /// The manifest that names the debt.
    Recording,
    /// The job that compares a window.
    Comparing,
    /// Room for these points.
    Holding(Box<Frame>, Option<Cursor>),
    /// The flush before it, and its own.
    Settling { has_begun: bool },
}

/// What a node knows of repairs besides the one under way.
#[derive(Default)]
pub(super) struct Repairs {
    current: Option<Repair>,
    /// Nodes that could not lend, and until when they are left alone.
    resting: Vec<(NodeId, Duration)>,
    /// What a lender must have for damage to be mended: what was here when the damage was seen, by how much it was.
    needed: Option<(usize, Frontier)>,
    /// Lenders in turn that did not have all that is owed.
    short: u32,
    /// Members whose points were fetched while none was whole.
    pooled: BTreeSet<NodeId>,
}

impl Repairs {
    /// Whether a node is left alone, since it could not lend just now.
    fn rests(&self, node: NodeId) -> bool {
        self.resting.iter().any(|(resting, _)| *resting == node)
    }
}

/// How far a repair is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairStatus {
    /// From which node.
    pub lender: NodeId,
    /// Windows in all; 0 while that is not known.
    pub windows: usize,
    /// Windows that are not compared yet.
    pub windows_left: usize,
    /// Points fetched.
    pub points: u64,
    /// For how long it has been going on.
    pub running_for: Duration,
}

impl RepairStatus {
    /// How long it will still take if the windows left are like those before; `None` before the first one.
    pub fn left_for(&self) -> Option<Duration> {
        let done = self.windows - self.windows_left;
        (done > 0).then(|| self.running_for.mul_f64(self.windows_left as f64 / done as f64))
    }
}

impl Replica {
    /// How far the repair under way is, if there is one.
    pub fn repair(&self, now: Duration) -> Option<RepairStatus> {
        self.repairs.current.as_ref().map(|repair| RepairStatus {
            lender: repair.lender,
            windows: repair.terms.windows.len(),
            windows_left: repair.windows.len(),
            points: repair.points,
            running_for: now.saturating_sub(repair.began),
        })
    }

    /// The name of the loan under way.
    #[cfg(test)]
    pub(super) fn loan(&self) -> Option<Origin> {
        self.repairs.current.as_ref().map(|repair| repair.loan)
    }

    /// Whether a peer has said that it cannot fill a gap.
    pub(super) fn has_gap(&self) -> bool {
        self.peers.values().any(|peer| peer.has_gone)
    }

    /// When the repair is due to go on.
    pub(super) fn repair_timeout(&self) -> Duration {
        match &self.repairs.current {
            Some(Repair { step: Step::Pausing(_, at), .. }) => *at,
            _ => Duration::MAX,
        }
    }

    /// Begins a repair where one is due, and goes on with the one under way.
    pub(super) fn run_repair(&mut self, now: Duration) {
        self.repairs.resting.retain(|(_, until)| *until > now);
        match self.repairs.current.take() {
            Some(repair) => self.go_on(now, repair),
            None => self.consider_repair(now),
        }
    }

    fn consider_repair(&mut self, now: Duration) {
        self.close_holes(now);
        let owes = self.store.debt().is_some() || self.is_stuck(now);
        let marks = self.store.damage().len();
        let is_damaged = marks > 0 && self.store.is_damage_isolated();
        if marks == 0 {
            self.repairs.needed = None;
        }
        if !owes && !is_damaged || self.readiness == Readiness::Leaving {
            return;
        }
        if is_damaged && self.repairs.needed.as_ref().is_none_or(|(known, _)| *known != marks) {
            self.repairs.needed = Some((marks, self.store.have()));
        }
        let may_lend = |(node, peer): &(&NodeId, &Peer)| {
            peer.is_reachable(now) && self.is_whole(peer) && !self.repairs.rests(**node)
        };
        let lenders: Vec<_> = self.peers.iter().filter(may_lend).map(|(node, _)| *node).collect();
        let whole = lenders.into_iter().choose(&mut self.rng);
        let is_pooling = whole.is_none();
        let Some(lender) = whole.or_else(|| self.next_to_pool(now)) else { return };
        let repair = Repair {
            loan: Origin(self.rng.random()),
            lender,
            step: Step::Recording,
            until: Duration::ZERO,
            repeat_at: Duration::ZERO,
            asked_at: now,
            began: now,
            terms: Terms::default(),
            owes,
            is_pooling,
            mending: self.store.damage().iter().copied().collect(),
            windows: VecDeque::new(),
            wants: VecDeque::new(),
            pinned: None,
            places: Arc::default(),
            points: 0,
        };
        self.events.push_back(Event::RepairBegan { lender });
        self.ask(now, repair, Ask::View);
    }

    /// Whether a peer is not in debt, nor a newcomer that does not know what there was before it as we do.
    fn is_whole(&self, peer: &Peer) -> bool {
        !peer.is_in_debt && (peer.knows_history || self.store.applied().get(HISTORY) <= BEFORE_ALL)
    }

    /// Whether all members are in reach, and not whole any of them: then nobody can have what is owed.
    pub(super) fn is_nobody_whole(&self, now: Duration) -> bool {
        let mut others = self.other_members().peekable();
        let is_lacking =
            |node| self.peers.get(&node).is_some_and(|peer| peer.is_reachable(now) && !self.is_whole(peer));
        self.store.debt().is_some() && others.peek().is_some() && others.all(is_lacking)
    }

    /// Where no member is whole, the least of those in debt fetches what each of the others has, and lends it then.
    fn next_to_pool(&self, now: Duration) -> Option<NodeId> {
        let goes_before = |node: NodeId| {
            let is_in_debt = self.peers.get(&node).is_some_and(|peer| peer.is_in_debt);
            !is_in_debt || self.config.node < node
        };
        let is_first = self.other_members().all(goes_before);
        let is_left = |node: &NodeId| !self.repairs.rests(*node) && !self.repairs.pooled.contains(node);
        (is_first && self.is_nobody_whole(now)).then(|| self.other_members().find(is_left)).flatten()
    }

    /// Whether frames are missing that some peer may still have.
    pub(super) fn is_lacking(&self) -> bool {
        self.has_gap() || self.store.is_missing_frames()
    }

    /// Whether frames are missing that every node in reach has been asked for, more than once.
    fn is_stuck(&self, now: Duration) -> bool {
        let mut others = self.peers.values().filter(|peer| peer.is_reachable(now) && !peer.is_in_debt);
        self.has_gap() && others.all(|peer| peer.rounds >= ROUNDS)
    }

    fn ask(&mut self, now: Duration, repair: Repair, ask: Ask) {
        let message = Message::Ask { loan: repair.loan, ask: ask.clone() };
        self.send(repair.lender, &message);
        let step = Step::Asking(ask);
        let (until, repeat_at) = (now + LEND_PATIENCE, now + LEND_REPEAT);
        self.repairs.current = Some(Repair { step, until, repeat_at, asked_at: now, ..repair });
    }

    /// The same after as long a pause as the last answer took: repair takes half of what there is at most.
    fn ask_after_pause(&mut self, now: Duration, repair: Repair, ask: Ask) {
        let pause = now.saturating_sub(repair.asked_at).min(PAUSE_MAX);
        self.repairs.current = Some(Repair { step: Step::Pausing(ask, now + pause), ..repair });
    }

    fn go_on(&mut self, now: Duration, mut repair: Repair) {
        match std::mem::replace(&mut repair.step, Step::Recording) {
            Step::Pausing(ask, at) if at <= now => self.ask(now, repair, ask),
            Step::Asking(_) if repair.until <= now => self.give_up(now, repair, "the lender does not answer"),
            Step::Asking(ask) if repair.repeat_at <= now => {
                // A link that was down for a moment costs no more than that.
                self.send(repair.lender, &Message::Ask { loan: repair.loan, ask: ask.clone() });
                let repeat_at = now + LEND_REPEAT;
                self.repairs.current = Some(Repair { step: Step::Asking(ask), repeat_at, ..repair });
            }
            Step::Recording if self.store.is_debt_recorded() => {
                self.push_all(now);
                self.next_compare = now;
                self.ask(now, repair, Ask::Names { first: 0 });
            }
            Step::Holding(frame, next) => self.restore(now, repair, frame, next),
            Step::Settling { has_begun } => self.settle_repair(now, repair, has_begun),
            step => self.repairs.current = Some(Repair { step, ..repair }),
        }
    }

    /// A lender has answered. An answer to something else is a late or repeated one.
    pub(super) fn take_lend(&mut self, now: Duration, from: NodeId, loan: Origin, lend: Lend) {
        let Some(mut repair) = self.repairs.current.take_if(|it| it.loan == loan && it.lender == from) else {
            return;
        };
        let step = std::mem::replace(&mut repair.step, Step::Recording);
        let Step::Asking(asked) = step else {
            repair.step = step;
            self.repairs.current = Some(repair);
            return;
        };
        match (asked, lend) {
            (_, Lend::Refused) => self.give_up(now, repair, "the lender cannot lend"),
            (Ask::View, Lend::View(terms)) => self.take_terms(now, repair, terms),
            (Ask::Names { first }, Lend::Names(chunk)) if chunk.first == first && chunk.origin == loan => {
                self.take_names(now, repair, &chunk);
            }
            (Ask::Digests { window: asked }, Lend::Digests { window, digests }) if asked == window => {
                let points = match &repair.pinned {
                    Some(pinned) => Points::Pinned(Arc::clone(pinned)),
                    None => Points::Fresh(Box::new(self.store.lasting_view())),
                };
                let (places, horizon_ms) = (Arc::clone(&repair.places), repair.terms.horizon_ms);
                let job = CompareJob { loan, points, places, window, horizon_ms, digests };
                self.jobs.push_back(Job::Compare(Box::new(job)));
                self.repairs.current = Some(Repair { step: Step::Comparing, ..repair });
            }
            (Ask::Points(want), Lend::Points { window, shards, from, next, frame })
                if (want.window, want.shards, want.from) == (window, shards, from) =>
            {
                match frame {
                    Some(frame) if frame.id().origin == loan => {
                        self.restore(now, repair, Box::new(frame), next)
                    }
                    Some(_) => self.give_up(now, repair, "the lender sent another loan's points"),
                    None => self.next_points(now, repair, next),
                }
            }
            (asked, _) => self.repairs.current = Some(Repair { step: Step::Asking(asked), ..repair }),
        }
    }

    fn take_terms(&mut self, now: Duration, mut repair: Repair, mut terms: Terms) {
        for origin in &self.retired {
            terms.frontier.remove(*origin);
            terms.shown.remove(*origin);
        }
        terms.shown.remove(HISTORY);
        if !self.is_credible(repair.lender, terms.frontier.iter().chain(terms.shown.iter())) {
            return self.give_up(now, repair, "the lender claims frames of ours that we never wrote");
        }
        // That an origin is over may stand in a frame that is owed. What the lender knows of it becomes ours with the debt.
        let over = self.over_with(&terms);
        let mut owed = self.store.debt().map(|debt| debt.frontier.clone()).unwrap_or_default();
        let mut needed = self.repairs.needed.as_ref().map(|(_, needed)| needed).cloned().unwrap_or_default();
        for origin in self.retired.iter().chain(&over) {
            needed.remove(*origin);
            owed.remove(*origin);
            terms.shown.remove(*origin);
        }
        // A lender that has let go of less holds itself what the history stands for.
        let history = owed.get(HISTORY).max(needed.get(HISTORY));
        terms.frontier.merge(&Frontier::from_entries([(HISTORY, history)]));
        if repair.is_pooling {
            terms.frontier.merge(&owed);
        }
        if !terms.frontier.covers(&owed) || repair.owes && !terms.damaged.is_empty() {
            self.repairs.short += 1;
            // Nobody in reach has it: it is lost, and named as such, as a hole or as damage.
            let in_reach = self.peers.values().filter(|peer| peer.is_reachable(now)).count();
            if self.repairs.short < 4 * in_reach.max(1) as u32 {
                return self.give_up(now, repair, "the lender has not all that is owed");
            }
        }
        self.repairs.short = 0;
        if repair.owes && self.store.debt().is_none() && self.lends_to_lesser() {
            return self.give_up(now, repair, "a node that lacks frames too goes first");
        }
        if self.store.debt().is_none() && repair.owes && self.store.have().covers(&terms.frontier) {
            return self.give_up(now, repair, "the lender lacks the same");
        }
        if !terms.frontier.covers(&needed) {
            repair.mending.clear();
        }
        repair.mending.retain(|mark| !terms.damaged.contains(&mark.window));
        if !repair.owes && repair.mending.is_empty() {
            return self.give_up(now, repair, "the lender has not all that is damaged here");
        }
        let oldest = window_of(shoal_model::Kind::Gauge, terms.horizon_ms);
        let is_concerned = |window: &i64| {
            let is_mended = match *window {
                BELOW_HORIZON => repair.mending.iter().any(|mended| mended.window < oldest),
                window => repair.mending.iter().any(|mended| mended.window == window),
            };
            repair.owes || is_mended
        };
        repair.windows = terms.windows.iter().copied().filter(is_concerned).collect();
        if repair.owes && !self.take_on(repair.loan, &terms, &over) {
            return self.give_up(now, repair, "what it knows could not be stored");
        }
        if self.store.will_show(&terms.shown) {
            // What is shown now was asked of nobody yet.
            self.peers.values_mut().for_each(|peer| peer.rounds = 0);
        }
        let windows = repair.windows.iter().copied().collect();
        repair.terms = Terms { windows, ..terms };
        self.repairs.current = Some(Repair { step: Step::Recording, ..repair });
    }

    /// Takes on the debt, and with it what the lender knows of members and metrics; false if that cannot be stored.
    fn take_on(&mut self, loan: Origin, terms: &Terms, over: &[Origin]) -> bool {
        if let Err(error) = self.learn_voids_among(&terms.members) {
            tracing::warn!(%error, "the others could not be told of a frame that was given up");
            return false;
        }
        if let Some(notes) = terms.notes.as_ref().filter(|notes| notes.id().origin == loan)
            && let Err(error) = self.store.restore(notes)
        {
            tracing::warn!(%error, "what a lender knows of metrics could not be stored");
            return false;
        }
        self.join_notices(&terms.members);
        self.retire(over);
        self.keep_members();
        self.history.settle(terms.frontier.get(HISTORY));
        self.store.incur(&terms.frontier);
        true
    }

    fn take_names(&mut self, now: Duration, mut repair: Repair, chunk: &Chunk) {
        let known = self.store.table_len(repair.loan);
        if let Err(error) = self.store.define(chunk) {
            tracing::warn!(%error, "a lender's streams could not be stored");
            return self.give_up(now, repair, "its streams could not be stored");
        }
        let next = self.store.table_len(repair.loan);
        if next >= repair.terms.streams {
            repair.places = self.store.loan_places(repair.loan).into();
            self.next_window(now, repair);
        } else if next > known {
            self.ask(now, repair, Ask::Names { first: next });
        } else {
            self.give_up(now, repair, "the lender does not name its streams");
        }
    }

    fn next_window(&mut self, now: Duration, mut repair: Repair) {
        match repair.windows.front().copied() {
            Some(window) => self.ask(now, repair, Ask::Digests { window }),
            None => {
                repair.step = Step::Settling { has_begun: false };
                self.go_on(now, repair);
            }
        }
    }

    /// A window has been compared.
    pub(super) fn take_compared(&mut self, now: Duration, compared: Compared) {
        let Compared { loan, pinned, wants } = compared;
        let Some(repair) = self.repairs.current.take_if(|repair| repair.loan == loan) else { return };
        let repair = Repair {
            wants: if shoal_merge::Mutant::DebtPaidUnseen.is_on() { VecDeque::new() } else { wants.into() },
            pinned: Some(pinned),
            ..repair
        };
        self.next_want(now, repair);
    }

    /// Asks for what differs, or goes on to the next window.
    fn next_want(&mut self, now: Duration, mut repair: Repair) {
        match repair.wants.front().cloned() {
            Some(want) => self.ask_after_pause(now, repair, Ask::Points(want)),
            None => {
                repair.windows.pop_front();
                self.next_window(now, repair);
            }
        }
    }

    fn next_points(&mut self, now: Duration, mut repair: Repair, next: Option<Cursor>) {
        match (next, repair.wants.front_mut()) {
            (Some(next), Some(want)) if next > want.from => want.from = next,
            (Some(_), Some(_)) => return self.give_up(now, repair, "the lender does not get on"),
            _ => drop(repair.wants.pop_front()),
        }
        self.next_want(now, repair);
    }

    fn restore(&mut self, now: Duration, mut repair: Repair, frame: Box<Frame>, next: Option<Cursor>) {
        match self.store.restore(&frame) {
            Ok(()) => {
                self.told = Frontier::default();
                repair.points += u64::from(frame.header().points);
                self.next_points(now, repair, next);
            }
            Err(StoreError::Behind) => {
                self.repairs.current = Some(Repair { step: Step::Holding(frame, next), ..repair });
            }
            Err(error) => {
                tracing::warn!(%error, "what a lender sent could not be stored");
                self.give_up(now, repair, "its points could not be stored");
            }
        }
    }

    /// Everything is here; once it is durable the debt is settled.
    fn settle_repair(&mut self, now: Duration, mut repair: Repair, has_begun: bool) {
        let is_left = |node: NodeId| node != repair.lender && !self.repairs.pooled.contains(&node);
        let owes_still = repair.is_pooling && self.other_members().any(is_left);
        if !has_begun {
            let settlement = Settlement {
                loan: repair.loan,
                frontier: (repair.owes && !owes_still).then(|| repair.terms.frontier.clone()),
                mended: repair.mending.clone(),
                inherited: if repair.owes { repair.terms.damaged.clone() } else { Vec::new() },
            };
            let has_begun = self.store.settle(settlement);
            self.repairs.current = Some(Repair { step: Step::Settling { has_begun }, ..repair });
            return;
        }
        if self.store.is_settling() {
            repair.step = Step::Settling { has_begun };
            self.repairs.current = Some(repair);
            return;
        }
        let Repair { loan, lender, points, began, is_pooling, .. } = repair;
        self.send(lender, &Message::Ask { loan, ask: Ask::Nothing });
        if is_pooling {
            self.repairs.pooled.insert(lender);
        }
        if self.store.debt().is_none() {
            self.repairs.pooled.clear();
            if is_pooling {
                tracing::warn!("no member was whole: all have been asked, and what none of them had is lost");
                self.counters.debts_written_off += 1;
            }
        }
        self.repairs.needed = None;
        self.peers.values_mut().for_each(Peer::forget_gap);
        self.next_compare = now;
        self.tell_held();
        self.events.push_back(Event::Repaired { lender, points, took: now.saturating_sub(began) });
    }

    fn give_up(&mut self, now: Duration, repair: Repair, reason: &'static str) {
        let Repair { loan, lender, .. } = repair;
        self.store.end_loan(loan);
        self.send(lender, &Message::Ask { loan, ask: Ask::Nothing });
        self.repairs.resting.push((lender, now + LENDER_REST));
        self.events.push_back(Event::RepairGivenUp { lender, reason });
    }
}
