//! Reads a file of samples batch by batch, whatever it holds.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use shoal_model::{Kind, Point, Stream, StreamPoints, Writer};
use shoal_proto::remote_write;

use super::Format;
use crate::dump::{self, DumpError};
use crate::exposition;

/// Bytes of text in one batch: some thousand lines.
const BATCH_BYTES: usize = 512 * 1024;
/// Bytes that are looked at to recognise a file.
const LOOK_BYTES: usize = 64 * 1024;
/// The longest line, with all it may have behind its sample.
const LINE_BYTES_MAX: u64 = 1024 * 1024;
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Seconds up to the year 5138, milliseconds from 1973 on.
const SECONDS_MAX: f64 = 1e11;
/// The time of lines that have none; no door takes it.
const NO_TIME: i64 = i64::MIN;

/// Samples that are sent in one go.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) streams: Vec<StreamPoints>,
    /// Lines or samples that cannot be sent.
    pub(super) refused: u64,
    pub(super) first_reason: Option<String>,
}

/// Why a file cannot be read on. What came before was sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    /// The file.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A file of remote write requests.
    #[error(transparent)]
    Dump(#[from] DumpError),
    /// A request in it.
    #[error("part {part} is no remote write request: {source}")]
    Request {
        /// Counted from one.
        part: u64,
        /// Why.
        source: remote_write::Malformed,
    },
    /// OpenMetrics without its end.
    #[error("the text ends without # EOF: a part of it is missing")]
    NoEnd,
    /// No text.
    #[error("line {0} is longer than {LINE_BYTES_MAX} bytes: this is no file of samples")]
    LongLine(u64),
}

/// Where batches go; false when no more are wanted.
type Put<'a> = &'a mut dyn FnMut(Batch) -> bool;

/// Counts the bytes that are read, before they are unpacked.
struct Counted<R> {
    from: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(into)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Reads a file to its end.
pub(super) fn read(
    path: &Path,
    format: Option<Format>,
    read: &Arc<AtomicU64>,
    put: Put<'_>,
) -> Result<(), ImportError> {
    let from: Box<dyn Read> =
        if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
    let mut from: Box<dyn BufRead> =
        Box::new(BufReader::with_capacity(LOOK_BYTES, Counted { from, read: Arc::clone(read) }));
    if from.fill_buf()?.starts_with(&GZIP) {
        from = Box::new(BufReader::with_capacity(LOOK_BYTES, MultiGzDecoder::new(from)));
    }
    let format = match format {
        Some(format) => format,
        None => recognised(from.fill_buf()?),
    };
    match format {
        Format::RemoteWrite => requests(&mut from, put),
        Format::Text => lines(&mut from, exposition::Format::Text, put),
        Format::Openmetrics => lines(&mut from, exposition::Format::OpenMetrics, put),
    }
}

/// What a file begins like: a small number where the length of a request stands, else by the first time.
fn recognised(begin: &[u8]) -> Format {
    if begin.get(3).is_some_and(|high| *high <= 1) {
        return Format::RemoteWrite;
    }
    let text = String::from_utf8_lossy(begin);
    let mut samples = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let time = samples.find_map(|line| line.split_whitespace().last()?.parse::<f64>().ok());
    match time {
        Some(time) if time.abs() < SECONDS_MAX => Format::Openmetrics,
        _ => Format::Text,
    }
}

fn requests(from: &mut dyn BufRead, put: Put<'_>) -> Result<(), ImportError> {
    let mut part = 0;
    while let Some(body) = dump::next_request(&mut &mut *from)? {
        part += 1;
        let bad = |source| ImportError::Request { part, source };
        let wire = remote_write::unpack(&body).map_err(bad)?;
        let columns = remote_write::decode_v1(&wire).map_err(bad)?;
        if !put(batch_of(&columns)) {
            break;
        }
    }
    Ok(())
}

fn batch_of(columns: &remote_write::Columns<'_>) -> Batch {
    let mut batch = Batch::default();
    if columns.histograms > 0 {
        batch.refuse(columns.histograms, || "native histograms are not kept".to_owned());
    }
    let mut points = columns.points.iter();
    for row in &columns.series {
        let points: Vec<Point> = points.by_ref().take(row.points as usize).copied().collect();
        match remote_write::labels(columns.labels(row), None) {
            Ok((labels, _)) => batch.streams.push(StreamPoints {
                stream: Stream { labels, writer: Writer::NONE, kind: Kind::Sample },
                points,
            }),
            Err(error) => batch.refuse(points.len() as u64, || error.to_string()),
        }
    }
    batch.streams.retain(|part| !part.points.is_empty());
    batch
}

fn lines(from: &mut dyn BufRead, format: exposition::Format, put: Put<'_>) -> Result<(), ImportError> {
    let (mut text, mut line, mut is_over) = (Vec::new(), 0_u64, false);
    let mut first_line = 1;
    loop {
        let start = text.len();
        let count = (&mut *from).take(LINE_BYTES_MAX).read_until(b'\n', &mut text)?;
        line += 1;
        if count as u64 == LINE_BYTES_MAX {
            return Err(ImportError::LongLine(line));
        }
        let is_end = format == exposition::Format::OpenMetrics && text[start..].trim_ascii() == b"# EOF";
        is_over |= is_end;
        if is_end {
            text.truncate(start);
        }
        if count == 0 || text.len() >= BATCH_BYTES {
            if !put(parsed(&mut text, format, first_line)) || count == 0 {
                break;
            }
            first_line = line + 1;
        }
    }
    if format == exposition::Format::OpenMetrics && !is_over { Err(ImportError::NoEnd) } else { Ok(()) }
}

/// The samples of some whole lines, the first of which has this number.
fn parsed(text: &mut Vec<u8>, format: exposition::Format, first_line: u64) -> Batch {
    if format == exposition::Format::OpenMetrics {
        text.extend_from_slice(b"# EOF\n");
    }
    let bounds = exposition::Bounds::NONE;
    let exposed = exposition::Exposed { bytes: text, format, now_ms: NO_TIME, bounds };
    let parsed = exposition::parse(exposed, &mut |_| Some(Kind::Sample));
    text.clear();
    let mut batch = Batch { streams: parsed.streams, ..Batch::default() };
    if let Some(refused) = parsed.refused.first() {
        let number = first_line + refused.line as u64 - 1;
        batch.refuse(parsed.refused_total, || format!("line {number}: {}", refused.reason));
    }
    if parsed.without_time > 0 {
        batch.streams.iter_mut().for_each(|part| part.points.retain(|point| point.time != NO_TIME));
        batch.streams.retain(|part| !part.points.is_empty());
        batch.refuse(parsed.without_time, || {
            format!("a line from {first_line} on has no time: imported twice it would count twice")
        });
    }
    batch
}

impl Batch {
    fn refuse(&mut self, count: u64, reason: impl FnOnce() -> String) {
        self.refused += count;
        self.first_reason.get_or_insert_with(reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_recognised_by_their_beginning() {
        let check = |begin: &[u8], expected| assert_eq!(recognised(begin), expected, "{begin:?}");
        check(b"{__name__=\"up\", job=\"x\"} 1 1700000000000\n", Format::Text);
        check(b"# TYPE up gauge\nup 1 1700000000\n", Format::Openmetrics);
        check(b"up 1 1700000000.5\n", Format::Openmetrics);
        check(b"\x10\x27\x00\x00abc", Format::RemoteWrite);
        check(b"\0\0\0\0", Format::RemoteWrite);
        check(b"", Format::Text);
    }

    fn all(text: &str, format: exposition::Format) -> (u64, u64, Option<String>, Result<(), ImportError>) {
        let (mut points, mut refused, mut reason) = (0, 0, None);
        let ended = lines(&mut text.as_bytes(), format, &mut |batch: Batch| {
            points += batch.streams.iter().map(|part| part.points.len() as u64).sum::<u64>();
            refused += batch.refused;
            reason = reason.take().or(batch.first_reason);
            true
        });
        (points, refused, reason, ended)
    }

    #[test]
    fn a_long_text_comes_in_batches_and_bad_lines_are_named_by_their_number() {
        let mut text: String = (0..50_000).map(|n| format!("up{{n=\"{}\"}} 1 {n}\n", n % 100)).collect();
        text += "up 1\nup{ 1 5\n";
        let (points, refused, reason, ended) = all(&text, exposition::Format::Text);
        assert_eq!((points, refused), (50_000, 2));
        assert!(reason.unwrap().contains("line 50002"));
        ended.unwrap();
    }

    #[test]
    fn openmetrics_has_to_have_its_end() {
        let (points, _, _, ended) = all("up 1 5\nup 1 6\n# EOF\n", exposition::Format::OpenMetrics);
        assert!(points == 2 && ended.is_ok());
        let (points, _, _, ended) = all("up 1 5\nup 1 6\n", exposition::Format::OpenMetrics);
        assert!(points == 2 && matches!(ended, Err(ImportError::NoEnd)));
    }
}
