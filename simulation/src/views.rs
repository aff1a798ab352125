//! What gossip tells each node: the truth of some time ago, with nodes missing at first and the living called
//! dead and the dead alive now and then. Worse than gossip ever is, until the faults end.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use shoal_model::{NodeId, Sighting, View};

/// How often a node gets a new view.
const INTERVAL: std::ops::Range<Duration> = Duration::from_millis(100)..Duration::from_millis(800);
/// Share of the nodes whose news reach a view.
const NEWS: f64 = 0.6;
/// Share of the nodes that a view is wrong about.
const WRONG: f64 = 0.05;

/// The views of all nodes.
#[derive(Debug)]
pub struct Views {
    rng: StdRng,
    /// Whether views are late and wrong.
    pub is_bad: bool,
    truth: BTreeMap<NodeId, Sighting>,
    seen: BTreeMap<usize, View>,
}

impl Views {
    /// Nobody is known yet.
    pub fn new(rng: StdRng) -> Self {
        Self { rng, is_bad: true, truth: BTreeMap::new(), seen: BTreeMap::new() }
    }

    /// A life has begun; what its process knew of others is gone.
    pub fn begin(&mut self, place: usize, sighting: Sighting) {
        let view = View { nodes: [(sighting.profile.node, sighting.clone())].into() };
        self.seen.insert(place, view);
        self.truth.insert(sighting.profile.node, sighting);
    }

    /// A life has ended.
    pub fn end(&mut self, node: NodeId) {
        if let Some(sighting) = self.truth.get_mut(&node) {
            sighting.alive = false;
        }
    }

    /// The next view of the node at a place, which is `node` itself.
    pub fn look(&mut self, place: usize, node: NodeId) -> View {
        let seen = self.seen.entry(place).or_default();
        for sighting in self.truth.values() {
            if !self.is_bad || self.rng.random_bool(NEWS) {
                seen.observe(sighting.clone());
            }
        }
        let mut view = seen.clone();
        if self.is_bad {
            for (_, sighting) in view.nodes.iter_mut().filter(|(other, _)| **other != node) {
                sighting.alive ^= self.rng.random_bool(WRONG);
            }
        }
        view
    }

    /// How long until the next view.
    pub fn pause(&mut self) -> Duration {
        self.rng.random_range(INTERVAL)
    }
}
