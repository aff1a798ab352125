//! What a seed draws for itself before anything happens: how many nodes and sessions, how large the stores' parts
//! are, how fast the points' time runs, and which faults strike how often. So that seeds differ in kind, not only
//! in luck: most leave some faults out.

use std::ops::Range;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;

use crate::fault::Kind;
use crate::seed::generator;

/// How long a scrub takes where there is something for it to find, by the world's clock.
pub const SCRUB_ROUND: Duration = Duration::from_secs(40);
const A_WEEK: Duration = Duration::from_secs(7 * 86_400);

/// The sizes and chances of one world.
#[derive(Clone, Debug, PartialEq)]
pub struct Mix {
    /// Nodes at the beginning.
    pub nodes: usize,
    /// Sessions that write.
    pub sessions: usize,
    /// Ms of the wall clock that pass in a ms: windows, the horizon and days of delay fit into minutes.
    pub lapse: u32,
    /// Points of a memtable at least and at most.
    pub memtable_points: u64,
    /// Bytes of flushed journal that are kept for others: what is older comes back as a debt.
    pub journal_bytes: u64,
    /// How long points are kept, by the wall clock.
    pub retention: Duration,
    /// How long a scrub of a whole store takes, by the wall clock.
    pub scrub_round: Duration,
    /// The time between two faults, in ms.
    pub between_ms: Range<u64>,
    /// The faults that strike, each with how often.
    pub weights: Vec<(Kind, u32)>,
    /// Whether gossip is late, wrong and flapping.
    pub has_bad_views: bool,
    /// Share of the messages that are lost always.
    pub loss: f64,
}

impl Mix {
    /// What a seed draws.
    pub fn draw(seed: u64) -> Self {
        let mut rng = generator(seed, "mix");
        let nodes = draw_nodes(&mut rng);
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        let (lapse, retention) =
            [(1, hours(360)), (30, hours(4)), (90, hours(14)), (600, hours(48)), (600, hours(100))]
                [rng.random_range(0..5)];
        let slowest = [2_500, 6_000, 20_000, 60_000][rng.random_range(0..4)];
        let weights = draw_weights(&mut rng);
        let rots = weights.iter().any(|(kind, _)| *kind == Kind::RotAtRest);
        Self {
            nodes,
            sessions: nodes + rng.random_range(0..=nodes.min(6)),
            lapse,
            journal_bytes: [u64::MAX, 200_000, 40_000, 8_000][rng.random_range(0..4)],
            memtable_points: [64, 400, 4_000][rng.random_range(0..3)],
            retention,
            between_ms: 200..slowest,
            weights,
            // Where bits flip at rest a scrub comes by often enough to find them within the run.
            scrub_round: if rots { SCRUB_ROUND * lapse } else { A_WEEK },
            has_bad_views: rng.random_bool(0.8),
            loss: if rng.random_bool(0.5) { rng.random_range(0.0..0.02) } else { 0.0 },
        }
    }

    /// A world in which nothing strikes by itself.
    pub fn fair(nodes: usize) -> Self {
        Self {
            nodes,
            sessions: nodes,
            lapse: 1,
            journal_bytes: u64::MAX,
            memtable_points: 400,
            retention: Duration::from_secs(15 * 86_400),
            scrub_round: A_WEEK,
            between_ms: 1_000..2_000,
            weights: Vec::new(),
            has_bad_views: false,
            loss: 0.0,
        }
    }
}

/// Mostly two or three, seldom many: fifty nodes cost several hundred times what three do.
fn draw_nodes(rng: &mut StdRng) -> usize {
    match rng.random_range(0..10_000) {
        0..4_500 => 2,
        4_500..8_700 => 3,
        8_700..9_400 => 4,
        9_400..9_850 => 5,
        9_850..9_995 => rng.random_range(6..=12),
        _ => rng.random_range(13..=50),
    }
}

/// A third of the kinds never strike in a seed, the others once to four times as often as by themselves.
fn draw_weights(rng: &mut StdRng) -> Vec<(Kind, u32)> {
    let drawn =
        Kind::ALL.map(|(kind, weight)| (kind, weight * [0, 0, 0, 1, 1, 1, 2, 2, 4][rng.random_range(0..9)]));
    drawn.into_iter().filter(|(_, weight)| *weight > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_draw_different_worlds_of_2_to_50_nodes() {
        let mixes: Vec<_> = (0..20_000).map(Mix::draw).collect();
        let nodes = || mixes.iter().map(|mix| mix.nodes);
        assert_eq!(nodes().min(), Some(2));
        assert!(nodes().max().is_some_and(|most| (40..=50).contains(&most)));
        assert!(mixes.iter().any(|mix| mix.weights.len() < 12));
        assert!(
            Kind::ALL
                .iter()
                .all(|(kind, _)| mixes.iter().any(|mix| mix.weights.iter().any(|(k, _)| k == kind)))
        );
    }
}
