//! How many bytes our own frames take up to a number, so that a member's lag can be told in bytes. Exact for the
//! newest frames; of older ones only marks are kept, ever further apart, so a long absence costs nothing.

use std::collections::VecDeque;

/// Marks that are kept: the error is below a two-thousandth of the lag.
const MARKS_MAX: usize = 4096;

/// The bytes of our frames of this life.
#[derive(Debug, Default)]
pub(crate) struct OwnBytes {
    /// Frame numbers with the bytes of all frames up to them.
    marks: VecDeque<(u64, u64)>,
}

impl OwnBytes {
    /// Our next frame has so many bytes.
    pub(crate) fn note(&mut self, seq: u64, bytes: usize) {
        let total = self.marks.back().map_or(0, |(_, total)| *total);
        self.marks.push_back((seq, total + bytes as u64));
        if self.marks.len() > MARKS_MAX {
            let mut place = 0;
            self.marks.retain(|_| {
                place += 1;
                place % 2 == 0 || place > MARKS_MAX / 2
            });
        }
    }

    /// The bytes of all frames after a number.
    pub(crate) fn after(&self, seq: u64) -> u64 {
        let above = self.marks.partition_point(|(marked, _)| *marked <= seq);
        let lower = above.checked_sub(1).and_then(|below| self.marks.get(below)).copied().unwrap_or_default();
        let upper = self.marks.get(above).copied().unwrap_or(lower);
        let share = (seq - lower.0) as f64 / (upper.0 - lower.0).max(1) as f64;
        let total = self.marks.back().map_or(0, |(_, total)| *total);
        total - lower.1 - ((upper.1 - lower.1) as f64 * share.min(1.0)) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_frames_count_exactly() {
        let mut bytes = OwnBytes::default();
        assert_eq!(bytes.after(0), 0);
        [(1, 100), (2, 50), (3, 7)].into_iter().for_each(|(seq, size)| bytes.note(seq, size));
        assert_eq!([0, 1, 2, 3, 9].map(|seq| bytes.after(seq)), [157, 57, 7, 0, 0]);
    }

    #[test]
    fn a_million_frames_cost_few_marks_and_little_error() {
        let mut bytes = OwnBytes::default();
        (1..=1_000_000).for_each(|seq| bytes.note(seq, if seq % 2 == 0 { 100 } else { 300 }));
        assert!(bytes.marks.len() <= MARKS_MAX);
        for seq in [0, 1, 500, 250_000, 777_777, 999_990] {
            let (told, real) = (bytes.after(seq) as f64, (1_000_000 - seq) as f64 * 200.0);
            assert!((told - real).abs() <= real / 100.0 + 300.0, "{seq}: {told} instead of {real}");
        }
    }
}
