//! What was pushed is repeated once a minute, as a Pushgateway is scraped again and again, so that it can still be
//! read tomorrow. The reachable nodes divide the groups by rendezvous hashing; where two repeat one group, they
//! write the same points. A node that has not seen the newest push yet repeats the one before: that is hidden
//! behind the push, and the next minute puts it right.

use std::collections::BTreeSet;
use std::time::Duration;

use shoal_model::{Matcher, MatcherOp, NodeId, Point, StreamPoints, is_stale, stale};
use shoal_store::View;

use super::super::{Context, Door, gathered};
use super::group::{Group, GroupSeries, PUSH_TIME};
use crate::clock::wall_ms;
use crate::engine::ReadError;
use crate::rendezvous;

const EVERY_MS: i64 = 60_000;
/// How long after the minute the points of that minute are written: pushes have arrived everywhere by then.
const LAG_MS: i64 = 5_000;
/// How long a push is repeated.
const KEPT_SECONDS: f64 = 7.0 * 86_400.0;

/// Repeats this node's share of what was pushed, until the task is ended.
pub async fn repeat(context: Context) {
    loop {
        let wait_ms = EVERY_MS - (wall_ms() - LAG_MS).rem_euclid(EVERY_MS);
        tokio::time::sleep(Duration::from_millis(wait_ms.unsigned_abs())).await;
        let at_ms = wall_ms() / EVERY_MS * EVERY_MS;
        match repetitions(&context, at_ms).await {
            Ok(streams) => {
                if let Err(error) = gathered::write(&context, Door::Itself, streams).await {
                    tracing::debug!(%error, "what was pushed was not repeated");
                }
            }
            Err(ReadError::Stopped(_)) => return,
            Err(error) => tracing::debug!(%error, "what was pushed is not known now"),
        }
    }
}

async fn repetitions(context: &Context, at_ms: i64) -> Result<Vec<StreamPoints>, ReadError> {
    let me = context.engine.node();
    let mut nodes = context.engine.status().await?.reachable();
    nodes.insert(me);
    context.engine.inspect(move |snapshot| of_groups(&snapshot.view, &nodes, me, at_ms)).await
}

fn of_groups(view: &View, nodes: &BTreeSet<NodeId>, me: NodeId, at_ms: i64) -> Vec<StreamPoints> {
    let Ok(matcher) = Matcher::new("__name__", MatcherOp::Equal, PUSH_TIME) else { return Vec::new() };
    let mut out = Vec::new();
    for found in view.select(&[matcher]) {
        let labels = found.labels.iter().filter(|(name, _)| *name != "__name__");
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let Ok(group) = Group::new(labels) else { continue };
        let is_pushed = found.streams.iter().any(|(writer, ..)| *writer == group.pusher);
        if !is_pushed || rendezvous::owner(nodes, &group.pusher.0) != Some(me) {
            continue;
        }
        let series = group.series(view, at_ms);
        if !is_kept(&group, &series, at_ms) {
            continue;
        }
        for one in series {
            if let Some(value) = word(one.pushed, one.repeated, at_ms) {
                out.push(group.point(group.repeater, one.labels, at_ms, value));
            }
        }
    }
    out
}

/// Whether the group was pushed lately enough to be repeated.
fn is_kept(group: &Group, series: &[GroupSeries], at_ms: i64) -> bool {
    let push_time = series.iter().find(|one| one.labels == group.push_time);
    let pushed = push_time.and_then(|one| one.pushed.or(one.repeated));
    pushed.is_some_and(|point| is_stale(point.value) || at_ms as f64 / 1_000.0 - point.value <= KEPT_SECONDS)
}

/// What is to be written of a series at a minute: the newest push, once it is a minute old, or what it was
/// repeated as; nothing once it has ended, and its end where somebody repeated it after that.
fn word(pushed: Option<Point>, repeated: Option<Point>, at_ms: i64) -> Option<f64> {
    match (pushed, repeated) {
        (Some(end), Some(late)) if is_stale(end.value) => {
            (late.time > end.time && !is_stale(late.value)).then(stale)
        }
        (Some(end), None) if is_stale(end.value) => None,
        (Some(pushed), _) => (at_ms - pushed.time >= EVERY_MS).then_some(pushed.value),
        (None, Some(repeated)) => (!is_stale(repeated.value)).then_some(repeated.value),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shoal_merge::lens::{WriterPoints, value_at};
    use shoal_model::Kind;

    #[test]
    fn the_newest_push_is_repeated_until_it_ends() {
        let point = |time: i64, value: f64| Some(Point::new(time, value));
        let check = |pushed, repeated, expected: Option<f64>| {
            let found = word(pushed, repeated, 600_000).map(f64::to_bits);
            assert_eq!(found, expected.map(f64::to_bits), "{pushed:?} {repeated:?}");
        };
        check(point(540_000, 3.0), point(540_000, 5.0), Some(3.0));
        check(point(599_000, 3.0), point(540_000, 5.0), None);
        check(None, point(540_000, 5.0), Some(5.0));
        check(None, point(540_000, stale()), None);
        check(point(500_000, stale()), None, None);
        check(point(500_000, stale()), point(500_000, stale()), None);
        check(point(500_000, stale()), point(540_000, 5.0), Some(stale()));
        check(None, None, None);
    }

    /// Pushes at 10 s and 620 s, an end at 1300 s, and a node that repeats with the state of a minute ago.
    #[test]
    fn a_reader_sees_the_newest_push_whoever_repeats_it() {
        let group = Group::of_path("/metrics/job/a").unwrap();
        let pushes = [Point::new(10_000, 5.0), Point::new(620_000, 3.0), Point::new(1_300_000, stale())];
        let mut repeats = vec![Point::new(1_300_000, stale())];
        let last =
            |points: &[Point], until: i64| points.iter().rev().find(|point| point.time <= until).copied();
        for at in (60_000..2_400_000).step_by(60_000) {
            let behind = if at % 120_000 == 0 { 60_000 } else { 0 };
            let pushed = last(&pushes, at - behind);
            if let Some(value) = word(pushed, last(&repeats, at - 1), at) {
                repeats.push(Point::new(at, value));
                repeats.sort_by_key(|point| point.time);
            }
        }
        let parts = [(group.pusher, &pushes[..]), (group.repeater, &repeats[..])]
            .map(|(writer, points)| WriterPoints { writer, kind: Kind::Sample, points });
        let value =
            |ms: i64| value_at(&parts, ms).filter(|point| !is_stale(point.value)).map(|point| point.value);
        for ms in [10_000, 100_000, 500_000, 619_000] {
            assert_eq!(value(ms), Some(5.0), "{ms}");
        }
        for ms in [620_000, 630_000, 720_000, 900_000, 1_299_000] {
            assert_eq!(value(ms), Some(3.0), "{ms}");
        }
        assert_eq!(value(1_310_000), None);
        assert_eq!(value(2_300_000), None);
    }
}
