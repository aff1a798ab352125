//! Which fault strikes next, and where. What it does stands in [`crate::world`].

use std::ops::Range;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use shoal_merge::Frontier;

use crate::link::Weather;

/// The time between two faults.
const BETWEEN: Range<Duration> = Duration::from_millis(200)..Duration::from_millis(2_500);
/// How long a partition, a spell of weather, a slow disk or an absence lasts.
const SPELL: Range<Duration> = Duration::from_millis(50)..Duration::from_millis(6_000);
/// How long a process stands still at most.
const PAUSE: Range<Duration> = Duration::from_millis(20)..Duration::from_millis(2_500);
/// Unsynced bytes of each file that a power loss leaves, where it tears a write.
const TORN_BYTES: Range<usize> = 1..600;

/// One fault; nodes go by their places.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// Messages from one node to another are lost.
    CutOneWay { from: usize, to: usize },
    /// Two nodes do not reach each other.
    CutBothWays { a: usize, b: usize },
    /// A node reaches nobody.
    Isolate { node: usize },
    /// The nodes fall into up to three groups, by two bits of the mask each.
    Split { groups: u32 },
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
            32..38 => Fault::Split { groups: self.rng.random() },
            38..52 => Fault::Crash { node: a },
            52..66 => Fault::LosePower { node: a, kept: self.kept() },
            66..69 => Fault::Blackout { kept: self.kept() },
            69..75 => Fault::Wipe { node: a },
            75..83 => Fault::Pause { node: a },
            83..93 => Fault::Weather(self.weather()),
            _ => Fault::SlowDisk { node: a },
        };
        let spell = if matches!(fault, Fault::Pause { .. }) { PAUSE } else { SPELL };
        (fault, self.rng.random_range(spell))
    }

    /// How long until the next fault.
    pub fn pause(&mut self) -> Duration {
        self.rng.random_range(BETWEEN)
    }

    /// A time within a spell, for one of several nodes that come back.
    pub fn absence(&mut self) -> Duration {
        self.rng.random_range(SPELL)
    }

    fn pair(&mut self) -> (usize, usize) {
        let a = self.rng.random_range(0..self.nodes);
        (a, (a + self.rng.random_range(1..self.nodes)) % self.nodes)
    }

    fn kept(&mut self) -> usize {
        match self.rng.random_range(0..3) {
            0 => 0,
            1 => self.rng.random_range(TORN_BYTES),
            _ => usize::MAX,
        }
    }

    fn weather(&mut self) -> Weather {
        let mut share = |max: f64| self.rng.random_range(0.0..max);
        Weather { loss: share(0.3), duplication: share(0.1), straggling: share(0.2) }
    }
}

/// How long after a disk was lost the others may still count what it held: messages and pauses take so long.
const ECHO: Duration = Duration::from_secs(5);

/// Lets one disk be lost at a time: the next one only when all that was promised is on every disk again.
#[derive(Clone, Debug, Default)]
pub enum DiskLosses {
    /// A disk may be lost.
    #[default]
    Allowed,
    /// One was lost, and copies on it may still be counted until this time.
    Echoing(Duration),
    /// All nodes must hold this before another may be lost.
    Healing(Frontier),
}

impl DiskLosses {
    /// A disk was lost.
    pub fn lose(&mut self, now: Duration) {
        *self = Self::Echoing(now + ECHO);
    }

    /// Whether no disk was lost lately, so that copies can be counted.
    pub fn is_quiet(&self) -> bool {
        !matches!(self, Self::Echoing(_))
    }

    /// Moves on: `promised` is what was promised so far, `everywhere` whether all nodes hold a frontier.
    pub fn advance(
        &mut self,
        now: Duration,
        promised: impl FnOnce() -> Frontier,
        everywhere: impl FnOnce(&Frontier) -> bool,
    ) {
        match self {
            Self::Echoing(until) if *until <= now => *self = Self::Healing(promised()),
            Self::Healing(frontier) if everywhere(frontier) => *self = Self::Allowed,
            Self::Allowed | Self::Echoing(_) | Self::Healing(_) => {}
        }
    }
}
