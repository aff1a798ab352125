//! Answering a read: series are selected in the store, each family of streams goes through its lens, and the
//! answer carries the hash of what this node has applied. The same question at the same frontier gives the same
//! answer on every node.

use shoal_merge::lens::{self, WriterPoints};
use shoal_model::limits::{LIVE, READ_SERIES_MAX};
use shoal_model::{Family, Kind, Labels, Matcher, Point, Writer, is_stale, time};
use shoal_store::{Damage, FrameId, SeriesRead, SeriesView, StreamView, View};
use thiserror::Error;

use super::ReadError;

/// The label that a second family of a series appears with.
pub(super) const KIND_LABEL: &str = "__kind__";
/// Damaged parts that an answer names for one series.
const DAMAGE_TOLD_MAX: usize = 8;
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
    /// Writes that the answer must include: it waits for them.
    pub tokens: Vec<FrameId>,
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
    /// Up to which ms of this node's clock all that the members held is in, if known.
    pub complete_until: Option<i64>,
    /// Why something may be missing.
    pub warnings: Vec<String>,
}

/// A selector fits more series than one answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the selector fits {0} series, more than the {READ_SERIES_MAX} of one answer: narrow it")]
pub struct TooManySeries(pub usize);

/// The state of one moment, for answering on any thread.
pub struct Snapshot {
    /// The points.
    pub view: View,
    /// Hash of what was applied.
    pub frontier: u128,
    /// Up to which ms of this node's clock all that the members held is in, if known.
    pub complete_until: Option<i64>,
    /// Why something may be missing.
    pub warnings: Vec<String>,
}

impl Snapshot {
    /// Answers a question.
    pub fn answer(self, question: &Question) -> Result<Answer, ReadError> {
        let found = self.view.select(&question.matchers);
        if found.len() > READ_SERIES_MAX {
            return Err(TooManySeries(found.len()).into());
        }
        let (mut series, mut warnings) = (Vec::with_capacity(found.len()), self.warnings);
        for one in &found {
            let (value, damage) = value(&self.view, one, question);
            warnings.extend(missing(one, &damage));
            warnings.extend(value.as_ref().filter(|_| one.is_second).map(|_| clash(one)));
            series.extend(value);
        }
        Ok(Answer { series, frontier: self.frontier, complete_until: self.complete_until, warnings })
    }
}

/// Tells of a series that two nodes took to be of two families.
pub(super) fn clash(series: &SeriesView) -> String {
    let SeriesView { labels, family, .. } = series;
    format!("series {labels} is also written as {family}: that part is shown with a {KIND_LABEL} label")
}

/// What damage on this node's disk may cost a series, in one sentence for each window.
pub(super) fn missing(series: &SeriesView, damage: &[Damage]) -> Vec<String> {
    let warning = |damage: &Damage| {
        let (millis, part) = (damage.millis(), damage.part);
        format!(
            "series {}: points from {} to {} ms may be missing here, the {part} of a block is damaged",
            series.labels,
            millis.start(),
            millis.end()
        )
    };
    let (told, rest) = damage.split_at(damage.len().min(DAMAGE_TOLD_MAX));
    let more = format!("series {}: {} more parts of blocks are damaged", series.labels, rest.len());
    told.iter().map(warning).chain((!rest.is_empty()).then_some(more)).collect()
}

/// A series' value, and the damage that it was read around.
fn value(view: &View, series: &SeriesView, question: &Question) -> (Option<SeriesValue>, Vec<Damage>) {
    let at_ms = question.at_ms.unwrap_or(EVER);
    // The lens of samples looks a little past the moment.
    let SeriesRead { streams, damage } =
        view.read_condensed(series, at_ms..=at_ms.saturating_add(LIVE.as_millis() as i64));
    let streams: Vec<_> = streams.iter().map(writer_points).collect();
    let Some(point) = lens::last(&streams, at_ms).filter(|point| !is_stale(point.value)) else {
        return (None, damage);
    };
    let parts = if question.parts { parts(&streams, at_ms) } else { Vec::new() };
    let kind = series.streams.first().map_or(Kind::Sample, |(_, kind, _)| *kind);
    let labels = labels(&series.labels, series.is_second.then_some(series.family));
    (Some(SeriesValue { labels, kind, point, parts }), damage)
}

fn parts(streams: &[WriterPoints<'_>], at_ms: i64) -> Vec<PartValue> {
    let part = |stream: &WriterPoints<'_>| {
        let point = lens::last(std::slice::from_ref(stream), at_ms).filter(|point| !is_stale(point.value))?;
        Some(PartValue { writer: stream.writer, kind: stream.kind, point })
    };
    streams.iter().filter_map(part).collect()
}

pub(super) fn writer_points(stream: &StreamView) -> WriterPoints<'_> {
    WriterPoints { writer: stream.writer, kind: stream.kind, points: &stream.points }
}

fn labels(labels: &Labels, second: Option<Family>) -> Vec<(String, String)> {
    let kind = second.map(|family| (KIND_LABEL.to_owned(), family.to_string()));
    let pairs = labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    pairs.chain(kind).collect()
}
