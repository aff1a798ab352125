//! `/api/v1/export`: all samples of the series that fit a selector, merged, as text, OpenMetrics or remote write
//! requests. They are read some series at a time and sent as fast as the client takes them; a client that takes
//! nothing for a while is given up. OpenMetrics ends in `# EOF` and requests in their end mark, or something is
//! missing.

use std::ops::RangeInclusive;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::stream;
use shoal_model::{Labels, Matcher, is_stale};
use shoal_proto::header;
use shoal_query::{LabelSet, QueryError, Sample, Selection, SeriesSource};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, oneshot};
use tokio::time::timeout;

use super::params::{BadParam, Params};
use super::{Context, Refusal, http, series};
use crate::dump::Packer;
use crate::engine::{Lensed, ReadError, Snapshot, Stopped};
use crate::exposition::{write_sample, write_sample_in_seconds};

/// Exports at once: each holds a thread and the files of its moment.
static TURNS: Semaphore = Semaphore::const_new(2);
/// How long a client may take nothing.
const STALL: Duration = Duration::from_secs(60);
/// Bytes of one piece of the answer, and pieces that wait for the client.
const PIECE_BYTES: usize = 128 * 1024;
const PIECES_MAX: usize = 4;
/// Series that are read in one go, where the range is short.
const BATCH: usize = 64;
/// A range so long that its series are read one by one: a day of a point a second is 86,400 samples.
const LONG_MS: i64 = 6 * 3_600_000;
const NAME: &str = "__name__";
/// How many series there are, for whoever shows progress.
const SERIES: HeaderName = HeaderName::from_static("shoal-series");
const WARNING: HeaderName = HeaderName::from_static("shoal-warning");

/// How samples are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Times in ms, as VictoriaMetrics takes it.
    Text,
    /// Times in seconds, as `promtool` takes it.
    OpenMetrics,
    RemoteWrite,
}

/// What is exported.
struct Wanted {
    matchers: Vec<Matcher>,
    range_ms: RangeInclusive<i64>,
    form: Form,
}

/// What is known before the first sample is read.
struct Head {
    headers: HeaderMap,
}

type Pieces = mpsc::Sender<Result<Bytes, QueryError>>;

/// The door.
pub(super) async fn export(State(context): State<Context>, params: Params) -> Response {
    let Ok(turn) = TURNS.try_acquire() else {
        let busy = "this node is busy with other exports: try again later or at another node";
        return http::error(StatusCode::SERVICE_UNAVAILABLE, "unavailable", busy);
    };
    exported(&context, &params, turn).await.unwrap_or_else(Refusal::into_response)
}

async fn exported(
    context: &Context,
    params: &Params,
    turn: SemaphorePermit<'static>,
) -> Result<Response, Refusal> {
    let (wanted, tokens) = (Wanted::of(params)?, params.tokens()?);
    let (head, headed) = oneshot::channel();
    let (pieces, mut taken) = mpsc::channel(PIECES_MAX);
    let engine = context.engine.clone();
    let work = tokio::spawn(async move {
        let _turn = turn;
        engine.inspect_after(tokens, move |snapshot| wanted.send(&snapshot, head, &pieces)).await
    });
    let Ok(Head { headers }) = headed.await else {
        let error = work.await.map_err(|_| ReadError::from(Stopped)).and_then(|ended| ended);
        return Err(super::Unanswered::Read(error.err().unwrap_or(Stopped.into())).into());
    };
    let body = stream::poll_fn(move |context| taken.poll_recv(context));
    Ok((headers, Body::from_stream(body)).into_response())
}

impl Wanted {
    fn of(params: &Params) -> Result<Self, BadParam> {
        let mut selectors = series::selectors(params)?;
        let matchers = selectors.pop().filter(|_| selectors.is_empty());
        let matchers = matchers.ok_or_else(|| {
            BadParam::new(
                "match[]",
                "one selector is wanted, such as {__name__=~\"a|b\"} for several metrics",
            )
        })?;
        let range_ms = params.time("start")?.unwrap_or(i64::MIN)..=params.time("end")?.unwrap_or(i64::MAX);
        let form = match params.text("format") {
            None | Some("openmetrics") => Form::OpenMetrics,
            Some("text") => Form::Text,
            Some("remote-write") => Form::RemoteWrite,
            Some(_) => return Err(BadParam::new("format", "text, openmetrics or remote-write is wanted")),
        };
        Ok(Self { matchers, range_ms, form })
    }

    /// Sends the head and then everything else; the thread waits for the client.
    fn send(&self, snapshot: &Snapshot, head: oneshot::Sender<Head>, pieces: &Pieces) {
        let source = Lensed::new(&snapshot.view);
        let sent = source.select(&self.matchers, self.range_ms.clone()).map_err(QueryError::from).and_then(
            |selected| {
                // A client that has gone away meanwhile is noticed with the first piece.
                let _ = head.send(self.head(snapshot, selected.count()));
                self.send_all(&*selected, pieces)
            },
        );
        if let Err(error) = sent {
            tracing::warn!(%error, "an export was cut off");
            // It cuts the connection, so that the client sees that something is missing.
            let _ = pieces.blocking_send(Err(error));
        }
    }

    fn send_all(&self, selected: &dyn Selection, pieces: &Pieces) -> Result<(), QueryError> {
        let mut writer = Writer::new(self.form);
        let step = if self.length_ms() > LONG_MS { 1 } else { BATCH };
        let order = by_name(selected);
        for run in order.chunk_by(|a, b| a + 1 == *b) {
            for part in run.chunks(step) {
                let (Some(first), Some(last)) = (part.first(), part.last()) else { continue };
                selected.read(*first..*last + 1, &mut |number, samples| {
                    writer.add(&selected.labels(number), samples);
                })?;
                if writer.bytes.len() >= PIECE_BYTES {
                    put(pieces, std::mem::take(&mut writer.bytes))?;
                }
            }
        }
        put(pieces, writer.finish())
    }

    fn length_ms(&self) -> i64 {
        self.range_ms.end().saturating_sub(*self.range_ms.start())
    }

    fn head(&self, snapshot: &Snapshot, count: usize) -> Head {
        let mut headers = HeaderMap::new();
        let kind = match self.form {
            Form::Text => "text/plain; version=0.0.4; charset=utf-8",
            Form::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Form::RemoteWrite => "application/vnd.shoal.remote-write-dump",
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(SERIES, count.into());
        let frontier = format!("{:032x}", snapshot.frontier).parse();
        headers.extend(frontier.map(|value| (HeaderName::from_static(header::FRONTIER), value)));
        headers.extend(
            snapshot
                .complete_until
                .map(|until| (HeaderName::from_static(header::COMPLETE_UNTIL), until.into())),
        );
        for warning in &snapshot.warnings {
            headers.extend(warning.parse().map(|value| (WARNING, value)));
        }
        Head { headers }
    }
}

/// Waits until the client has room for a piece.
fn put(pieces: &Pieces, piece: Vec<u8>) -> Result<(), QueryError> {
    if piece.is_empty() {
        return Ok(());
    }
    let sent = Handle::current().block_on(timeout(STALL, pieces.send(Ok(piece.into()))));
    match sent {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(QueryError::Canceled),
        Err(_) => Err(QueryError::Timeout),
    }
}

/// The numbers of the series by metric name, because OpenMetrics has the series of a metric together.
fn by_name(selected: &dyn Selection) -> Vec<usize> {
    let mut order: Vec<usize> = (0..selected.count()).collect();
    order.sort_by_cached_key(|number| selected.labels(*number).value(NAME).to_owned());
    order
}

/// Writes series in one of the forms.
struct Writer {
    form: Form,
    bytes: Vec<u8>,
    packer: Option<Packer>,
    text: String,
}

impl Writer {
    fn new(form: Form) -> Self {
        let packer = (form == Form::RemoteWrite).then(Packer::default);
        Self { form, bytes: Vec::with_capacity(PIECE_BYTES * 2), packer, text: String::new() }
    }

    fn add(&mut self, labels: &LabelSet, samples: &[Sample]) {
        if let Some(packer) = &mut self.packer {
            let Ok(labels) = Labels::new(labels.iter()) else { return };
            let samples: Vec<_> = samples.iter().map(|sample| (sample.t_ms, sample.v)).collect();
            packer.add(&labels, &samples);
            self.bytes.extend(packer.take());
            return;
        }
        let others: Vec<(&str, &str)> = labels.iter().filter(|(label, _)| *label != NAME).collect();
        self.text.clear();
        // Text has no stale markers.
        for sample in samples.iter().filter(|sample| !is_stale(sample.v)) {
            let (name, point) = (labels.value(NAME), (sample.v, sample.t_ms));
            match self.form {
                Form::OpenMetrics => write_sample_in_seconds(&mut self.text, name, &others, point),
                Form::Text | Form::RemoteWrite => write_sample(&mut self.text, (name, false), &others, point),
            }
        }
        self.bytes.extend_from_slice(self.text.as_bytes());
    }

    fn finish(mut self) -> Vec<u8> {
        match self.packer {
            Some(packer) => self.bytes.extend(packer.finish()),
            None if self.form == Form::OpenMetrics => self.bytes.extend_from_slice(b"# EOF\n"),
            None => {}
        }
        self.bytes
    }
}
