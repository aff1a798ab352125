//! How far this node's answers are complete. A probe leaves for each member, which replies with all that it has
//! applied; once that is here too, everything that the member held when the probe left is here. The least such time
//! over all members is the answer: later points may still be missing, and late ones may still land below it.

use std::collections::BTreeMap;

use shoal_merge::Frontier;
use shoal_model::NodeId;

/// Replies of one member that wait until we have what they tell of; a new one then takes the oldest's place.
const REPLIES_MAX: usize = 4;

/// What is known of each member.
#[derive(Debug, Default)]
pub(crate) struct Completeness {
    members: BTreeMap<NodeId, Told>,
}

#[derive(Debug, Default)]
struct Told {
    until_ms: Option<i64>,
    replies: Vec<(i64, Frontier)>,
}

impl Completeness {
    /// A member has replied to the probe that left at `probe_ms`, by our own clock.
    pub(crate) fn handle_reply(&mut self, member: NodeId, probe_ms: i64, has: Frontier) {
        let told = self.members.entry(member).or_default();
        if told.replies.len() == REPLIES_MAX {
            told.replies.remove(0);
        }
        told.replies.push((probe_ms, has));
    }

    /// What we have may have grown.
    pub(crate) fn settle(&mut self, have: &Frontier) {
        for told in self.members.values_mut() {
            let covered = told
                .replies
                .iter()
                .filter(|(_, has)| have.covers(has) || shoal_merge::Mutant::CompleteUncovered.is_on())
                .map(|(at, _)| *at)
                .max();
            told.until_ms = told.until_ms.max(covered);
            told.replies.retain(|(at, _)| Some(*at) > told.until_ms);
        }
    }

    /// Replies that are not covered yet, of all members.
    pub(crate) fn reply_count(&self) -> usize {
        self.members.values().map(|told| told.replies.len()).sum()
    }

    /// The least time over the members given; `None` if one of them never replied.
    pub(crate) fn until(&self, mut members: impl Iterator<Item = NodeId>, now_ms: i64) -> Option<i64> {
        if shoal_merge::Mutant::SilentIsComplete.is_on() {
            return Some(now_ms);
        }
        members.try_fold(now_ms, |until, member| Some(until.min(self.members.get(&member)?.until_ms?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shoal_model::Origin;

    fn frontier(seq: u64) -> Frontier {
        Frontier::from_entries([(Origin([1; 16]), seq)])
    }

    const A: NodeId = NodeId([1; 16]);
    const B: NodeId = NodeId([2; 16]);

    #[test]
    fn an_answer_is_complete_up_to_the_newest_probe_whose_reply_is_covered() {
        let mut complete = Completeness::default();
        assert_eq!(complete.until([A].into_iter(), 99), None);
        complete.handle_reply(A, 10, frontier(1));
        complete.handle_reply(A, 20, frontier(5));
        complete.settle(&frontier(3));
        assert_eq!(complete.until([A].into_iter(), 99), Some(10));
        complete.settle(&frontier(5));
        assert_eq!(complete.until([A].into_iter(), 99), Some(20));
        assert_eq!(complete.until([A, B].into_iter(), 99), None, "nothing is known of the other");
        assert_eq!(complete.until(std::iter::empty(), 99), Some(99), "alone it is complete up to now");
    }

    #[test]
    fn replies_that_are_never_covered_stay_few() {
        let mut complete = Completeness::default();
        (0..100).for_each(|at| complete.handle_reply(A, at, frontier(at as u64 + 1)));
        assert_eq!(complete.members[&A].replies.len(), REPLIES_MAX);
    }
}
