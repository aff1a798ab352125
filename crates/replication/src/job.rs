//! Work for another thread: the store's own jobs, and what a loan takes on either side. A driver runs them in any
//! order and hands the results back.

use std::sync::Arc;

use shoal_model::{NodeId, Origin};
use shoal_store::{Comparison, Lender, Pinned, ShardDigests, View, Want};

use crate::wire::{Ask, Lend, Terms};

/// Work for another thread.
pub enum Job {
    /// The store's.
    Store(shoal_store::Job),
    /// Answers what a debtor asked.
    Lend(Box<LendJob>),
    /// Compares a window with a lender's.
    Compare(Box<CompareJob>),
}

/// A job that has been run.
pub enum Done {
    /// The store's.
    Store(shoal_store::Done),
    /// An answer for a debtor.
    Lent(Box<Lent>),
    /// What is to be asked for.
    Compared(Box<Compared>),
}

/// What a debtor asked.
pub struct LendJob {
    pub(crate) debtor: NodeId,
    pub(crate) loan: Origin,
    pub(crate) source: Source,
}

/// From where it is answered.
pub(crate) enum Source {
    /// A view that is to be kept from now on, and what is known of it already.
    Fresh(Box<View>, Terms),
    /// A view that is kept.
    Kept(Lender, Ask),
}

/// An answer for a debtor.
pub struct Lent {
    pub(crate) debtor: NodeId,
    pub(crate) loan: Origin,
    pub(crate) lender: Option<Lender>,
    pub(crate) lend: Lend,
}

/// A window that is to be compared.
pub struct CompareJob {
    pub(crate) loan: Origin,
    pub(crate) points: Points,
    pub(crate) places: Arc<[u32]>,
    pub(crate) window: i64,
    pub(crate) horizon_ms: i64,
    pub(crate) digests: ShardDigests,
}

/// The debtor's own points.
pub(crate) enum Points {
    Fresh(Box<View>),
    Pinned(Arc<Pinned>),
}

/// What is to be asked for.
pub struct Compared {
    pub(crate) loan: Origin,
    pub(crate) pinned: Arc<Pinned>,
    pub(crate) wants: Vec<Want>,
}

impl Job {
    /// Runs the job; it may block on the disk and take its time.
    pub fn run(self) -> Done {
        match self {
            Job::Store(job) => Done::Store(job.run()),
            Job::Lend(job) => Done::Lent(Box::new(job.run())),
            Job::Compare(job) => Done::Compared(Box::new(job.run())),
        }
    }
}

impl LendJob {
    fn run(self) -> Lent {
        let Self { debtor, loan, source } = self;
        match source {
            Source::Fresh(view, terms) => {
                let lender = Lender::new(loan, *view);
                let terms = Terms {
                    horizon_ms: lender.pinned().horizon_ms(),
                    streams: lender.streams(),
                    windows: lender.pinned().windows(),
                    damaged: lender.damaged().collect(),
                    notes: lender.notes().ok(),
                    ..terms
                };
                Lent { debtor, loan, lender: Some(lender), lend: Lend::View(terms) }
            }
            Source::Kept(lender, ask) => {
                let lend = answer(&lender, ask);
                Lent { debtor, loan, lender: None, lend }
            }
        }
    }
}

fn answer(lender: &Lender, ask: Ask) -> Lend {
    match ask {
        Ask::Names { first } => Lend::Names(lender.names(first)),
        Ask::Digests { window } => match lender.digests(window) {
            Ok(digests) => Lend::Digests { window, digests },
            Err(_) => Lend::Refused,
        },
        Ask::Points(want) => match lender.lend(&want) {
            Ok(lent) => {
                let shoal_store::Lent { frame, next } = lent;
                Lend::Points { window: want.window, shards: want.shards, from: want.from, next, frame }
            }
            Err(error) => {
                tracing::warn!(%error, "points that another node lacks cannot be lent");
                Lend::Refused
            }
        },
        Ask::View | Ask::Nothing => Lend::Refused,
    }
}

impl CompareJob {
    fn run(self) -> Compared {
        let Self { loan, points, places, window, horizon_ms, digests } = self;
        let pinned = match points {
            Points::Fresh(view) => Arc::new(Pinned::new(*view)),
            Points::Pinned(pinned) => pinned,
        };
        let comparison =
            Comparison { pinned: Arc::clone(&pinned), places, window, horizon_ms, lender: digests };
        Compared { loan, pinned, wants: comparison.run() }
    }
}
