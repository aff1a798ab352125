//! Samples: replicas of one source (two redundant Prometheus servers, a target that moved between scraping
//! nodes) read as one. The least writer is preferred; another shows only where every lesser one is silent.
//!
//! A *run* of a writer is a stretch of its points without a stale marker and without a distance over
//! 5 minutes. Let a be its last point at or before t, a' and b the points around a in a's run. It *covers* t
//! when
//!
//! ```text
//!  a is no stale marker, and  t - a ≤ G  or  b - t ≤ G,    G = 2.5 · spacing, from 1 s to 5 min
//!  spacing = a - a', or b - a where a begins its run, or 0 where a stands alone
//! ```
//!
//! A value is shown where no lesser writer covers its time (a value covers its own). A stale marker is shown
//! only where no other writer at all does: the end of one replica is not the end of the series. All of this
//! looks at points from 10 minutes before t to 5 after and remembers nothing, so a range and an instant agree.

use std::ops::RangeInclusive;

use shoal_model::{Point, is_stale};

use super::live::LIVE_MS;
use super::timeline::{events, moments};
use super::{WriterPoints, newest_ms};

/// Replicas that write more often than this still have their clocks and links apart.
const REACH_MS_MIN: i64 = 1_000;

/// The merged samples of a range; `parts` in order of writer.
pub(super) fn merge(parts: &[WriterPoints<'_>], range: RangeInclusive<i64>) -> Vec<Point> {
    if let [only] = parts {
        return only.between(&range).to_vec();
    }
    moments(&events(parts, &range)).filter_map(|(ms, _)| shown_at(parts, ms)).collect()
}

/// The newest sample at or before a ms; `parts` in order of writer.
pub(super) fn last_shown(parts: &[WriterPoints<'_>], at_ms: i64) -> Option<Point> {
    let mut limit = at_ms;
    loop {
        let ms = newest_ms(parts, limit)?;
        if let Some(point) = shown_at(parts, ms) {
            return Some(point);
        }
        limit = ms.checked_sub(1)?;
    }
}

/// What is shown at a ms, from the least writer on: its value ends the search, and so does its silence if it
/// covers the time; a stale marker stands until someone else is found.
fn shown_at(parts: &[WriterPoints<'_>], at_ms: i64) -> Option<Point> {
    let mut marker = None;
    for part in parts {
        match part.last_until(at_ms).filter(|point| point.time == at_ms) {
            Some(point) if is_stale(point.value) => marker = Some(point),
            Some(point) => return Some(point),
            None if covers(part, at_ms) => return None,
            None => {}
        }
    }
    marker
}

fn covers(part: &WriterPoints<'_>, at_ms: i64) -> bool {
    let (until, after) = part.split(at_ms);
    let Some((last, earlier)) = until.split_last() else { return false };
    if is_stale(last.value) {
        return false;
    }
    let previous = earlier.last().filter(|point| same_run(point, last));
    let next = after.first().filter(|point| same_run(last, point));
    let spacing = match (previous, next) {
        (Some(previous), _) => last.time - previous.time,
        (None, Some(next)) => next.time - last.time,
        (None, None) => 0,
    };
    let reach = (spacing * 5 / 2).clamp(REACH_MS_MIN, LIVE_MS);
    at_ms.saturating_sub(last.time) <= reach || next.is_some_and(|next| next.time - at_ms <= reach)
}

fn same_run(a: &Point, b: &Point) -> bool {
    !is_stale(a.value) && !is_stale(b.value) && b.time.saturating_sub(a.time) <= LIVE_MS
}
