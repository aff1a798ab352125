//! How convergence goes with the number of nodes: how soon a cluster has formed, and how long one write takes to be
//! everywhere while a share of all messages is lost.

use std::time::Duration;

use shoal_model::{Batch, Kind, Point, Stream, StreamPoints, Writer};
use shoal_replication::{Acks, Readiness};

use crate::life::wall_ms;
use crate::mix::Mix;
use crate::workload::{HEAT, labels};
use crate::world::World;

/// Writes that are followed.
const WRITES: usize = 25;
/// How often it is looked where a write has arrived.
const LOOK: Duration = Duration::from_millis(1);
/// How long a cluster or a write may take.
const WAIT: Duration = Duration::from_secs(120);

/// How a cluster of a size converges.
#[derive(Clone, Debug, PartialEq)]
pub struct Convergence {
    /// How many nodes.
    pub nodes: usize,
    /// When all were in service and knew all others.
    pub formed: Duration,
    /// How long each write took to be everywhere, in order.
    pub spread: Vec<Duration>,
}

/// Follows writes in a cluster of so many nodes; none where they do not arrive.
pub fn converge(nodes: usize, loss: f64, seed: u64) -> Option<Convergence> {
    let mut world = World::new(seed, Mix { sessions: 0, loss, ..Mix::fair(nodes) }, None);
    let formed = wait(&mut world, |world| {
        let counts = |life: &crate::life::Life| life.replica.members().joined().count() == nodes;
        let is_in = |life: &crate::life::Life| life.replica.readiness() == Readiness::Ready && counts(life);
        world.nodes.iter().all(|node| node.life.as_ref().is_some_and(is_in)) && are_equal(world)
    })?;
    let mut spread = Vec::new();
    for number in 0..WRITES {
        world.submit(number % nodes, &sample(&world, number));
        spread.push(wait(&mut world, are_equal)?);
        // Writes apart from each other, at any time of the nodes' intervals.
        world.run_until(world.now + Duration::from_millis(137 + 11 * number as u64));
    }
    spread.sort_unstable();
    Some(Convergence { nodes, formed, spread })
}

fn wait(world: &mut World, is_so: impl Fn(&World) -> bool) -> Option<Duration> {
    let began = world.now;
    while world.now < began + WAIT {
        world.run_until(world.now + LOOK);
        if is_so(world) {
            return Some(world.now - began);
        }
    }
    None
}

fn are_equal(world: &World) -> bool {
    let mut applied = world.nodes.iter().map(|node| node.store().map(|store| store.applied()));
    let first = applied.next().flatten();
    first.is_some() && applied.all(|other| other == first)
}

fn sample(world: &World, number: usize) -> Batch {
    let stream = Stream { labels: labels(HEAT), writer: Writer::NONE, kind: Kind::Sample };
    let point = Point::new(wall_ms(world.now, 1), number as f64);
    Batch { streams: vec![StreamPoints { stream, points: vec![point] }] }
}

impl World {
    /// Writes at a place, for nobody who waits.
    fn submit(&mut self, node: usize, batch: &Batch) {
        self.act(node, |replica, now| drop(replica.submit(now, batch, Acks::Count(1))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_everywhere_soon_in_clusters_of_all_sizes() {
        for nodes in [1, 3, 7] {
            let found = converge(nodes, 0.01, 1).expect("it converges");
            assert_eq!(found.spread.len(), WRITES);
            assert!(found.spread[WRITES - 1] < Duration::from_secs(10), "{found:?}");
        }
    }
}
