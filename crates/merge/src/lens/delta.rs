//! Deltas: a writer's total at t is the sum of its increments up to t. What is no finite number is no
//! increment. The sum needs every increment within retention, not only the newest.

use super::WriterPoints;
use crate::exact::ExactSum;

/// Adds a writer's increments up to a ms, and says how many they are.
pub(super) fn add_total(part: &WriterPoints<'_>, at_ms: i64, sum: &mut ExactSum) -> usize {
    let increments = part.until(at_ms).iter().map(|point| point.value).filter(|value| value.is_finite());
    increments.inspect(|value| sum.add(*value)).count()
}
