//! `complete_until` never lies: what a member had synced of its own frames by then is on the node that says so. A
//! member whose disk was harmed afterwards is not asked: nobody can be told what it once had.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shoal_merge::Frontier;
use shoal_model::{NodeId, Origin};

/// When each life had synced how much of its own frames.
#[derive(Debug, Default)]
pub struct Diary {
    nodes: BTreeMap<NodeId, Vec<Entry>>,
    silenced: BTreeSet<Origin>,
    /// Nodes of which two processes may be about: either answers for the other.
    doubled: BTreeSet<NodeId>,
}

#[derive(Debug)]
struct Entry {
    origin: Origin,
    synced: Vec<(Duration, u64)>,
}

impl Diary {
    /// A life has synced its own frames up to a number.
    pub fn note(&mut self, at: Duration, node: NodeId, origin: Origin, seq: u64) {
        if self.silenced.contains(&origin) || self.doubled.contains(&node) {
            return;
        }
        let lives = self.nodes.entry(node).or_default();
        match lives.iter_mut().rfind(|life| life.origin == origin) {
            Some(life) if life.synced.last().is_some_and(|(_, last)| *last >= seq) => {}
            Some(life) => life.synced.push((at, seq)),
            None => lives.push(Entry { origin, synced: vec![(at, seq)] }),
        }
    }

    /// A node's disk was harmed: what it had is not to be asked for.
    pub fn forget(&mut self, node: NodeId) {
        self.nodes.remove(&node);
    }

    /// A life has got a double, which others may ask in its place.
    pub fn silence(&mut self, node: NodeId, origin: Origin) {
        self.forget(node);
        self.silenced.insert(origin);
        self.doubled.insert(node);
    }

    /// One of two processes of a node has stopped for good.
    pub fn end_double(&mut self, node: NodeId) {
        self.doubled.remove(&node);
    }

    /// What is wrong with a node's word that all that these members held at a time is in what it has. An origin that
    /// wrote nothing since `kept_from` may have been let go of: its points are below the horizon.
    pub fn check(
        &self,
        until: Duration,
        kept_from: Duration,
        members: &[NodeId],
        have: &Frontier,
    ) -> Result<(), String> {
        for member in members {
            for life in self.nodes.get(member).into_iter().flatten() {
                let by_then = life.synced.partition_point(|(at, _)| *at <= until);
                let synced = by_then.checked_sub(1).map_or(0, |last| life.synced[last].1);
                let is_over = life.synced.last().is_none_or(|(at, _)| *at < kept_from);
                let may_be_gone = is_over && have.get(life.origin) == 0;
                if synced > have.get(life.origin) && !may_be_gone {
                    return Err(format!(
                        "complete up to {until:?}, but {member} had then synced {synced} frames of its origin {}, of \
                         which {} are here",
                        life.origin,
                        have.get(life.origin)
                    ));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_a_member_had_by_then_must_be_here() {
        let (node, origin) = (NodeId([1; 16]), Origin([2; 16]));
        let mut diary = Diary::default();
        diary.note(Duration::from_secs(1), node, origin, 3);
        diary.note(Duration::from_secs(2), node, origin, 5);
        let have = Frontier::from_entries([(origin, 4)]);
        assert!(diary.check(Duration::from_millis(1_999), Duration::ZERO, &[node], &have).is_ok());
        assert!(diary.check(Duration::from_secs(2), Duration::ZERO, &[node], &have).is_err());
        let since = Duration::from_secs(3);
        assert!(diary.check(Duration::from_secs(2), since, &[node], &have).is_err(), "it is not let go of");
        assert!(diary.check(Duration::from_secs(2), since, &[node], &Frontier::default()).is_ok());
        diary.silence(node, origin);
        diary.note(Duration::from_secs(4), node, Origin([3; 16]), 1);
        assert!(diary.check(Duration::from_secs(2), Duration::ZERO, &[node], &have).is_ok());
    }
}
