//! Which fault strikes next, and where. What it does stands in [`crate::world`].

use std::ops::Range;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;

use crate::link::Weather;

/// The most nodes in a world.
pub const NODES_MAX: usize = 5;
/// The time between two faults, in ms.
const BETWEEN: Range<u64> = 200..2_500;
/// How long a partition, a spell of weather, a slow disk or an absence lasts, in ms.
const SPELL: Range<u64> = 50..6_000;
/// How long a process stands still, in ms.
const PAUSE: Range<u64> = 20..2_500;
/// Unsynced bytes of each file that a power loss leaves, where it tears a write.
const TORN_BYTES: Range<usize> = 1..600;

/// More bytes than any file has unsynced.
const ALL_BYTES: usize = 1 << 30;

/// One fault; nodes go by their places.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// Messages from one node to another are lost.
    CutOneWay { from: usize, to: usize },
    /// Two nodes do not reach each other.
    CutBothWays { a: usize, b: usize },
    /// A node reaches nobody.
    Isolate { node: usize },
    /// The nodes fall into up to three groups; the group of each.
    Split { groups: [u8; NODES_MAX] },
    /// The process dies; what it wrote to its files stays.
    Crash { node: usize },
    /// The machine loses power; of what was not synced the first `kept` bytes of each file stay.
    LosePower { node: usize, kept: usize },
    /// All machines lose power.
    Blackout { kept: usize },
    /// The disk is replaced by an empty one.
    Wipe { node: usize },
    /// The process stands still.
    Pause { node: usize },
    /// The links get worse or better.
    Weather(Weather),
    /// Syncs take long.
    SlowDisk { node: usize },
}

/// Draws faults.
#[derive(Debug)]
pub struct Faults {
    rng: StdRng,
    nodes: usize,
}

impl Faults {
    /// Faults for so many nodes.
    pub fn new(rng: StdRng, nodes: usize) -> Self {
        Self { rng, nodes }
    }

    /// The next fault and how long it lasts.
    pub fn draw(&mut self) -> (Fault, Duration) {
        let (a, b) = self.pair();
        let fault = match self.rng.random_range(0..100) {
            0..12 => Fault::CutOneWay { from: a, to: b },
            12..24 => Fault::CutBothWays { a, b },
            24..32 => Fault::Isolate { node: a },
            32..38 => Fault::Split { groups: std::array::from_fn(|_| self.rng.random_range(0..3)) },
            38..52 => Fault::Crash { node: a },
            52..66 => Fault::LosePower { node: a, kept: self.kept() },
            66..69 => Fault::Blackout { kept: self.kept() },
            69..75 => Fault::Wipe { node: a },
            75..83 => Fault::Pause { node: a },
            83..93 => Fault::Weather(self.weather()),
            _ => Fault::SlowDisk { node: a },
        };
        let spell = if matches!(fault, Fault::Pause { .. }) { PAUSE } else { SPELL };
        (fault, Duration::from_millis(self.rng.random_range(spell)))
    }

    /// How long until the next fault.
    pub fn pause(&mut self) -> Duration {
        Duration::from_millis(self.rng.random_range(BETWEEN))
    }

    /// A time within a spell, for one of several nodes that come back.
    pub fn absence(&mut self) -> Duration {
        Duration::from_millis(self.rng.random_range(SPELL))
    }

    fn pair(&mut self) -> (usize, usize) {
        let a = self.rng.random_range(0..self.nodes);
        (a, (a + self.rng.random_range(1..self.nodes)) % self.nodes)
    }

    fn kept(&mut self) -> usize {
        match self.rng.random_range(0..3) {
            0 => 0,
            1 => self.rng.random_range(TORN_BYTES),
            _ => ALL_BYTES,
        }
    }

    fn weather(&mut self) -> Weather {
        let mut share = |max: u32| f64::from(self.rng.random_range(0..max)) / 100.0;
        Weather { loss: share(30), duplication: share(10), straggling: share(20) }
    }
}
