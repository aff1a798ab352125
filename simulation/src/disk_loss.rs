//! Disks are lost one at a time: the next one only when all that was promised before is on every disk again. So a
//! write of two copies must survive each loss.

use std::time::Duration;

use shoal_merge::Frontier;

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
