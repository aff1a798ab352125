//! Fingerprints of sets of points. Two nodes compare them to find out where they differ; a sum over a mix
//! of each point, so neither the order of arrival nor the codec shows, and a point can be taken out again.

use shoal_model::{Point, StreamId};

use crate::mix::absorb;

/// Keeps point fingerprints apart from all others made of the same permutation.
const POINT_DOMAIN: u128 = u128::from_le_bytes(*b"shoal point v1\0\0");

/// A stream's part of the mix, made once and used for each of its points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamMix(u128);

impl StreamMix {
    /// Mixes series, writer and kind in turn.
    pub fn new(stream: &StreamId) -> Self {
        let state = absorb(POINT_DOMAIN, u128::from_le_bytes(stream.series.0));
        let state = absorb(state, u128::from_le_bytes(stream.writer.0));
        Self(absorb(state, stream.kind as u128))
    }

    /// The fingerprint of one point, `absorb(stream, time · 2^64 + bits of the value)`: within a stream no
    /// two points share one.
    #[inline]
    pub fn point(self, point: Point) -> u128 {
        absorb(self.0, u128::from(point.time as u64) << 64 | u128::from(point.value.to_bits()))
    }
}

/// The fingerprint of a set of points: the sum of theirs modulo 2^128. The empty set has zero.
///
/// It is a sum over a *set*: whoever keeps one adds a point when it is new, and when a value is replaced
/// by a greater one takes the old point out. Equal sets have equal digests, different ones different digests
/// but for chance (2^-128). It is no defence against data made to collide: at worst a repair does not start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Digest(pub u128);

impl Digest {
    /// Takes a point in.
    #[inline]
    pub fn add(&mut self, stream: StreamMix, point: Point) {
        self.0 = self.0.wrapping_add(stream.point(point));
    }

    /// Takes a point out that was in.
    #[inline]
    pub fn remove(&mut self, stream: StreamMix, point: Point) {
        self.0 = self.0.wrapping_sub(stream.point(point));
    }

    /// Takes the points of a disjoint set in.
    #[inline]
    pub fn merge(&mut self, other: Digest) {
        self.0 = self.0.wrapping_add(other.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use shoal_model::{Kind, SeriesId, Writer, stale};

    fn stream(series: u8, writer: u8, kind: Kind) -> StreamMix {
        StreamMix::new(&StreamId { series: SeriesId([series; 16]), writer: Writer([writer; 16]), kind })
    }

    #[test]
    fn the_function_never_changes() {
        let check = |mix: StreamMix, point, expected: u128| {
            assert_eq!(mix.point(point), expected, "{:#034x}", mix.point(point));
        };
        check(stream(0, 0, Kind::Sample), Point::new(0, 0.0), 0x5da4_c722_0dae_3279_0907_a31e_8768_0f99);
        check(
            stream(1, 2, Kind::Counter),
            Point::new(1_700_000_000_000, 42.5),
            0x8b4a_4e6f_7ea6_2516_c8fe_bd12_fdb2_0aa8,
        );
        check(
            stream(1, 2, Kind::Delta),
            Point::new(i64::MIN, -0.0),
            0x3130_54b1_2d31_9237_5f79_2729_c045_b218,
        );
        check(stream(9, 0, Kind::Gauge), Point::new(-1, stale()), 0x4426_0e98_255b_3bed_a9c9_dcb7_8ee0_99d4);
    }

    #[test]
    fn each_part_of_a_points_identity_counts() {
        let mut seen = std::collections::BTreeSet::new();
        for series in 0..4 {
            for writer in 0..4 {
                for kind in Kind::ALL {
                    for time in -2..2 {
                        for value in [0.0, -0.0, 1.0, f64::NAN, stale()] {
                            seen.insert(stream(series, writer, kind).point(Point::new(time, value)));
                        }
                    }
                }
            }
        }
        assert_eq!(seen.len(), 4 * 4 * 5 * 4 * 5);
    }

    proptest! {
        #[test]
        fn order_and_grouping_do_not_show(
            points in prop::collection::vec((0..3u8, 0..9i64, any::<u64>()), 0..20),
            cut in 0..20usize,
        ) {
            let digest = |part: &[(u8, i64, u64)]| {
                part.iter().fold(Digest::default(), |mut digest, &(writer, time, bits)| {
                    digest.add(stream(7, writer, Kind::Sample), Point::new(time, f64::from_bits(bits)));
                    digest
                })
            };
            let (left, right) = points.split_at(cut.min(points.len()));
            let (mut forward, mut backward) = (digest(left), digest(right));
            forward.merge(digest(right));
            backward.merge(digest(left));
            prop_assert_eq!(forward, digest(&points));
            prop_assert_eq!(backward, digest(&points));
        }

        #[test]
        fn what_is_taken_out_leaves_no_trace(kept: u64, gone: u64, time: i64) {
            let mix = stream(1, 1, Kind::UpDown);
            let (kept, gone) = (Point::new(time, f64::from_bits(kept)), Point::new(0, f64::from_bits(gone)));
            let (mut alone, mut both) = (Digest::default(), Digest::default());
            alone.add(mix, kept);
            both.add(mix, gone);
            both.add(mix, kept);
            both.remove(mix, gone);
            prop_assert_eq!(alone, both);
        }
    }
}
