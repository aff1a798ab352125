//! The Prometheus text exposition format 0.0.4, both ways: what scrapes and pushes bring, and what `/metrics`
//! shows. A bad line refuses itself and the rest is kept. Types and help are not kept: every point is a
//! `sample`, for text names neither a writer nor a start.

mod line;
#[cfg(test)]
mod tests;
mod write;

use std::borrow::Cow;
use std::collections::HashMap;

use shoal_model::{Kind, LabelError, Labels, Point, Stream, StreamPoints, Writer};

use line::{Pair, SyntaxError};
pub(crate) use write::{write_family, write_sample};

/// Bytes of one line: labels at their limit with every character escaped, a value and a time.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// Refusals that are named; the rest is counted, so that a bad text cannot make a worse reply.
const REFUSALS_NAMED_MAX: usize = 100;

/// What a text held.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Parsed {
    /// The points by stream, in the order of the text; all of kind `sample` and without a writer.
    pub(crate) streams: Vec<StreamPoints>,
    /// The first hundred lines that were refused.
    pub(crate) refused: Vec<Refused>,
    /// How many lines were refused in all.
    pub(crate) refused_total: u64,
    /// How many points had no time of their own and took the default.
    pub(crate) without_time: u64,
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
    #[error("a timestamp is needed here")]
    NoTime,
    #[error("{0:?} is no metric type")]
    UnknownType(String),
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    #[error(transparent)]
    Labels(#[from] LabelError),
}

/// Reads a text. Points without a time take `default_time_ms`, and are refused where there is none; `extra`
/// labels are added to every series that does not have them.
pub(crate) fn parse(text: &[u8], default_time_ms: Option<i64>, extra: &[(String, String)]) -> Parsed {
    let mut reader = Reader { default_time_ms, extra, places: HashMap::new(), parsed: Parsed::default() };
    let mut pairs = Vec::new();
    for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
        if let Err(error) = reader.take_line(line, &mut pairs) {
            reader.refuse(index + 1, &error);
        }
    }
    reader.parsed
}

struct Reader<'a> {
    default_time_ms: Option<i64>,
    extra: &'a [(String, String)],
    /// Where each series stands among `parsed.streams`.
    places: HashMap<Labels, usize>,
    parsed: Parsed,
}

impl<'a> Reader<'a> {
    /// Takes one line in; `pairs` is scratch space, kept between lines.
    fn take_line(&mut self, line: &'a [u8], pairs: &mut Vec<Pair<'a>>) -> Result<(), LineError> {
        if line.len() > LINE_BYTES_MAX {
            return Err(LineError::TooLong(line.len()));
        }
        let line = std::str::from_utf8(line).map_err(|_| LineError::NotUtf8)?.trim_matches([' ', '\t', '\r']);
        if line.is_empty() {
            return Ok(());
        }
        if let Some(comment) = line.strip_prefix('#') {
            return check_comment(comment);
        }
        pairs.clear();
        let (value, own_time) = line::parse_sample(line, pairs)?;
        let time = own_time.or(self.default_time_ms).ok_or(LineError::NoTime)?;
        for (name, value) in self.extra {
            if !pairs.iter().any(|(given, _)| given == name) {
                pairs.push((Cow::Borrowed(name), Cow::Borrowed(value)));
            }
        }
        let labels = Labels::new(pairs.drain(..))?;
        self.parsed.without_time += u64::from(own_time.is_none());
        self.push(labels, Point::new(time, value));
        Ok(())
    }

    fn push(&mut self, labels: Labels, point: Point) {
        let streams = &mut self.parsed.streams;
        let place = *self.places.entry(labels).or_insert_with_key(|labels| {
            let stream = Stream { labels: labels.clone(), writer: Writer::NONE, kind: Kind::Sample };
            streams.push(StreamPoints { stream, points: Vec::new() });
            streams.len() - 1
        });
        streams[place].points.push(point);
    }

    fn refuse(&mut self, line: usize, error: &LineError) {
        self.parsed.refused_total += 1;
        if self.parsed.refused.len() < REFUSALS_NAMED_MAX {
            self.parsed.refused.push(Refused { line, reason: error.to_string() });
        }
    }
}

/// Only `# TYPE` is looked into: a type that does not exist says that the text is of another format.
fn check_comment(comment: &str) -> Result<(), LineError> {
    let mut words = comment.split_ascii_whitespace();
    if words.next() != Some("TYPE") {
        return Ok(());
    }
    match words.next_back() {
        Some(
            "counter" | "gauge" | "histogram" | "summary" | "untyped" | "unknown" | "info" | "stateset"
            | "gaugehistogram",
        ) => Ok(()),
        other => Err(LineError::UnknownType(other.unwrap_or_default().to_owned())),
    }
}
