//! Merged values are exactly what the sessions counted, and nobody holds a point that nobody wrote. The sums here
//! are of whole numbers, by no code that the nodes use.

use shoal_merge::lens;
use shoal_merge::{WriterPoints, order};
use shoal_model::{Point, time};
use shoal_store::Store;

use crate::oracle::{Contents, Oracle};
use crate::workload::{DEPTH, ORDERS, REQUESTS, Workload, labels};

/// What is wrong with a node's merged values.
pub fn check(oracle: &Oracle, workload: &Workload, store: &Store, contents: &Contents) -> Result<(), String> {
    let invented = contents.iter().find(|(id, value)| {
        oracle.attempts().get(id).is_none_or(|written| order::compare(*written, **value).is_ne())
    });
    if let Some(((stream, time), value)) = invented {
        return Err(format!("a point that nobody wrote: {stream:?} at {time} is {value}"));
    }
    let counted = workload.total();
    let lost: u64 = lost_increments(oracle, contents);
    let expected = [(REQUESTS, counted as f64), (ORDERS, (counted - lost) as f64), (DEPTH, newest(oracle))];
    for (series, expected) in expected {
        let read = value(store, series).map(|point| point.value);
        if read != Some(expected) {
            return Err(format!("{series} reads {read:?}; the sessions counted {expected}"));
        }
    }
    falls(store)
}

/// Increments that went with a lost disk, where that was allowed.
fn lost_increments(oracle: &Oracle, contents: &Contents) -> u64 {
    let orders = labels(ORDERS).series_id();
    let lost = oracle.excused().into_iter();
    lost.filter(|(id, _)| id.0.series == orders && !contents.contains_key(id))
        .map(|(_, value)| value as u64)
        .sum()
}

/// The reading with the greatest (time, writer).
fn newest(oracle: &Oracle) -> f64 {
    let depth = labels(DEPTH).series_id();
    let readings = oracle.attempts().iter().filter(|((stream, _), _)| stream.series == depth);
    let newest = readings.max_by_key(|((stream, time), _)| (*time, stream.writer));
    newest.map_or(f64::NAN, |(_, value)| *value)
}

fn value(store: &Store, series: &str) -> Option<Point> {
    read(store, series, |parts| lens::last(parts, time::DELTA_MILLIS_MAX)).flatten()
}

/// The merged counter never goes down.
fn falls(store: &Store) -> Result<(), String> {
    let samples = read(store, REQUESTS, |parts| lens::merge(parts, 0..=time::DELTA_MILLIS_MAX));
    match samples.unwrap_or_default().windows(2).find(|pair| pair[1].value < pair[0].value) {
        None => Ok(()),
        Some(pair) => Err(format!("{REQUESTS} falls from {:?} to {:?}", pair[0], pair[1])),
    }
}

fn read<T>(store: &Store, series: &str, lens: impl FnOnce(&[WriterPoints<'_>]) -> T) -> Option<T> {
    let matchers = shoal_query::parse_selector(series).expect("the series are constants");
    let views = store.select(&matchers);
    let streams =
        store.view().read_series(views.first()?, i64::MIN..=i64::MAX).whole().expect("no disk rots here");
    let parts: Vec<_> = streams
        .iter()
        .map(|stream| WriterPoints { writer: stream.writer, kind: stream.kind, points: &stream.points })
        .collect();
    Some(lens(&parts))
}
