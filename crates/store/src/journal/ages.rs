//! How new the points of old segments are. A flush knows the newest window that it wrote, and so of everything
//! before its checkpoint; a segment of which all points lie below the horizon is of no use to any peer.

use crate::bytes::{Malformed, Reader, put_signed, put_varint};

/// Both columns ascend: the segments before a number hold no point newer than a window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ages(Vec<Age>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Age {
    before_segment: u64,
    newest_window: i64,
}

impl Ages {
    /// All points between the last checkpoint and the one in `segment` were flushed, to windows up to the newest.
    pub fn note(&mut self, segment: u64, newest_window: i64) {
        match self.0.last_mut() {
            Some(last) if newest_window <= last.newest_window => last.before_segment = segment,
            _ => self.0.push(Age { before_segment: segment, newest_window }),
        }
    }

    /// The segments before the returned number hold no point of a window from `oldest` on.
    pub fn expire(&mut self, oldest: i64) -> u64 {
        let gone = self.0.partition_point(|age| age.newest_window < oldest);
        self.0.drain(..gone.saturating_sub(1));
        self.0.first().filter(|_| gone > 0).map_or(0, |age| age.before_segment)
    }

    /// Appends them, for the manifest.
    pub fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, self.0.len() as u64);
        for age in &self.0 {
            put_varint(out, age.before_segment);
            put_signed(out, age.newest_window);
        }
    }

    /// Reads them back.
    pub fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let take = |reader: &mut Reader<'_>| {
            Ok(Age { before_segment: reader.varint()?, newest_window: reader.signed()? })
        };
        let ages: Vec<Age> = (0..reader.count()?).map(|_| take(reader)).collect::<Result<_, _>>()?;
        let ascends =
            |a: &Age, b: &Age| a.newest_window < b.newest_window && a.before_segment <= b.before_segment;
        if ages.is_sorted_by(ascends) { Ok(Self(ages)) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_segment_is_as_new_as_the_newest_point_up_to_it() {
        let mut ages = Ages::default();
        for (segment, window) in [(2, 10), (3, 9), (5, 12), (6, 11), (9, 30)] {
            ages.note(segment, window);
        }
        assert_eq!(ages.expire(10), 0);
        assert_eq!(ages.expire(11), 3);
        assert_eq!(ages.expire(12), 3);
        assert_eq!(ages.expire(14), 6);
        assert_eq!(ages.expire(99), 9);
    }

    proptest! {
        #[test]
        fn ages_come_back(flushes in prop::collection::vec((0_u64..9, any::<i64>()), 0..20)) {
            let (mut ages, mut segment) = (Ages::default(), 0);
            for (step, window) in flushes {
                segment += step;
                ages.note(segment, window);
            }
            let mut out = Vec::new();
            ages.put(&mut out);
            prop_assert_eq!(Ages::take(&mut Reader::new(&out)), Ok(ages));
        }
    }
}
