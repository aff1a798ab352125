//! Bugs that somebody might make, one switch each, so that a test can see the simulation find them. Only the feature
//! `mutants` compiles them in; else every switch is off for ever.

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Of two values under one identity the last stays, not the greater.
    LastOfTwo,
    /// The fingerprint of a frontier forgets how far each origin is.
    FingerprintForgetsHeads,
    /// A gap in an origin's frames is stepped over.
    StepsOverGaps,
    /// What is applied is called held before it is synced.
    HeldBeforeSync,
    /// A sync that failed passes for one that did not.
    FailedSyncIgnored,
    /// What a start finds in its journal is taken for durable.
    CacheTrusted,
    /// A frame that has rotted is still called held.
    HolesHidden,
    /// A replay forgets the last record.
    ReplayForgetsLast,
    /// What a door accepted out of order is refused from a peer.
    RefusesOutOfOrder,
    /// A write is answered before it is synced.
    AnswersBeforeSync,
    /// A copy counts as soon as it is pushed.
    PushedCountsAsHeld,
    /// A reply to a probe counts though what it tells of is not here.
    CompleteUncovered,
    /// A member that never told counts as complete.
    SilentIsComplete,
    /// Only a node's own frames are served.
    NothingRelayed,
    /// Of two records of a member the last stays, not the greater.
    LastMemberRecord,
    /// A repair fetches nothing and calls the debt paid.
    DebtPaidUnseen,
    /// A process uses the origin of the one before it.
    OriginReused,
    /// A memtable takes all that comes.
    NeverFull,
}

impl Mutant {
    /// Every bug.
    pub const ALL: [Mutant; 18] = [
        Mutant::LastOfTwo,
        Mutant::FingerprintForgetsHeads,
        Mutant::StepsOverGaps,
        Mutant::HeldBeforeSync,
        Mutant::FailedSyncIgnored,
        Mutant::CacheTrusted,
        Mutant::HolesHidden,
        Mutant::ReplayForgetsLast,
        Mutant::RefusesOutOfOrder,
        Mutant::AnswersBeforeSync,
        Mutant::PushedCountsAsHeld,
        Mutant::CompleteUncovered,
        Mutant::SilentIsComplete,
        Mutant::NothingRelayed,
        Mutant::LastMemberRecord,
        Mutant::DebtPaidUnseen,
        Mutant::OriginReused,
        Mutant::NeverFull,
    ];

    /// Whether this thread makes it.
    #[cfg(feature = "mutants")]
    pub fn is_on(self) -> bool {
        ON.get() == Some(self)
    }

    /// Nobody makes it.
    #[cfg(not(feature = "mutants"))]
    pub const fn is_on(self) -> bool {
        false
    }
}

#[cfg(feature = "mutants")]
thread_local! {
    static ON: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// From now on this thread makes this bug, or none.
#[cfg(feature = "mutants")]
pub fn switch(mutant: Option<Mutant>) {
    ON.set(mutant);
}
