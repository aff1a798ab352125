//! What gossip tells each node: the truth of some time ago, with nodes missing at first and now and then, the
//! living called dead and the dead alive, no two nodes told the same. Worse than gossip ever is, until the faults
//! end. As gossip does, it forgets the dead after a grace.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use shoal_model::{NodeId, Origin, Sighting, View};

/// How often a node gets a new view, in ms.
const INTERVAL_MS: std::ops::Range<u64> = 100..800;
/// Share of the nodes whose news reach a view.
const NEWS: f64 = 0.6;
/// Share of the nodes that a view is wrong about.
const WRONG: f64 = 0.04;
/// Share of the nodes that a view leaves out.
const MISSING: f64 = 0.02;
/// How long the dead are remembered.
pub const GRACE: Duration = Duration::from_secs(15 * 60);

/// The views of all nodes.
#[derive(Debug)]
pub struct Views {
    rng: StdRng,
    /// Whether views are late and wrong.
    pub is_bad: bool,
    truth: BTreeMap<NodeId, Known>,
    seen: BTreeMap<usize, View>,
    blind: BTreeMap<(usize, NodeId), Duration>,
}

/// A node's newest life, and when it ended if it did.
#[derive(Debug)]
struct Known {
    sighting: Sighting,
    ended: Option<Duration>,
}

impl Views {
    /// Nobody is known yet.
    pub fn new(rng: StdRng, is_bad: bool) -> Self {
        Self { rng, is_bad, truth: BTreeMap::new(), seen: BTreeMap::new(), blind: BTreeMap::new() }
    }

    /// A life has begun; what its process knew of others is gone.
    pub fn begin(&mut self, place: usize, sighting: Sighting) {
        let life = |s: &Sighting| (s.profile.incarnation, s.profile.origin);
        let view = View { nodes: [(sighting.profile.node, sighting.clone())].into() };
        self.seen.insert(place, view);
        let known = self.truth.get(&sighting.profile.node);
        if known.is_none_or(|known| life(&known.sighting) < life(&sighting)) {
            self.truth.insert(sighting.profile.node, Known { sighting, ended: None });
        }
    }

    /// A life has ended, which may not have been the newest of its node.
    pub fn end(&mut self, now: Duration, node: NodeId, origin: Origin) {
        if let Some(known) = self.truth.get_mut(&node).filter(|known| known.sighting.profile.origin == origin)
        {
            known.sighting.alive = false;
            known.ended = Some(now);
        }
    }

    /// Until a time a place is told nothing of a node, and forgets what it knew.
    pub fn blind(&mut self, place: usize, node: NodeId, until: Duration) {
        self.blind.insert((place, node), until);
    }

    /// From now on views are true.
    pub fn clear_up(&mut self) {
        self.is_bad = false;
        self.blind.clear();
    }

    /// The next view of the node at a place, which is `node` itself.
    pub fn look(&mut self, now: Duration, place: usize, node: NodeId) -> View {
        let Self { rng, is_bad, truth, seen, blind } = self;
        let seen = seen.entry(place).or_default();
        for (id, known) in truth.iter() {
            let is_forgotten = known.ended.is_some_and(|ended| now > ended + GRACE);
            let is_hidden = blind.get(&(place, *id)).is_some_and(|until| now < *until);
            if is_forgotten || is_hidden {
                seen.nodes.remove(id);
            } else if !*is_bad || rng.random_bool(NEWS) {
                seen.observe(known.sighting.clone());
            }
        }
        let mut view = seen.clone();
        if *is_bad {
            view.nodes.retain(|other, _| *other == node || !rng.random_bool(MISSING));
            for (_, sighting) in view.nodes.iter_mut().filter(|(other, _)| **other != node) {
                sighting.alive ^= rng.random_bool(WRONG);
            }
        }
        view
    }

    /// How long until the next view.
    pub fn pause(&mut self) -> Duration {
        Duration::from_millis(self.rng.random_range(INTERVAL_MS))
    }
}
