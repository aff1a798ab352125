//! Equality: nodes that have applied the same give the same answer, to the bit, to the same question. All series are
//! read through their lenses, over all time and at its end, which also must agree with the way by running totals.

use std::collections::BTreeMap;

use shoal_merge::lens::{self, WriterPoints};
use shoal_model::{Matcher, Point, time};
use shoal_store::{StreamView, View};

/// A series by its labels and whether it is the second of its labels; its merged samples and its newest value.
pub type Answer = BTreeMap<(String, bool), (Vec<Point>, Option<Point>)>;

/// All that a node answers, between two times.
pub fn answer(view: &View, millis: std::ops::RangeInclusive<i64>) -> Result<Answer, String> {
    let mut answer = Answer::new();
    for series in view.select(&[]) {
        let whole = view.read_series(&series, lens::needed(series.family, millis.clone())).streams;
        let short = view.read_condensed(&series, *millis.end()..=*millis.end()).streams;
        let (samples, last) =
            (lens::merge(&parts(&whole), millis.clone()), lens::last(&parts(&short), *millis.end()));
        if lens::last(&parts(&whole), *millis.end()) != last {
            return Err(format!("{} reads another way by running totals than by its points", series.labels));
        }
        answer.insert((series.labels.to_string(), series.is_second), (samples, last));
    }
    Ok(answer)
}

/// What is wrong with two nodes' answers.
pub fn check(one: (&str, &Answer), other: (&str, &Answer)) -> Result<(), String> {
    let differing =
        one.1.keys().chain(other.1.keys()).find(|series| one.1.get(*series) != other.1.get(*series));
    match differing {
        None => Ok(()),
        Some((series, _)) => Err(format!("{} and {} answer differently for {series}", one.0, other.0)),
    }
}

/// A series' newest merged value at or before a time, as an instant query reads it; none while points are missing.
pub fn newest(view: &View, matchers: &[Matcher]) -> Option<Point> {
    let found = view.select(matchers);
    let streams = view.read_condensed(found.first()?, EVER..=EVER).whole().ok()?;
    lens::last(&parts(&streams), EVER)
}

/// What finds a series.
pub fn matchers(selector: &str) -> Vec<Matcher> {
    shoal_query::parse_selector(selector).expect("the series are constants")
}

/// The last ms of every axis.
pub const EVER: i64 = time::DELTA_MILLIS_MAX;

fn parts(streams: &[StreamView]) -> Vec<WriterPoints<'_>> {
    streams
        .iter()
        .map(|StreamView { writer, kind, points }| WriterPoints { writer: *writer, kind: *kind, points })
        .collect()
}
