//! Disks are harmed one at a time: the next one only when all that was promised before is on every disk again. So a
//! write of two copies must survive each loss, and what was on every disk once is never excused.

use std::time::Duration;

use shoal_merge::Frontier;

/// How long after a disk was harmed the others may still count what it held: messages and pauses take so long.
const ECHO: Duration = Duration::from_secs(5);

/// Lets one disk be harmed at a time.
#[derive(Clone, Debug, Default)]
pub enum DiskLosses {
    /// A disk may be harmed.
    #[default]
    Allowed,
    /// One was, that of a place, and copies on it may still be counted until a time.
    Echoing(usize, Duration),
    /// All nodes must hold this before another may be harmed.
    Healing(Frontier),
}

impl DiskLosses {
    /// The disk of a place was harmed.
    pub fn lose(&mut self, place: usize, now: Duration) {
        *self = Self::Echoing(place, now + ECHO);
    }

    /// The place whose disk was harmed so lately that copies on it may still be counted.
    pub fn echo(&self) -> Option<usize> {
        match self {
            Self::Echoing(place, _) => Some(*place),
            Self::Healing(_) | Self::Allowed => None,
        }
    }

    /// Moves on: `promised` is what was promised so far, `everywhere` whether all nodes hold a frontier. What is
    /// everywhere now, if that was waited for.
    pub fn advance(
        &mut self,
        now: Duration,
        promised: impl FnOnce() -> Frontier,
        everywhere: impl FnOnce(&Frontier) -> bool,
    ) -> Option<Frontier> {
        match self {
            Self::Echoing(_, until) if *until <= now => *self = Self::Healing(promised()),
            Self::Healing(frontier) if everywhere(frontier) => {
                let healed = std::mem::take(frontier);
                *self = Self::Allowed;
                return Some(healed);
            }
            Self::Allowed | Self::Echoing(..) | Self::Healing(_) => {}
        }
        None
    }
}
