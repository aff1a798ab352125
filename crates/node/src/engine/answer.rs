//! Answering a read: series are selected in the store, each family of streams goes through its lens, and the
//! answer carries the hash of what this node has applied. The same question at the same frontier gives the same
//! answer on every node.

use shoal_merge::lens::{self, WriterPoints};
use shoal_model::limits::READ_SERIES_MAX;
use shoal_model::{Family, Kind, Labels, Matcher, Point, Writer, is_stale, time};
use shoal_store::{SeriesView, Store, StreamView};
use thiserror::Error;

/// The label that a second family of a series appears with.
const KIND_LABEL: &str = "__kind__";
/// "However late": the last millisecond that every axis has.
const EVER: i64 = time::DELTA_MILLIS_MAX;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// Which series.
    pub matchers: Vec<Matcher>,
    /// The values at this time, in ms; `None`: the newest.
    pub at_ms: Option<i64>,
    /// Whether each writer's part is wanted too.
    pub parts: bool,
}

/// One series' value.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesValue {
    /// The labels; a second family of a series carries `__kind__` besides.
    pub labels: Vec<(String, String)>,
    /// The kind of its streams, or of its first one where they differ.
    pub kind: Kind,
    /// The merged value and its time in ms.
    pub point: Point,
    /// By writer, in order, if asked for.
    pub parts: Vec<PartValue>,
}

/// One writer's part of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct PartValue {
    /// Who counts.
    pub writer: Writer,
    /// How the points read.
    pub kind: Kind,
    /// The value and its time in ms.
    pub point: Point,
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// In order of labels.
    pub series: Vec<SeriesValue>,
    /// Hash of what was applied.
    pub frontier: u128,
    /// Why something may be missing.
    pub warnings: Vec<String>,
}

/// A selector fits more series than one answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the selector fits {0} series, more than the {READ_SERIES_MAX} of one answer: narrow it")]
pub struct TooManySeries(pub usize);

/// Answers a question from the store.
pub fn series(store: &Store, question: &Question) -> Result<(Vec<SeriesValue>, Vec<String>), TooManySeries> {
    let views = store.select(&question.matchers);
    if views.len() > READ_SERIES_MAX {
        return Err(TooManySeries(views.len()));
    }
    let warnings = views.iter().filter(|view| view.is_second).map(clash).collect();
    Ok((views.iter().filter_map(|view| value(view, question)).collect(), warnings))
}

fn clash(view: &SeriesView<'_>) -> String {
    format!(
        "series {} is also written as {}: that part is shown with a {KIND_LABEL} label",
        view.labels, view.family
    )
}

fn value(view: &SeriesView<'_>, question: &Question) -> Option<SeriesValue> {
    let at_ms = question.at_ms.unwrap_or(EVER);
    let streams: Vec<_> = view.streams.iter().map(writer_points).collect();
    let point = lens::last(&streams, at_ms).filter(|point| !is_stale(point.value))?;
    let parts = if question.parts { parts(&streams, at_ms) } else { Vec::new() };
    let kind = view.streams.first()?.kind;
    Some(SeriesValue {
        labels: labels(view.labels, view.is_second.then_some(view.family)),
        kind,
        point,
        parts,
    })
}

fn parts(streams: &[WriterPoints<'_>], at_ms: i64) -> Vec<PartValue> {
    let part = |stream: &WriterPoints<'_>| {
        let point = lens::last(std::slice::from_ref(stream), at_ms).filter(|point| !is_stale(point.value))?;
        Some(PartValue { writer: stream.writer, kind: stream.kind, point })
    };
    streams.iter().filter_map(part).collect()
}

fn writer_points<'a>(stream: &StreamView<'a>) -> WriterPoints<'a> {
    WriterPoints { writer: stream.writer, kind: stream.kind, points: stream.points }
}

fn labels(labels: &Labels, second: Option<Family>) -> Vec<(String, String)> {
    let kind = second.map(|family| (KIND_LABEL.to_owned(), family.to_string()));
    let pairs = labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    pairs.chain(kind).collect()
}
