//! Writes that wait for copies. A copy is a synced copy on a member, our own among them. A write ends when it has
//! as many as it asked for, or when its time is over: then it is told how many there are.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use shoal_store::FrameId;
use thiserror::Error;

/// Names a write until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// How many synced copies a write waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acks {
    /// Two if another member answers within a second, else one.
    #[default]
    Auto,
    /// This many.
    Count(u32),
    /// More than half of the members.
    Majority,
    /// All members.
    All,
}

/// A word that names no number of copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("acks is auto, majority, all or a number from 1 on")]
pub struct ParseAcksError;

impl FromStr for Acks {
    type Err = ParseAcksError;

    fn from_str(text: &str) -> Result<Self, ParseAcksError> {
        match text {
            "" | "auto" => Ok(Acks::Auto),
            "majority" => Ok(Acks::Majority),
            "all" => Ok(Acks::All),
            number => match number.parse() {
                Ok(count @ 1..) => Ok(Acks::Count(count)),
                _ => Err(ParseAcksError),
            },
        }
    }
}

/// A write's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The frame that holds it.
    pub frame: FrameId,
    /// Synced copies by now.
    pub copies: u32,
}

/// The copies that a write asked for could not be had. It is stored on `copies` nodes and may become visible
/// everywhere later; sending it again is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "only {copies} of the {wanted} copies asked for could be made; what was written may still become visible, and sending it again is free"
)]
pub struct TooFewCopies {
    /// Synced copies by now.
    pub copies: u32,
    /// Copies asked for.
    pub wanted: u32,
}

/// What the copies are counted against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Electorate {
    /// Members, reachable or not, ourselves included.
    pub(crate) members: u32,
    /// Whether another member is reachable.
    pub(crate) has_company: bool,
    /// Whether our own disk still syncs.
    pub(crate) syncs: bool,
}

impl Acks {
    /// How many copies that is now.
    pub(crate) fn wanted(self, electorate: Electorate) -> u32 {
        match self {
            Acks::Auto => {
                if electorate.has_company {
                    2
                } else {
                    1
                }
            }
            Acks::Count(count) => count,
            Acks::Majority => electorate.members / 2 + 1,
            Acks::All => electorate.members,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    ticket: Ticket,
    acks: Acks,
    until: Duration,
}

/// A write that ended.
pub(crate) type Ended = (Ticket, Result<Receipt, TooFewCopies>);

/// The writes that wait, by the number of their frame.
#[derive(Default, Debug)]
pub(crate) struct Writes {
    waiting: BTreeMap<u64, Waiting>,
}

impl Writes {
    pub(crate) fn wait(&mut self, seq: u64, ticket: Ticket, acks: Acks, until: Duration) {
        self.waiting.insert(seq, Waiting { ticket, acks, until });
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// When the next write's time is over. One that is overdue waits for a sync, which needs no timer.
    pub(crate) fn next_end(&self, now: Duration) -> Option<Duration> {
        self.waiting.values().map(|waiting| waiting.until).filter(|until| *until > now).min()
    }

    /// Ends the writes that have their copies or whose time is over. `copies(seq)` counts the synced copies of
    /// our frame; where our own disk syncs no more, nobody waits for it.
    pub(crate) fn settle(
        &mut self,
        now: Duration,
        electorate: Electorate,
        frame: impl Fn(u64) -> FrameId,
        copies: impl Fn(u64) -> u32,
    ) -> Vec<Ended> {
        let mut ended = Vec::new();
        self.waiting.retain(|seq, waiting| {
            let (copies, wanted) = (copies(*seq), waiting.acks.wanted(electorate));
            let is_over = waiting.until <= now;
            let result = if copies >= wanted || is_over && waiting.acks == Acks::Auto && copies > 0 {
                Ok(Receipt { frame: frame(*seq), copies })
            } else if is_over && (waiting.acks != Acks::Auto || !electorate.syncs) {
                Err(TooFewCopies { copies, wanted })
            } else {
                return true;
            };
            ended.push((waiting.ticket, result));
            false
        });
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shoal_model::Origin;

    fn settle(
        acks: Acks,
        copies: u32,
        members: u32,
        has_company: bool,
        is_over: bool,
    ) -> Option<Result<u32, u32>> {
        let mut writes = Writes::default();
        writes.wait(1, Ticket(7), acks, Duration::from_secs(1));
        let now = Duration::from_millis(if is_over { 1_000 } else { 999 });
        let frame = |seq| FrameId { origin: Origin([1; 16]), seq };
        let ended = writes.settle(now, Electorate { members, has_company, syncs: true }, frame, |_| copies);
        ended.first().map(|(_, result)| result.map(|receipt| receipt.copies).map_err(|few| few.wanted))
    }

    #[test]
    fn auto_waits_for_two_copies_only_while_there_is_company() {
        assert_eq!(settle(Acks::Auto, 1, 3, true, false), None);
        assert_eq!(settle(Acks::Auto, 2, 3, true, false), Some(Ok(2)));
        assert_eq!(settle(Acks::Auto, 1, 3, false, false), Some(Ok(1)));
        assert_eq!(settle(Acks::Auto, 1, 3, true, true), Some(Ok(1)));
        assert_eq!(settle(Acks::Auto, 0, 3, true, true), None, "nothing is acknowledged that is not synced");
    }

    #[test]
    fn a_number_of_copies_is_had_or_refused_in_time() {
        assert_eq!(settle(Acks::Count(3), 2, 3, true, false), None);
        assert_eq!(settle(Acks::Count(3), 2, 3, true, true), Some(Err(3)));
        assert_eq!(settle(Acks::Majority, 2, 3, true, false), Some(Ok(2)));
        assert_eq!(settle(Acks::All, 2, 3, true, true), Some(Err(3)));
    }

    #[test]
    fn acks_parse_as_the_header_says() {
        assert_eq!("".parse(), Ok(Acks::Auto));
        assert_eq!("majority".parse(), Ok(Acks::Majority));
        assert_eq!("2".parse(), Ok(Acks::Count(2)));
        assert_eq!("0".parse::<Acks>(), Err(ParseAcksError));
        assert_eq!("two".parse::<Acks>(), Err(ParseAcksError));
    }
}
