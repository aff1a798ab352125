//! Prometheus' text exposition format 0.0.4 and OpenMetrics 1.0 as scrapes and pushes bring them, and the first
//! as `/metrics` shows it. A bad line refuses itself and the rest is kept. What a sample becomes (its labels, its
//! kind, or nothing at all) is for who reads to say: text names neither a writer nor a start.

mod families;
mod line;
#[cfg(test)]
mod tests;
mod write;

use std::collections::HashMap;

use shoal_model::labels::METRIC_NAME;
use shoal_model::limits::{BATCH_POINTS_MAX, BATCH_STREAMS_MAX};
use shoal_model::{Kind, LabelError, Labels, Point, Stream, StreamPoints, Writer};
use shoal_store::Exemplar;

use crate::engine::Notes;
use families::Families;
pub(crate) use line::Pair;
use line::{Example, SyntaxError};
pub(crate) use write::{bound_text, write_family, write_sample, write_sample_in_seconds};

/// Bytes of one line: labels at their limit with every character escaped, a value and a time.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// Refusals that are named; the rest is counted, so that a bad text cannot make a worse reply.
const REFUSALS_NAMED_MAX: usize = 100;

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Prometheus' text, version 0.0.4.
    Text,
    /// OpenMetrics, version 1.0.
    OpenMetrics,
}

impl Format {
    /// The format that a content type names; everything else is taken for text.
    pub(crate) fn of_content_type(content_type: &str) -> Self {
        let media = content_type.split(';').next().unwrap_or_default().trim();
        if media.eq_ignore_ascii_case("application/openmetrics-text") {
            Format::OpenMetrics
        } else {
            Format::Text
        }
    }
}

/// How much of a text is read. What goes beyond stands in the result by one, and the rest of the text is not looked at:
/// a text of short lines takes many times its bytes once it is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) streams: usize,
    pub(crate) points: usize,
}

impl Bounds {
    /// What one write holds.
    pub(crate) const ONE_WRITE: Self = Self { streams: BATCH_STREAMS_MAX, points: BATCH_POINTS_MAX };
    /// All of it.
    pub(crate) const NONE: Self = Self { streams: usize::MAX, points: usize::MAX };
}

/// A text, and how it is to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exposed<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) format: Format,
    /// The time of points without one, and when the text came.
    pub(crate) now_ms: i64,
    pub(crate) bounds: Bounds,
}

/// A sample as it was read, before it is anybody's.
#[derive(Debug)]
pub(crate) struct Sample<'a> {
    /// Its labels in the order of the text, the metric name as `__name__`.
    pub(crate) pairs: Vec<Pair<'a>>,
    /// Whether its family's type says that it adds up: counters, and the parts of histograms and summaries that
    /// are counters.
    pub(crate) is_total: bool,
}

/// What a text held.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Parsed {
    /// The points by stream, in the order of the text; all without a writer.
    pub(crate) streams: Vec<StreamPoints>,
    /// The first hundred lines that were refused.
    pub(crate) refused: Vec<Refused>,
    /// How many lines were refused in all.
    pub(crate) refused_total: u64,
    /// How many points had no time of their own and took the default.
    pub(crate) without_time: u64,
    /// What the metrics mean, and exemplars.
    pub(crate) notes: Notes,
}

/// A line that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Its number, from 1.
    pub(crate) line: usize,
    /// Why.
    pub(crate) reason: String,
}

/// Why a line was left out. It is the sender's fault; the same line fails again.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum LineError {
    #[error("a line of {0} bytes is over the limit of {LINE_BYTES_MAX}")]
    TooLong(usize),
    #[error("the line is not UTF-8")]
    NotUtf8,
    #[error("the text goes on after # EOF")]
    AfterEnd,
    #[error("the text ends without # EOF: a part of it is missing")]
    NoEnd,
    #[error("{0:?} is no metric type")]
    UnknownType(String),
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    #[error(transparent)]
    Labels(#[from] LabelError),
}

/// Reads a text. Points without a time take the time of its arrival; `shape` may change a sample's labels, and says
/// as which kind it is taken, or `None` for not at all.
pub(crate) fn parse(text: Exposed<'_>, shape: &mut dyn FnMut(&mut Sample<'_>) -> Option<Kind>) -> Parsed {
    let Exposed { bytes, format, now_ms, bounds } = text;
    let mut reader = Reader {
        format,
        now_ms,
        places: HashMap::new(),
        families: Families::default(),
        is_over: false,
        points: 0,
        parsed: Parsed::default(),
    };
    let mut lines = 0;
    for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        lines = index + 1;
        if let Err(error) = reader.take_line(line, shape) {
            reader.refuse(lines, &error);
        }
        if reader.parsed.streams.len() > bounds.streams || reader.points > bounds.points {
            return reader.parsed;
        }
    }
    if format == Format::OpenMetrics && !reader.is_over {
        reader.refuse(lines, &LineError::NoEnd);
    }
    reader.families.note(&mut reader.parsed.notes, now_ms);
    reader.parsed
}

struct Reader<'a> {
    format: Format,
    now_ms: i64,
    /// Where each series stands among `parsed.streams`.
    places: HashMap<(Labels, Kind), usize>,
    families: Families<'a>,
    /// Whether `# EOF` was read.
    is_over: bool,
    points: usize,
    parsed: Parsed,
}

impl<'a> Reader<'a> {
    fn take_line(
        &mut self,
        line: &'a [u8],
        shape: &mut dyn FnMut(&mut Sample<'_>) -> Option<Kind>,
    ) -> Result<(), LineError> {
        if line.len() > LINE_BYTES_MAX {
            return Err(LineError::TooLong(line.len()));
        }
        let line = std::str::from_utf8(line).map_err(|_| LineError::NotUtf8)?.trim_matches([' ', '\t', '\r']);
        if line.is_empty() {
            return Ok(());
        }
        if self.is_over {
            return Err(LineError::AfterEnd);
        }
        if let Some(comment) = line.strip_prefix('#') {
            self.is_over = self.format == Format::OpenMetrics && comment.trim() == "EOF";
            return self.families.take_comment(comment, self.format);
        }
        let mut pairs = Vec::with_capacity(16);
        let said = line::parse_sample(line, self.format, &mut pairs)?;
        let name = pairs.iter().find(|(label, _)| label == METRIC_NAME).map_or("", |(_, name)| name.as_ref());
        let is_total = self.families.is_total(name);
        let mut sample = Sample { pairs, is_total };
        let Some(kind) = shape(&mut sample) else { return Ok(()) };
        let labels = Labels::new(sample.pairs)?;
        self.parsed.without_time += u64::from(said.time_ms.is_none());
        let point = Point::new(said.time_ms.unwrap_or(self.now_ms), said.value);
        match said.exemplar {
            Some(Ok(example)) => self.exemplify(&labels, point.time, example),
            Some(Err(_)) => self.parsed.notes.refuse(),
            None => {}
        }
        self.push(labels, kind, point);
        Ok(())
    }

    fn push(&mut self, labels: Labels, kind: Kind, point: Point) {
        let streams = &mut self.parsed.streams;
        let place = *self.places.entry((labels, kind)).or_insert_with_key(|(labels, kind)| {
            let stream = Stream { labels: labels.clone(), writer: Writer::NONE, kind: *kind };
            streams.push(StreamPoints { stream, points: Vec::with_capacity(1) });
            streams.len() - 1
        });
        streams[place].points.push(point);
        self.points += 1;
    }

    /// An exemplar without a time of its own has its sample's.
    fn exemplify(&mut self, labels: &Labels, sample_ms: i64, example: Example<'_>) {
        let Example { pairs, value, time_ms } = example;
        let mut own: Vec<_> =
            pairs.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        own.sort_unstable();
        let is_twice = own.windows(2).any(|pair| pair[0].0 == pair[1].0);
        if is_twice || own.iter().any(|(name, _)| name.is_empty() || name == METRIC_NAME) {
            self.parsed.notes.refuse();
            return;
        }
        self.parsed.notes.exemplify(Exemplar {
            time_ms: time_ms.unwrap_or(sample_ms),
            series: labels.series_id(),
            value_bits: value.to_bits(),
            labels: own,
        });
    }

    fn refuse(&mut self, line: usize, error: &LineError) {
        self.parsed.refused_total += 1;
        if self.parsed.refused.len() < REFUSALS_NAMED_MAX {
            self.parsed.refused.push(Refused { line, reason: error.to_string() });
        }
    }
}
