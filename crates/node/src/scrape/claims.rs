//! Who scrapes which job is data: each node that has a job says so in a series of its own, again and again, and
//! every node reads from its store who else does. Whether such a node is still there, replication knows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shoal_model::limits::FUTURE_MAX;
use shoal_model::{Kind, Labels, Matcher, MatcherOp, NodeId, Point, Stream, StreamPoints, Writer, is_stale};

use super::division::JobKey;
use crate::clock::wall_ms;
use crate::doors::{Context, Door, gathered};
use crate::engine::{ReadError, Snapshot};

/// The series: its value is how many targets of the job the node scrapes.
const SERIES: &str = "shoal_scrape_targets";
/// How often a node says so.
pub(super) const EVERY: Duration = Duration::from_secs(15);
/// How long its word holds.
const HOLDS: Duration = Duration::from_secs(60);

/// Says which jobs this node has, each with its number of targets, or the stale marker where it has it no more.
pub(super) async fn claim(context: &Context, jobs: impl Iterator<Item = (JobKey, f64)>) {
    let node = context.engine.node().to_string();
    let now_ms = wall_ms();
    let streams = jobs.filter_map(|((job, config), value)| {
        let pairs = [("__name__", SERIES), ("node", &node), ("job", &job), ("config", &config)];
        let stream = Stream { labels: Labels::new(pairs).ok()?, writer: Writer::NONE, kind: Kind::Sample };
        Some(StreamPoints { stream, points: vec![Point::new(now_ms, value)] })
    });
    let streams = streams.collect();
    if let Err(error) = gathered::write(context, Door::Itself, streams).await {
        tracing::debug!(%error, "the others were not told what this node scrapes");
    }
}

/// The other reachable nodes by the jobs that they have.
pub(super) async fn others(context: &Context) -> Result<BTreeMap<JobKey, BTreeSet<NodeId>>, ReadError> {
    let mut reachable = context.engine.status().await?.reachable();
    reachable.remove(&context.engine.node());
    if reachable.is_empty() {
        return Ok(BTreeMap::new());
    }
    context.engine.inspect(move |snapshot| holders(&snapshot, &reachable, wall_ms())).await
}

fn holders(snapshot: &Snapshot, among: &BTreeSet<NodeId>, now_ms: i64) -> BTreeMap<JobKey, BTreeSet<NodeId>> {
    let mut holders: BTreeMap<JobKey, BTreeSet<NodeId>> = BTreeMap::new();
    let Ok(matcher) = Matcher::new("__name__", MatcherOp::Equal, SERIES) else { return holders };
    let recent = now_ms - HOLDS.as_millis() as i64..=now_ms + FUTURE_MAX.as_millis() as i64;
    for series in snapshot.view.select(&[matcher]) {
        let Ok(node) = series.labels.value("node").parse::<NodeId>() else { continue };
        let read = snapshot.view.read_series(&series, recent.clone());
        let newest =
            read.streams.iter().filter_map(|stream| stream.points.last()).max_by_key(|point| point.time);
        if among.contains(&node) && newest.is_some_and(|point| !is_stale(point.value)) {
            let job = (series.labels.value("job").to_owned(), series.labels.value("config").to_owned());
            holders.entry(job).or_default().insert(node);
        }
    }
    holders
}
