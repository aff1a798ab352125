//! The nodes that a client knows, and the order in which to ask them. Pure: told of members, answers, failures
//! and measured round trips, it says whom to ask next.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::address::Address;
use crate::limits::{REST_MAX, REST_MIN, RTT_SLACK};

/// Which node a call asks first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum NodeOrder {
    /// The nearest, and the same one as long as it answers.
    #[default]
    Nearest,
    /// Each call the next one.
    RoundRobin,
}

/// Seeds and members with what is known of each.
#[derive(Debug)]
pub(crate) struct Roster {
    order: NodeOrder,
    seeds: Vec<Address>,
    /// In order of address; the seeds until the members are known.
    members: Vec<Address>,
    health: BTreeMap<Address, Health>,
    preferred: Option<Address>,
    turn: usize,
}

#[derive(Clone, Debug, Default)]
struct Health {
    rtt: Option<Duration>,
    failures: u32,
    rests_until: Option<Instant>,
}

impl Roster {
    pub(crate) fn new(seeds: Vec<Address>, order: NodeOrder) -> Self {
        let members = seeds.clone();
        Self { order, seeds, members, health: BTreeMap::new(), preferred: None, turn: 0 }
    }

    /// Every node, the one to ask first in front; those that failed a short time ago are last. Seeds that are
    /// no members come after the members: they may be other names of them, or lead to members never heard of.
    pub(crate) fn candidates(&mut self, now: Instant) -> Vec<Address> {
        let mut listed = self.members.clone();
        match self.order {
            NodeOrder::Nearest => listed.sort_by_key(|node| self.distance(node)),
            NodeOrder::RoundRobin => {
                let turn = self.turn % listed.len().max(1);
                listed.rotate_left(turn);
                self.turn = self.turn.wrapping_add(1);
            }
        }
        listed.extend(self.seeds.iter().filter(|seed| !self.members.contains(seed)).cloned());
        listed.sort_by_key(|node| self.rest(node, now));
        listed
    }

    /// Every node, in no order that means anything.
    pub(crate) fn known(&self) -> Vec<Address> {
        let others = self.seeds.iter().filter(|seed| !self.members.contains(seed));
        self.members.iter().chain(others).cloned().collect()
    }

    /// The members are these. An empty list says nothing.
    pub(crate) fn learn(&mut self, mut members: Vec<Address>) {
        if members.is_empty() {
            return;
        }
        members.sort();
        members.dedup();
        self.members = members;
        let known = self.known();
        self.health.retain(|node, _| known.contains(node));
    }

    /// A node answered a call.
    pub(crate) fn answered(&mut self, node: &Address, now: Instant) {
        if let Some(health) = self.health.get_mut(node) {
            (health.failures, health.rests_until) = (0, None);
        }
        if !self.preferred_stands(now) {
            self.preferred = Some(node.clone());
        }
    }

    /// A node failed a call, or was overtaken by one that was asked later.
    pub(crate) fn failed(&mut self, node: &Address, now: Instant) {
        let health = self.health.entry(node.clone()).or_default();
        let rest = REST_MIN.saturating_mul(1 << health.failures.min(16)).min(REST_MAX);
        health.failures = health.failures.saturating_add(1);
        health.rests_until = Some(now + rest);
    }

    /// A node answered a probe after `rtt`. It takes the place of the preferred one if it is more than twice as
    /// near; for less, staying is better than moving to and fro. Who fails calls may answer probes all the
    /// same, so a probe makes good for one failure only.
    pub(crate) fn measured(&mut self, node: &Address, rtt: Duration, now: Instant) {
        let health = self.health.entry(node.clone()).or_default();
        let near = health.rtt.map_or(rtt, |old| (old * 3 + rtt) / 4);
        health.rtt = Some(near);
        health.failures = health.failures.saturating_sub(1);
        let is_trusted = health.failures == 0 && self.members.contains(node);
        let held = self.preferred.as_ref().and_then(|held| self.health.get(held)).and_then(|held| held.rtt);
        if is_trusted && self.preferred_stands(now) && held.is_some_and(|held| held > near * 2 + RTT_SLACK) {
            self.preferred = Some(node.clone());
        }
    }

    fn preferred_stands(&self, now: Instant) -> bool {
        self.preferred
            .as_ref()
            .is_some_and(|node| self.members.contains(node) && self.rest(node, now).is_none())
    }

    fn distance(&self, node: &Address) -> (bool, Duration) {
        let rtt = self.health.get(node).and_then(|health| health.rtt);
        (self.preferred.as_ref() != Some(node), rtt.unwrap_or(Duration::MAX))
    }

    fn rest(&self, node: &Address, now: Instant) -> Option<Instant> {
        self.health.get(node).and_then(|health| health.rests_until).filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(port: u16) -> Address {
        format!("10.0.0.1:{port}").parse().unwrap()
    }

    fn roster(order: NodeOrder) -> Roster {
        let mut roster = Roster::new(vec![node(9)], order);
        roster.learn(vec![node(3), node(1), node(2), node(1)]);
        roster
    }

    fn ports(nodes: &[Address]) -> Vec<String> {
        nodes.iter().map(|node| node.to_string()["10.0.0.1:".len()..].to_owned()).collect()
    }

    #[test]
    fn the_nearest_member_comes_first_and_a_seed_last() {
        let (mut roster, now) = (roster(NodeOrder::Nearest), Instant::now());
        roster.measured(&node(2), Duration::from_millis(1), now);
        roster.measured(&node(3), Duration::from_millis(9), now);
        assert_eq!(ports(&roster.candidates(now)), ["2", "3", "1", "9"]);
    }

    #[test]
    fn a_node_in_use_stays_first_until_another_is_much_nearer() {
        let (mut roster, now) = (roster(NodeOrder::Nearest), Instant::now());
        roster.measured(&node(2), Duration::from_millis(10), now);
        roster.answered(&node(2), now);
        roster.measured(&node(1), Duration::from_millis(6), now);
        assert_eq!(ports(&roster.candidates(now)), ["2", "1", "3", "9"]);
        roster.measured(&node(3), Duration::from_millis(1), now);
        assert_eq!(ports(&roster.candidates(now)), ["3", "1", "2", "9"]);
    }

    #[test]
    fn a_node_that_failed_is_last_for_a_while_that_grows_and_ends() {
        let (mut roster, now) = (roster(NodeOrder::Nearest), Instant::now());
        roster.failed(&node(1), now);
        assert_eq!(ports(&roster.candidates(now)), ["2", "3", "9", "1"]);
        assert_eq!(ports(&roster.candidates(now + REST_MIN)), ["1", "2", "3", "9"]);
        (0..40).for_each(|_| roster.failed(&node(1), now));
        assert_eq!(ports(&roster.candidates(now + REST_MIN)), ["2", "3", "9", "1"]);
        assert_eq!(ports(&roster.candidates(now + REST_MAX)), ["1", "2", "3", "9"]);
        roster.answered(&node(1), now);
        assert_eq!(ports(&roster.candidates(now)), ["1", "2", "3", "9"]);
    }

    #[test]
    fn a_node_that_fails_calls_does_not_come_back_for_one_answered_probe() {
        let (mut roster, now) = (roster(NodeOrder::Nearest), Instant::now());
        roster.measured(&node(2), Duration::from_millis(10), now);
        roster.failed(&node(1), now);
        roster.failed(&node(1), now);
        roster.answered(&node(2), now);
        let later = now + REST_MAX;
        roster.measured(&node(1), Duration::from_millis(1), later);
        assert_eq!(ports(&roster.candidates(later)), ["2", "1", "3", "9"]);
        roster.measured(&node(1), Duration::from_millis(1), later);
        assert_eq!(ports(&roster.candidates(later)), ["1", "2", "3", "9"]);
    }

    #[test]
    fn round_robin_starts_each_call_at_the_next_member() {
        let (mut roster, now) = (roster(NodeOrder::RoundRobin), Instant::now());
        let firsts: Vec<_> = (0..4).flat_map(|_| ports(&roster.candidates(now)[..1])).collect();
        assert_eq!(firsts, ["1", "2", "3", "1"]);
    }

    #[test]
    fn what_is_known_of_a_node_goes_with_it() {
        let (mut roster, now) = (roster(NodeOrder::Nearest), Instant::now());
        roster.failed(&node(1), now);
        roster.learn(vec![node(2)]);
        roster.learn(Vec::new());
        assert_eq!(ports(&roster.known()), ["2", "9"]);
        assert!(roster.health.is_empty());
    }
}
