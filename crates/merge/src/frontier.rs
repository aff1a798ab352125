//! Frontiers: up to which frame of each origin a node holds everything. A vector clock with one rule added,
//! that a gap is an error and names what is to be pulled: a plain clock would claim frames it never saw.

use std::convert::Infallible;
use std::ops::RangeInclusive;

use crdts::{CmRDT, CvRDT, Dot, VClock};
use shoal_model::Origin;

use crate::mix::absorb;

/// Keeps frontier fingerprints apart from all others made of the same permutation.
const FRONTIER_DOMAIN: u128 = u128::from_le_bytes(*b"shoal frontier 1");

/// What [`Frontier::advance`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advance {
    /// The frame was the next one; the frontier stands at it now.
    New,
    /// The frontier covered the frame already; nothing changed.
    Old,
}

/// Frames before this one are missing; nothing changed. Pull `missing`, then offer the frame again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("frames {}..={} of origin {origin} are missing", missing.start(), missing.end())]
pub struct Gap {
    /// Whose frames.
    pub origin: Origin,
    /// Their numbers, never empty.
    pub missing: RangeInclusive<u64>,
}

/// For each origin the number of its last frame such that it and all before it are held. Frames count
/// from 1; an origin that is not named stands at 0, nothing held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier(VClock<Origin>);

impl Frontier {
    /// A frontier that holds nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Builds one from entries in any order; of two for one origin the greater counts, and zeros vanish.
    pub fn from_entries(entries: impl IntoIterator<Item = (Origin, u64)>) -> Self {
        Self(entries.into_iter().map(Dot::from).collect())
    }

    /// The last frame held of an origin, 0 for none.
    pub fn get(&self, origin: Origin) -> u64 {
        self.0.get(&origin)
    }

    /// Takes note of one frame. One that is already covered is a no-op; one that is not the next is a [`Gap`].
    pub fn advance(&mut self, origin: Origin, seq: u64) -> Result<Advance, Gap> {
        let dot = Dot::new(origin, seq);
        let advance = match self.judge(&dot) {
            Err(_) if crate::Mutant::StepsOverGaps.is_on() => Advance::New,
            judged => judged?,
        };
        self.0.apply(dot);
        Ok(advance)
    }

    /// Whether this frontier holds all that the other does.
    pub fn covers(&self, other: &Frontier) -> bool {
        // Both are in order of origin: each is gone through once.
        let mut ours = self.iter();
        other.iter().all(|(origin, seq)| {
            ours.find(|(known, _)| *known >= origin)
                .is_some_and(|(known, held)| known == origin && held >= seq)
        })
    }

    /// Becomes the least frontier that covers both. Right where the frames of both are held, and for
    /// "what anyone holds"; a node's own frontier moves by [`Frontier::advance`].
    pub fn merge(&mut self, other: &Frontier) {
        other.iter().for_each(|(origin, seq)| self.0.apply(Dot::new(origin, seq)));
    }

    /// What the other holds and this one lacks, in order of origin: the pull.
    pub fn missing_from(&self, other: &Frontier) -> Vec<(Origin, RangeInclusive<u64>)> {
        other
            .iter()
            .map(|(origin, seq)| (origin, self.get(origin), seq))
            .filter(|(_, held, seq)| held < seq)
            .map(|(origin, held, seq)| (origin, held + 1..=seq))
            .collect()
    }

    /// The entries in order of origin; none is 0.
    pub fn iter(&self) -> impl Iterator<Item = (Origin, u64)> + '_ {
        self.0.iter().map(|dot| (*dot.actor, dot.counter))
    }

    /// How many origins are named.
    pub fn len(&self) -> usize {
        self.0.dots.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets an origin and returns where it stood: for closed origins whose points are all below the
    /// horizon. From then on it reads as 0, so a later merge with one who still names it brings it back.
    pub fn remove(&mut self, origin: Origin) -> u64 {
        self.0.dots.remove(&origin).unwrap_or(0)
    }

    /// The entries as bytes, sorted by origin: 16 bytes of origin and the number in 8, little-endian.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        self.iter().flat_map(|(origin, seq)| origin.0.into_iter().chain(seq.to_le_bytes())).collect()
    }

    /// A fingerprint: the sum of [`entry_fingerprint`] over the entries modulo 2^128, so one who keeps it
    /// beside a frontier subtracts an entry's old share and adds the new one. Empty is zero.
    pub fn fingerprint(&self) -> u128 {
        self.iter().fold(0, |sum, (origin, seq)| sum.wrapping_add(entry_fingerprint(origin, seq)))
    }

    fn judge(&self, dot: &Dot<Origin>) -> Result<Advance, Gap> {
        // Asked first: at the end of the numbers the clock's own check would overflow.
        if dot.counter <= self.get(dot.actor) {
            return Ok(Advance::Old);
        }
        self.0.validate_op(dot).map_err(|range| Gap {
            origin: range.actor,
            missing: range.counter_range.start..=range.counter_range.end - 1,
        })?;
        Ok(Advance::New)
    }
}

/// One entry's share of [`Frontier::fingerprint`]; fixed for ever, since peers compare it.
pub fn entry_fingerprint(origin: Origin, seq: u64) -> u128 {
    absorb(
        absorb(FRONTIER_DOMAIN, u128::from_le_bytes(origin.0)),
        u128::from(if crate::Mutant::FingerprintForgetsHeads.is_on() { 0 } else { seq }),
    )
}

impl CvRDT for Frontier {
    type Validation = Infallible;

    fn validate_merge(&self, _other: &Self) -> Result<(), Infallible> {
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        Frontier::merge(self, &other);
    }
}

impl CmRDT for Frontier {
    type Op = Dot<Origin>;
    type Validation = Gap;

    fn validate_op(&self, dot: &Dot<Origin>) -> Result<(), Gap> {
        self.judge(dot).map(|_| ())
    }

    /// Unlike the clock inside, leaves the frontier where it is when there is a gap.
    fn apply(&mut self, dot: Dot<Origin>) {
        let _refused_unless_next = self.advance(dot.actor, dot.counter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn origin(name: u8) -> Origin {
        Origin([name; 16])
    }

    #[test]
    fn the_next_frame_advances_and_an_old_one_does_not() {
        let mut frontier = Frontier::new();
        assert_eq!(frontier.advance(origin(1), 1), Ok(Advance::New));
        assert_eq!(frontier.advance(origin(1), 2), Ok(Advance::New));
        assert_eq!(frontier.advance(origin(1), 1), Ok(Advance::Old));
        assert_eq!(frontier.advance(origin(1), 0), Ok(Advance::Old));
        assert_eq!(frontier.get(origin(1)), 2);
        assert_eq!(frontier.get(origin(2)), 0);
    }

    #[test]
    fn a_gap_is_named_and_changes_nothing() {
        let mut frontier = Frontier::from_entries([(origin(1), 2)]);
        let gap = frontier.advance(origin(1), 5).unwrap_err();
        assert_eq!(gap, Gap { origin: origin(1), missing: 3..=4 });
        assert_eq!(frontier.validate_op(&Dot::new(origin(1), 5)), Err(gap));
        frontier.apply(Dot::new(origin(1), 5));
        assert_eq!(frontier.get(origin(1)), 2);
        assert_eq!(frontier.advance(origin(2), 2).unwrap_err().missing, 1..=1);
    }

    #[test]
    fn the_greatest_number_does_not_overflow() {
        let mut frontier = Frontier::from_entries([(origin(1), u64::MAX)]);
        assert_eq!(frontier.advance(origin(1), u64::MAX), Ok(Advance::Old));
        assert_eq!(Frontier::new().missing_from(&frontier), [(origin(1), 1..=u64::MAX)]);
        assert_eq!(Frontier::new().advance(origin(1), u64::MAX).unwrap_err().missing, 1..=u64::MAX - 1);
    }

    #[test]
    fn entries_are_canonical_and_sorted() {
        let frontier =
            Frontier::from_entries([(origin(2), 7), (origin(1), 1), (origin(2), 3), (origin(3), 0)]);
        assert_eq!(frontier.iter().collect::<Vec<_>>(), [(origin(1), 1), (origin(2), 7)]);
        let bytes = frontier.canonical_bytes();
        assert_eq!(bytes.len(), 48);
        assert_eq!(bytes[24..40], [2; 16]);
        assert_eq!(bytes[40..], 7u64.to_le_bytes());
    }

    #[test]
    fn a_forgotten_origin_reads_as_nothing() {
        let mut frontier = Frontier::from_entries([(origin(1), 4)]);
        assert_eq!(frontier.remove(origin(1)), 4);
        assert_eq!(frontier.remove(origin(1)), 0);
        assert!(frontier.is_empty());
    }

    #[test]
    fn the_fingerprint_never_changes() {
        assert_eq!(Frontier::new().fingerprint(), 0);
        let print = Frontier::from_entries([(origin(1), 1), (origin(2), 300)]).fingerprint();
        assert_eq!(print, 0x06d9_92d8_b8b0_410e_7832_c979_ad23_31c7, "{print:#034x}");
    }

    fn frontiers() -> impl Strategy<Value = Frontier> {
        prop::collection::vec((0..4u8, 0..6u64), 0..6)
            .prop_map(|all| Frontier::from_entries(all.into_iter().map(|(name, seq)| (origin(name), seq))))
    }

    proptest! {
        #[test]
        fn what_is_missing_is_what_makes_it_cover(mut mine in frontiers(), theirs in frontiers()) {
            let missing = mine.missing_from(&theirs);
            prop_assert_eq!(missing.is_empty(), mine.covers(&theirs));
            for (origin, range) in missing {
                for seq in range {
                    prop_assert_eq!(mine.advance(origin, seq), Ok(Advance::New));
                }
            }
            prop_assert!(mine.covers(&theirs));
        }

        #[test]
        fn the_fingerprint_can_be_kept_step_by_step(start in frontiers(), name in 0..4u8) {
            let (origin, seq) = (origin(name), start.get(origin(name)));
            let mut next = start.clone();
            next.advance(origin, seq + 1).unwrap();
            let share = if seq == 0 { 0 } else { entry_fingerprint(origin, seq) };
            let kept = start.fingerprint().wrapping_sub(share).wrapping_add(entry_fingerprint(origin, seq + 1));
            prop_assert_eq!(next.fingerprint(), kept);
            prop_assert_ne!(next.fingerprint(), start.fingerprint());
        }
    }
}
