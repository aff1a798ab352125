//! Whether a target is in other hands: then a turn that is given up may end its series, because another node's points
//! are there to be shown at once. Else the lens would wait whether the silent node comes back.

use std::time::Duration;

use shoal_model::{Labels, Matcher, MatcherOp, Point, Writer};
use shoal_store::View;

use super::sampling::report_labels;
use super::target::Target;
use crate::clock::wall_ms;
use crate::doors::Context;

/// Good scrapes by another node that tell that it goes on: with two the lens knows how far apart they are.
const SCRAPES: usize = 2;

/// Whether another node has scraped a target well in the last intervals, as far as is known here.
pub(super) async fn is_scraped_elsewhere(context: &Context, target: &Target) -> bool {
    let Some(up) = report_labels(target, "up") else { return false };
    let (own, interval) = (Writer(context.engine.node().0), target.interval);
    let looked = context.engine.inspect(move |snapshot| is_up_elsewhere(&snapshot.view, &up, own, interval));
    // A node that is not in service knows nothing of others.
    looked.await.unwrap_or_default()
}

fn is_up_elsewhere(view: &View, up: &Labels, own: Writer, interval: Duration) -> bool {
    let matchers: Result<Vec<_>, _> =
        up.iter().map(|(name, value)| Matcher::new(name, MatcherOp::Equal, value)).collect();
    let mut series = view.select(&matchers.unwrap_or_default());
    series.retain(|one| one.labels == *up && !one.is_second);
    let now_ms = wall_ms();
    let before = |intervals: f64| now_ms - interval.mul_f64(intervals).as_millis() as i64;
    let reads = view.read_all(&series, before(3.5)..=now_ms);
    let goes_on = |points: &[Point]| {
        let good = points.iter().filter(|point| point.value == 1.0).count();
        good >= SCRAPES && points.last().is_some_and(|last| last.time >= before(1.5) && last.value == 1.0)
    };
    let mut streams = reads.iter().flat_map(|read| &read.streams);
    streams.any(|stream| stream.writer != own && goes_on(&stream.points))
}
