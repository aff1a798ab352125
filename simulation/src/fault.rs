//! Which fault strikes next, and where. What it does stands in [`crate::world`].

use std::ops::Range;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use crate::link::Weather;
use crate::mix::Mix;

/// How long a partition, a spell of weather, a slow disk or an absence lasts, in ms: mostly short, at times long.
const SPELL: [Range<u64>; 3] = [50..3_000, 500..8_000, 5_000..40_000];
/// How long a process stands still, in ms.
const PAUSE: Range<u64> = 20..2_500;
/// How much slower a slow link is, in ms.
const SLOWER_MS: Range<u64> = 20..1_200;
/// Unsynced bytes of each file that a power loss leaves, where it cuts a write.
const CUT_BYTES: Range<usize> = 1..600;
/// How far a clock is set off, in ms of the wall clock: a skew, a step, an hour that was forgotten.
const CLOCK_MS: [i64; 3] = [500, 20_000, 240_000];
/// Bytes that a full disk has left.
const ROOM_BYTES: Range<u64> = 0..20_000;
/// Operations on its disk that a process still does before it is killed.
const OPERATIONS: Range<u64> = 0..40;

/// What is left of unsynced bytes after a power loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tear {
    /// The first bytes of each file, so many.
    First(usize),
    /// Some pages and not others, by a seed.
    Pages(u64),
}

/// One fault; nodes go by their places.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// Messages from one node to another are lost.
    CutOneWay { from: usize, to: usize },
    /// Two nodes do not reach each other.
    CutBothWays { a: usize, b: usize },
    /// A node reaches nobody.
    Isolate { node: usize },
    /// The nodes fall into groups; a seed says who into which.
    Split { groups: u64, salt: u64 },
    /// Gossip at one node knows nothing of another.
    Blind { viewer: usize, node: usize },
    /// Messages between two nodes take long.
    SlowLink { a: usize, b: usize, by: Duration },
    /// The links get worse or better.
    Weather(Weather),
    /// The process dies; what it wrote to its files stays.
    Crash { node: usize },
    /// The process dies in the middle of what it does to its disk.
    Kill { node: usize, after: u64 },
    /// The machine loses power, and what was not synced.
    LosePower { node: usize, tear: Tear },
    /// All machines lose power.
    Blackout { tear: Tear },
    /// The process stands still.
    Pause { node: usize },
    /// Syncs take long.
    SlowDisk { node: usize },
    /// The disk has hardly any room left.
    FullDisk { node: usize, room: u64 },
    /// Syncs fail.
    FailedSyncs { node: usize },
    /// A bit of the newest segment flips, and the process starts again.
    Rot { node: usize, salt: u64 },
    /// The same where the bit may be in what no other node has.
    RotAlone { node: usize, salt: u64 },
    /// A bit of a block or of another file flips while the process runs.
    RotAtRest { node: usize, salt: u64 },
    /// The clock is set off by so many ms.
    SetClock { node: usize, ms: i64 },
    /// A snapshot is taken.
    Snapshot { node: usize },
    /// The disk is replaced by the last snapshot of it.
    Restore { node: usize },
    /// The disk is replaced by an empty one.
    Wipe { node: usize },
    /// The disk of one machine is replaced by a copy of another's, which runs on.
    Clone { from: usize, to: usize },
    /// A new machine comes.
    Join,
    /// A machine leaves on purpose.
    Leave { node: usize },
    /// A machine that is down is given up by the others, and comes back.
    Forget { node: usize },
}

/// What a fault is, without its particulars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is told at the fault of the same name")]
pub enum Kind {
    CutOneWay,
    CutBothWays,
    Isolate,
    Split,
    Blind,
    SlowLink,
    Weather,
    Crash,
    Kill,
    LosePower,
    Blackout,
    Pause,
    SlowDisk,
    FullDisk,
    FailedSyncs,
    Rot,
    RotAlone,
    RotAtRest,
    SetClock,
    Snapshot,
    Restore,
    Wipe,
    Clone,
    Join,
    Leave,
    Forget,
}

impl Kind {
    /// Every kind, with how often it strikes beside the others where it strikes at all.
    pub const ALL: [(Kind, u32); 26] = [
        (Kind::CutOneWay, 12),
        (Kind::CutBothWays, 12),
        (Kind::Isolate, 8),
        (Kind::Split, 6),
        (Kind::Blind, 4),
        (Kind::SlowLink, 6),
        (Kind::Weather, 8),
        (Kind::Crash, 10),
        (Kind::Kill, 8),
        (Kind::LosePower, 12),
        (Kind::Blackout, 3),
        (Kind::Pause, 8),
        (Kind::SlowDisk, 6),
        (Kind::FullDisk, 4),
        (Kind::FailedSyncs, 4),
        (Kind::Rot, 3),
        (Kind::RotAlone, 3),
        (Kind::RotAtRest, 4),
        (Kind::SetClock, 6),
        (Kind::Snapshot, 6),
        (Kind::Restore, 4),
        (Kind::Wipe, 6),
        (Kind::Clone, 2),
        (Kind::Join, 2),
        (Kind::Leave, 2),
        (Kind::Forget, 3),
    ];
}

/// Draws faults.
#[derive(Debug)]
pub struct Faults {
    rng: StdRng,
    weights: Vec<(Kind, u32)>,
    between: Range<u64>,
}

impl Faults {
    /// The faults of a mix.
    pub fn new(rng: StdRng, mix: &Mix) -> Self {
        Self { rng, weights: mix.weights.clone(), between: mix.between_ms.clone() }
    }

    /// The next fault among the places of `nodes`, and how long it lasts; none where nobody is there to suffer.
    pub fn draw(&mut self, nodes: &[usize]) -> Option<(Fault, Duration)> {
        let kind = self.weights.choose_weighted(&mut self.rng, |(_, weight)| *weight).ok()?.0;
        let node = *nodes.choose(&mut self.rng)?;
        let other = nodes.choose(&mut self.rng).copied().filter(|other| *other != node);
        let fault = match (kind, other) {
            (Kind::CutOneWay, Some(to)) => Fault::CutOneWay { from: node, to },
            (Kind::CutBothWays, Some(b)) => Fault::CutBothWays { a: node, b },
            (Kind::Blind, Some(viewer)) => Fault::Blind { viewer, node },
            (Kind::SlowLink, Some(b)) => {
                Fault::SlowLink { a: node, b, by: Duration::from_millis(self.rng.random_range(SLOWER_MS)) }
            }
            (Kind::Clone, Some(to)) => Fault::Clone { from: node, to },
            (Kind::CutOneWay | Kind::CutBothWays | Kind::Blind | Kind::SlowLink | Kind::Clone, None) => {
                return None;
            }
            (kind, _) => self.of_one(kind, node),
        };
        Some((fault, self.spell(kind)))
    }

    /// A fault of one node, or of all.
    fn of_one(&mut self, kind: Kind, node: usize) -> Fault {
        match kind {
            Kind::Isolate => Fault::Isolate { node },
            Kind::Split => Fault::Split { groups: self.rng.random_range(2..4), salt: self.rng.random() },
            Kind::Weather => Fault::Weather(self.weather()),
            Kind::Kill => Fault::Kill { node, after: self.rng.random_range(OPERATIONS) },
            Kind::LosePower => Fault::LosePower { node, tear: self.tear() },
            Kind::Blackout => Fault::Blackout { tear: self.tear() },
            Kind::Pause => Fault::Pause { node },
            Kind::SlowDisk => Fault::SlowDisk { node },
            Kind::FullDisk => Fault::FullDisk { node, room: self.rng.random_range(ROOM_BYTES) },
            Kind::FailedSyncs => Fault::FailedSyncs { node },
            Kind::Rot => Fault::Rot { node, salt: self.rng.random() },
            Kind::RotAlone => Fault::RotAlone { node, salt: self.rng.random() },
            Kind::RotAtRest => Fault::RotAtRest { node, salt: self.rng.random() },
            Kind::SetClock => {
                let far = CLOCK_MS.choose(&mut self.rng).copied().unwrap_or_default();
                Fault::SetClock { node, ms: self.rng.random_range(-far..=far) }
            }
            Kind::Snapshot => Fault::Snapshot { node },
            Kind::Restore => Fault::Restore { node },
            Kind::Wipe => Fault::Wipe { node },
            Kind::Join => Fault::Join,
            Kind::Leave => Fault::Leave { node },
            Kind::Forget => Fault::Forget { node },
            // Faults of two nodes are not drawn here.
            Kind::Crash
            | Kind::CutOneWay
            | Kind::CutBothWays
            | Kind::Blind
            | Kind::SlowLink
            | Kind::Clone => Fault::Crash { node },
        }
    }

    /// How long until the next fault.
    pub fn pause(&mut self) -> Duration {
        Duration::from_millis(self.rng.random_range(self.between.clone()))
    }

    /// A time within a spell, for one of several nodes that come back.
    pub fn absence(&mut self) -> Duration {
        self.spell(Kind::Crash)
    }

    fn spell(&mut self, kind: Kind) -> Duration {
        let range = match kind {
            Kind::Pause => PAUSE,
            _ => SPELL[[0, 0, 0, 1, 1, 2][self.rng.random_range(0..6)]].clone(),
        };
        Duration::from_millis(self.rng.random_range(range))
    }

    fn tear(&mut self) -> Tear {
        match self.rng.random_range(0..4) {
            0 => Tear::First(0),
            1 => Tear::First(self.rng.random_range(CUT_BYTES)),
            _ => Tear::Pages(self.rng.random()),
        }
    }

    fn weather(&mut self) -> Weather {
        let mut share = |max: u32| f64::from(self.rng.random_range(0..max)) / 100.0;
        Weather { loss: share(30), duplication: share(10), straggling: share(20) }
    }
}

impl Fault {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Fault::CutOneWay { .. } => Kind::CutOneWay,
            Fault::CutBothWays { .. } => Kind::CutBothWays,
            Fault::Isolate { .. } => Kind::Isolate,
            Fault::Split { .. } => Kind::Split,
            Fault::Blind { .. } => Kind::Blind,
            Fault::SlowLink { .. } => Kind::SlowLink,
            Fault::Weather(_) => Kind::Weather,
            Fault::Crash { .. } => Kind::Crash,
            Fault::Kill { .. } => Kind::Kill,
            Fault::LosePower { .. } => Kind::LosePower,
            Fault::Blackout { .. } => Kind::Blackout,
            Fault::Pause { .. } => Kind::Pause,
            Fault::SlowDisk { .. } => Kind::SlowDisk,
            Fault::FullDisk { .. } => Kind::FullDisk,
            Fault::FailedSyncs { .. } => Kind::FailedSyncs,
            Fault::Rot { .. } => Kind::Rot,
            Fault::RotAlone { .. } => Kind::RotAlone,
            Fault::RotAtRest { .. } => Kind::RotAtRest,
            Fault::SetClock { .. } => Kind::SetClock,
            Fault::Snapshot { .. } => Kind::Snapshot,
            Fault::Restore { .. } => Kind::Restore,
            Fault::Wipe { .. } => Kind::Wipe,
            Fault::Clone { .. } => Kind::Clone,
            Fault::Join => Kind::Join,
            Fault::Leave { .. } => Kind::Leave,
            Fault::Forget { .. } => Kind::Forget,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::generator;

    #[test]
    fn every_kind_is_drawn_and_drawn_as_itself() {
        let mix = Mix { weights: Kind::ALL.to_vec(), ..Mix::draw(1) };
        let mut faults = Faults::new(generator(1, "faults"), &mix);
        let drawn: std::collections::BTreeSet<_> =
            (0..5_000).filter_map(|_| faults.draw(&[0, 1, 2])).map(|(fault, _)| fault.kind()).collect();
        assert_eq!(drawn.len(), Kind::ALL.len());
        assert!(faults.draw(&[]).is_none());
    }
}
