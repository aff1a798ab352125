//! The evaluation times of a query or of a subquery: evenly spaced, at least one.

/// Evaluation times.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    pub start_ms: i64,
    pub step_ms: i64,
    pub count: usize,
}

impl Grid {
    /// One time.
    pub(crate) fn instant(at_ms: i64) -> Self {
        Self { start_ms: at_ms, step_ms: 0, count: 1 }
    }

    /// From start by steps, not beyond the end; empty if the end is before the start.
    pub(crate) fn over(start_ms: i64, end_ms: i64, step_ms: i64) -> Self {
        let steps = if end_ms < start_ms { 0 } else { end_ms.saturating_sub(start_ms) / step_ms.max(1) + 1 };
        Self { start_ms, step_ms, count: usize::try_from(steps).unwrap_or(usize::MAX) }
    }

    /// The time of a step.
    pub(crate) fn time(&self, step: usize) -> i64 {
        self.start_ms.saturating_add(self.step_ms.saturating_mul(step as i64))
    }

    /// All times in order.
    pub(crate) fn times(&self) -> impl Iterator<Item = i64> + use<> {
        let grid = *self;
        (0..grid.count).map(move |step| grid.time(step))
    }

    /// The last time.
    pub(crate) fn end_ms(&self) -> i64 {
        self.time(self.count.saturating_sub(1))
    }
}
