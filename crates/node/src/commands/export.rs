//! `shoal export`: all samples of some series, as a file for Prometheus, VictoriaMetrics or another cluster. What a
//! node sends goes to the file as it comes; the file gets its name when it is whole.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use axum::body::Bytes;
use axum::http::{HeaderMap, Request, Response, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use shoal_client::Address;

use super::progress::{Progress, bytes_text, count_text};
use super::time::{Time, now_ms};
use super::{CommandError, Target};

/// What is typed after `shoal export`.
#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// A PromQL vector selector, such as '{__name__=~".+"}' for everything
    selector: String,

    /// From this time on: seconds since 1970, or how long ago (7d); from the beginning where absent
    #[arg(long, value_name = "TIME", value_parser = Time::parse, allow_negative_numbers = true)]
    start: Option<Time>,

    /// Up to this time; now where absent
    #[arg(long, value_name = "TIME", value_parser = Time::parse, allow_negative_numbers = true)]
    end: Option<Time>,

    /// OpenMetrics, for promtool; text with times in ms, for VictoriaMetrics; or a file of remote write requests,
    /// which keeps stale markers
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,

    /// Where it goes; to standard output where absent
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    #[command(flatten)]
    target: Target,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    #[default]
    Openmetrics,
    RemoteWrite,
}

impl Format {
    fn word(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::Openmetrics => "openmetrics",
            Format::RemoteWrite => "remote-write",
        }
    }
}

/// Where an export goes.
enum Sink {
    Stdout,
    /// A file under a name of its own until it is whole.
    File {
        file: File,
        scratch: PathBuf,
        path: PathBuf,
    },
}

/// What was written.
#[derive(Default)]
struct Written {
    bytes: u64,
    lines: u64,
    series: Series,
}

/// Counts the series of a text by the lines' beginnings.
#[derive(Default)]
struct Series {
    count: u64,
    last: Vec<u8>,
    /// A line that has not come to its end.
    open: Vec<u8>,
}

impl Export {
    pub(crate) async fn run(&self) -> Result<String, CommandError> {
        shoal_query::parse_selector(&self.selector)?;
        let mut sink = Sink::open(self.out.as_deref())?;
        let response = self.ask().await?;
        let total = number(response.headers(), "shoal-series");
        for warning in response.headers().get_all("shoal-warning") {
            eprintln!("warning: {}", String::from_utf8_lossy(warning.as_bytes()));
        }
        let (mut progress, mut written) = (Progress::start(), Written::default());
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| CommandError::CutOff(error.to_string()))?;
            let Ok(data) = frame.into_data() else { continue };
            if !sink.write(&data)? {
                return Ok(String::new());
            }
            written.add(&data, self.format);
            let part = total.filter(|_| self.format != Format::RemoteWrite);
            let part = part.map(|total| written.series.count as f64 / total.max(1) as f64);
            progress.show(part, || written.text(self.format));
        }
        let took = progress.took();
        drop(progress);
        let name = sink.finish()?;
        eprintln!("{name}: {} in {:.1} s", written.text(self.format), took.as_secs_f64());
        Ok(String::new())
    }

    /// Asks the nodes in turn; the first that begins to answer serves.
    async fn ask(&self) -> Result<Response<Incoming>, CommandError> {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        let seconds = |ms: i64| format!("{}", ms as f64 / 1_000.0);
        let now = now_ms();
        pairs.append_pair("match[]", &self.selector).append_pair("format", self.format.word());
        pairs.append_pair("end", &seconds(self.end.map_or(now, |end| end.ms(now))));
        if let Some(start) = self.start {
            pairs.append_pair("start", &seconds(start.ms(now)));
        }
        let query = pairs.finish();
        let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
        let mut last = None;
        for node in &self.target.node {
            let address: Address = node.parse().map_err(shoal_client::BuildError::from)?;
            let mut request = Request::get(format!("http://{address}/api/v1/export?{query}"));
            if let Some(token) = self.target.token()? {
                request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
            }
            let request =
                request.body(Empty::new()).map_err(|error| CommandError::CutOff(error.to_string()))?;
            last = Some(match client.request(request).await {
                Ok(response) if response.status().is_success() => return Ok(response),
                Ok(response) => {
                    let status = response.status();
                    let body = response.into_body().collect().await.map(|body| body.to_bytes());
                    let text = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
                    CommandError::Answer {
                        node: address.to_string(),
                        reason: format!("{status} {}", reason(&text)),
                    }
                }
                Err(error) => {
                    let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
                    let reason = format!("{error}{}", source.unwrap_or_default());
                    CommandError::Answer { node: address.to_string(), reason }
                }
            });
        }
        Err(last.unwrap_or(CommandError::Target(shoal_client::BuildError::NoSeeds)))
    }
}

/// The error of a reply in Prometheus' form, or the reply.
fn reason(text: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    json["error"].as_str().map_or_else(|| text.chars().take(200).collect(), str::to_owned)
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

impl Sink {
    fn open(path: Option<&Path>) -> Result<Self, CommandError> {
        let Some(path) = path else { return Ok(Sink::Stdout) };
        let mut scratch = path.as_os_str().to_owned();
        scratch.push(".part");
        let scratch = PathBuf::from(scratch);
        let file = File::create(&scratch).map_err(|source| CommandError::file(&scratch, source))?;
        Ok(Sink::File { file, scratch, path: path.to_owned() })
    }

    /// False where the reader of standard output has had enough.
    fn write(&mut self, data: &[u8]) -> Result<bool, CommandError> {
        match self {
            Sink::Stdout => match std::io::stdout().write_all(data) {
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
                written => written.map(|()| true).map_err(|error| CommandError::file(Path::new("-"), error)),
            },
            Sink::File { file, scratch, .. } => {
                file.write_all(data).map(|()| true).map_err(|error| CommandError::file(scratch, error))
            }
        }
    }

    /// The whole file gets its name.
    fn finish(self) -> Result<String, CommandError> {
        let Sink::File { file, scratch, path } = self else { return Ok("standard output".to_owned()) };
        file.sync_all()
            .and_then(|()| std::fs::rename(&scratch, &path))
            .map_err(|error| CommandError::file(&path, error))?;
        Ok(path.display().to_string())
    }
}

impl Written {
    fn add(&mut self, data: &[u8], format: Format) {
        self.bytes += data.len() as u64;
        if format != Format::RemoteWrite {
            self.lines += self.series.add(data);
        }
    }

    fn text(&self, format: Format) -> String {
        let bytes = bytes_text(self.bytes);
        match format {
            Format::Text | Format::Openmetrics => {
                format!("{} points of {} series, {bytes}", count_text(self.lines as f64), self.series.count)
            }
            Format::RemoteWrite => bytes,
        }
    }
}

impl Series {
    /// Takes more of the text; how many samples came to their end.
    fn add(&mut self, data: &[u8]) -> u64 {
        let (mut samples, mut rest) = (0, data);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            rest = after;
            if self.open.is_empty() {
                samples += u64::from(take(&mut self.last, &mut self.count, line));
            } else {
                self.open.extend_from_slice(line);
                samples += u64::from(take(&mut self.last, &mut self.count, &self.open));
                self.open.clear();
            }
        }
        self.open.extend_from_slice(rest);
        samples
    }
}

/// Whether a line is a sample; what stands before its value and time names its series.
fn take(last: &mut Vec<u8>, count: &mut u64, line: &[u8]) -> bool {
    if line.starts_with(b"#") {
        return false;
    }
    let series = line.rsplitn(3, |byte| *byte == b' ').nth(2).unwrap_or_default();
    if series != last.as_slice() {
        last.clear();
        last.extend_from_slice(series);
        *count += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_counted_however_the_text_comes() {
        let text = b"a{b=\"c d\"} 1 5\na{b=\"c d\"} 2 6\nb 1 7\n# EOF\n";
        for cut in 0..text.len() {
            let mut series = Series::default();
            let samples = series.add(&text[..cut]) + series.add(&text[cut..]);
            assert_eq!((samples, series.count), (3, 2), "cut at {cut}");
        }
    }
}
