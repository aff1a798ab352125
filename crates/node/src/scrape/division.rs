//! Who scrapes what: the nodes that have a job divide its targets by rendezvous hashing, each by itself and with
//! the same result. Pure. While nodes come and go they may see one another differently, so a node takes a target
//! up sooner (one interval) than it gives one up (three): for a while both scrape it, never none, and who gives up has
//! seen the other scrape.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use shoal_model::NodeId;

use super::target::{Target, TargetId};
use crate::rendezvous;

/// How many intervals the others must have stood before a node takes a target of theirs.
const TAKE_AFTER: u32 = 1;
/// How many before it gives one to them.
const GIVE_AFTER: u32 = 3;

/// A job as nodes share it: by name and by all that its file says of it.
pub(super) type JobKey = (String, String);

/// What this node sees of who has which job.
pub(super) struct Division {
    me: NodeId,
    jobs: BTreeMap<JobKey, Sharers>,
}

struct Sharers {
    nodes: BTreeSet<NodeId>,
    /// Since when it is these; `None` for the first that were seen, which need not stand.
    since: Option<Instant>,
}

impl Division {
    /// Nobody was seen yet.
    pub(super) fn new(me: NodeId) -> Self {
        Self { me, jobs: BTreeMap::new() }
    }

    /// The others that have a job now.
    pub(super) fn observe(&mut self, now: Instant, job: JobKey, others: BTreeSet<NodeId>) {
        let mut nodes = others;
        nodes.insert(self.me);
        match self.jobs.get_mut(&job) {
            Some(sharers) if sharers.nodes == nodes => {}
            Some(sharers) => *sharers = Sharers { nodes, since: Some(now) },
            None => drop(self.jobs.insert(job, Sharers { nodes, since: None })),
        }
    }

    /// Whether this node scrapes a target from now on; `mine` says whether it does so far.
    pub(super) fn is_mine(&self, now: Instant, target: &Target, mine: bool) -> bool {
        let key = (target.job.name.clone(), target.job.fingerprint.clone());
        let Some(sharers) = self.jobs.get(&key) else { return mine };
        let ours = owner(&sharers.nodes, &target.id) == Some(self.me);
        if ours == mine {
            return mine;
        }
        let intervals = if ours { TAKE_AFTER } else { GIVE_AFTER };
        let has_stood = |since| now.saturating_duration_since(since) >= target.interval * intervals;
        if sharers.since.is_none_or(has_stood) { ours } else { mine }
    }

    /// Whether the nodes that share a target's job are others than at the beginning.
    pub(super) fn is_taken_over(&self, target: &Target) -> bool {
        let key = (target.job.name.clone(), target.job.fingerprint.clone());
        self.jobs.get(&key).is_some_and(|sharers| sharers.since.is_some())
    }

    /// Who scrapes a target once all is quiet.
    #[cfg(test)]
    fn owner(&self, target: &Target) -> Option<NodeId> {
        let key = (target.job.name.clone(), target.job.fingerprint.clone());
        owner(&self.jobs.get(&key)?.nodes, &target.id)
    }
}

/// The node that a target belongs to.
fn owner(nodes: &BTreeSet<NodeId>, target: &TargetId) -> Option<NodeId> {
    rendezvous::owner(nodes, hash(target).as_bytes())
}

/// A hash of all that names a target.
fn hash(target: &TargetId) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    let labels = target.labels.iter().flat_map(|(name, value)| [name, value]);
    for part in [&target.job, &target.url].into_iter().chain(labels) {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    hasher.finalize()
}

/// Where in its interval a target is scraped: targets are spread, and each keeps its place on every node.
pub(super) fn offset(target: &TargetId, interval: Duration) -> Duration {
    let word = hash(target).as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let interval_ms = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).max(1);
    Duration::from_millis(word % interval_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrape::target::{targets, tests::jobs};
    use crate::scrape::typed::TypedGroup;

    fn some_targets(count: usize) -> Vec<Target> {
        let job = &jobs("scrape_configs: [{job_name: j, scrape_interval: 10s}]")[0];
        let addresses = (0..count).map(|number| format!("h{number}:1")).collect();
        let group = TypedGroup { targets: addresses, labels: BTreeMap::new() };
        targets(job, [&group].into_iter()).active
    }

    fn node(number: u8) -> NodeId {
        NodeId([number; 16])
    }

    fn observed(me: u8, nodes: &[u8], target: &Target) -> Division {
        let mut division = Division::new(node(me));
        let key = (target.job.name.clone(), target.job.fingerprint.clone());
        division.observe(Instant::now(), key, nodes.iter().map(|number| node(*number)).collect());
        division
    }

    #[test]
    fn every_target_has_one_node_and_only_a_lost_nodes_targets_move() {
        let targets = some_targets(300);
        let owners = |nodes: &[u8]| -> Vec<_> {
            let division = observed(nodes[0], nodes, &targets[0]);
            targets.iter().map(|target| division.owner(target).unwrap()).collect()
        };
        let (three, two) = (owners(&[1, 2, 3]), owners(&[1, 2]));
        assert_eq!(owners(&[3, 2, 1]), three, "all nodes divide alike");
        for number in 1..=3 {
            assert!(three.iter().filter(|owner| **owner == node(number)).count() > 60, "{three:?}");
        }
        for (before, after) in three.iter().zip(&two) {
            assert!(before == after || *before == node(3));
        }
    }

    #[test]
    fn a_target_is_taken_after_one_interval_and_given_after_three() {
        let targets = some_targets(100);
        let target = &targets[0];
        let key = (target.job.name.clone(), target.job.fingerprint.clone());
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let first = observed(1, &[2], target).owner(target).unwrap().0[0];
        let (owner, other) = if first == 1 { (1, 2) } else { (2, 1) };

        let mut division = Division::new(node(other));
        division.observe(begin, key.clone(), BTreeSet::from([node(owner)]));
        assert!(!division.is_mine(begin, target, false), "the first that are seen hold at once");
        division.observe(at(100), key.clone(), BTreeSet::new());
        division.observe(at(105), key.clone(), BTreeSet::new());
        assert!(!division.is_mine(at(109), target, false));
        assert!(division.is_mine(at(110), target, false));
        division.observe(at(200), key, BTreeSet::from([node(owner)]));
        assert!(division.is_mine(at(229), target, true));
        assert!(!division.is_mine(at(230), target, true));
    }

    #[test]
    fn targets_are_spread_over_their_interval() {
        let interval = Duration::from_secs(10);
        let offsets: BTreeSet<_> =
            some_targets(100).iter().map(|target| offset(&target.id, interval)).collect();
        assert!(offsets.len() > 90 && offsets.iter().all(|offset| *offset < interval));
    }
}
