//! Merged values are exactly what the sessions counted, and nobody holds a point that nobody wrote. The sums here
//! are of whole numbers, by no code that the nodes use.

use std::collections::BTreeMap;

use shoal_merge::order;
use shoal_model::Writer;
use shoal_store::View;

use crate::invariants::answers;
use crate::invariants::token::is_visible;
use crate::oracle::{Contents, Oracle, PointId};
use crate::workload::{DEPTH, ORDERS, REQUESTS, Workload, labels};

/// What is wrong with a node's merged values.
pub fn check(oracle: &Oracle, workload: &Workload, view: &View, contents: &Contents) -> Result<(), String> {
    let invented = contents.iter().find(|(id, value)| {
        oracle.attempts().get(id).is_none_or(|written| order::compare(*written, **value).is_lt())
    });
    if let Some(((stream, time), value)) = invented {
        return Err(format!("a point that nobody wrote: {stream:?} at {time} is {value}"));
    }
    let excused = oracle.excused();
    // What went with a disk is not to be read, unless some node had it all the same.
    let is_there = |id: &PointId| contents.contains_key(id) || !excused.contains_key(id);
    let written = || oracle.attempts().iter().filter(|(id, _)| is_there(id));
    let gone =
        |id: &PointId| id.0.series == labels(ORDERS).series_id() && is_visible(view, id) && !is_there(id);
    let lost: u64 = excused.iter().filter(|(id, _)| gone(id)).map(|(_, value)| *value as u64).sum();
    let added = workload.counted_since(view.horizon_ms()) - lost;
    let expected = [
        (REQUESTS, counted(written(), REQUESTS)),
        (ORDERS, (added > 0).then_some(added as f64)),
        (DEPTH, newest(written(), view)),
    ];
    for (series, expected) in expected {
        let read = answers::newest(view, &answers::matchers(series)).map(|point| point.value);
        if read.filter(|value| *value != 0.0) != expected.filter(|value| *value != 0.0) {
            return Err(format!("{series} reads {read:?}; the sessions counted {expected:?}"));
        }
    }
    Ok(())
}

type Written<'a> = (&'a PointId, &'a f64);

/// The greatest value of each writer, added up.
fn counted<'a>(written: impl Iterator<Item = Written<'a>>, series: &str) -> Option<f64> {
    let series = labels(series).series_id();
    let mut greatest = BTreeMap::<Writer, u64>::new();
    for ((stream, _), value) in written.filter(|((stream, _), _)| stream.series == series) {
        let known = greatest.entry(stream.writer).or_default();
        *known = (*value as u64).max(*known);
    }
    (!greatest.is_empty()).then(|| greatest.values().sum::<u64>() as f64)
}

/// The reading with the greatest (time, writer).
fn newest<'a>(written: impl Iterator<Item = Written<'a>>, view: &View) -> Option<f64> {
    let depth = labels(DEPTH).series_id();
    let readings = written.filter(|(id, _)| id.0.series == depth && is_visible(view, id));
    readings.max_by_key(|((stream, time), _)| (*time, stream.writer)).map(|(_, value)| *value)
}
