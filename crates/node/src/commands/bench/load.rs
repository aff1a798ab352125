//! The load, as remote write 1.0 or OTLP: a fleet of instances with ten metrics each, counters and gauges in turn. A round, one
//! sample of every series, ends before the next begins, so that no server sees a series out of order.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use axum::http::Uri;
use prost::encoding::encode_varint;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use shoal_model::Labels;
use tokio::task::JoinSet;

use super::BenchError;
use super::otlp;
use super::wire::Wire;

/// Always the same values.
const SEED: u64 = 7;

/// The metrics of an instance, and whether they are counters.
const METRICS: [(&str, bool); 10] = [
    ("bench_http_requests_total", true),
    ("bench_http_request_duration_seconds_sum", true),
    ("bench_http_request_duration_seconds_count", true),
    ("bench_process_cpu_seconds_total", true),
    ("bench_process_resident_memory_bytes", false),
    ("bench_queue_depth", false),
    ("bench_payments_accepted_total", true),
    ("bench_payments_rejected_total", true),
    ("bench_db_pool_connections", false),
    ("bench_node_load1", false),
];

/// How requests are spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    RemoteWrite,
    Otlp,
}

impl Protocol {
    /// Its name in the report.
    pub(super) fn word(self) -> &'static str {
        match self {
            Protocol::RemoteWrite => "remote_write",
            Protocol::Otlp => "otlp",
        }
    }
}

/// What to write.
pub(super) struct Load<'a> {
    pub(super) protocol: Protocol,
    pub(super) urls: &'a [Uri],
    pub(super) span: Span,
    pub(super) series: usize,
    pub(super) rounds: usize,
    pub(super) interval_ms: i64,
    pub(super) batch: usize,
    pub(super) connections: usize,
}

/// The times of the samples.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
}

impl Span {
    /// The newest rounds up to now, on whole seconds.
    pub(super) fn new(rounds: usize, interval_ms: i64) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        let length = interval_ms.saturating_mul(i64::try_from(rounds).unwrap_or(i64::MAX));
        let from_ms = now_ms.saturating_sub(length) / 1_000 * 1_000;
        Self { from_ms, to_ms: from_ms + length - interval_ms }
    }
}

/// What was written.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) requests: usize,
    pub(super) failed: usize,
    pub(super) first_failure: Option<BenchError>,
    pub(super) bytes: usize,
    /// Sending alone: the making of requests is left out.
    pub(super) took: Duration,
}

impl Load<'_> {
    pub(super) async fn run(&self, wire: &Wire) -> Result<Sent, BenchError> {
        let mut fleet = Fleet::new(self.series);
        let mut sent = Sent::default();
        for round in 0..self.rounds {
            let time_ms = self.span.from_ms + round as i64 * self.interval_ms;
            let request = |series: &[(&Labels, &f64)]| match self.protocol {
                Protocol::RemoteWrite => request(series, time_ms),
                Protocol::Otlp => otlp::request(series, self.span.from_ms - 1_000, time_ms),
            };
            let bodies: Arc<[Bytes]> = fleet.requests(self.batch, request).into();
            sent.requests += bodies.len();
            sent.bytes += bodies.iter().map(Bytes::len).sum::<usize>();
            let began = Instant::now();
            self.send(wire, &bodies, &mut sent).await;
            sent.took += began.elapsed();
            if sent.failed == sent.requests {
                // Nobody is there, or nothing is taken.
                return Err(sent.first_failure.expect("something has failed"));
            }
        }
        Ok(sent)
    }

    async fn send(&self, wire: &Wire, bodies: &Arc<[Bytes]>, sent: &mut Sent) {
        let next = Arc::new(AtomicUsize::new(0));
        let mut senders = JoinSet::new();
        for _ in 0..self.connections {
            let (wire, bodies, next) = (wire.clone(), Arc::clone(bodies), Arc::clone(&next));
            let (urls, protocol) = (self.urls.to_vec(), self.protocol);
            senders.spawn(async move {
                let (mut failed, mut first) = (0, None);
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let (Some(body), Some(url)) = (bodies.get(index), urls.get(index % urls.len())) else {
                        return (failed, first);
                    };
                    if let Err(error) = wire.write(protocol, url, body.clone()).await {
                        failed += 1;
                        first = first.or(Some(error));
                    }
                }
            });
        }
        for (failed, first) in senders.join_all().await {
            sent.failed += failed;
            sent.first_failure = sent.first_failure.take().or(first);
        }
    }
}

/// The series and their values.
struct Fleet {
    labels: Vec<Labels>,
    values: Vec<f64>,
    rng: SmallRng,
}

impl Fleet {
    fn new(series: usize) -> Self {
        let mut rng = SmallRng::seed_from_u64(SEED);
        let values = (0..series).map(|_| f64::from(rng.random_range(0..1_000))).collect();
        Self { labels: (0..series).map(labels).collect(), values, rng }
    }

    /// One sample of every series.
    fn requests(&mut self, batch: usize, request: impl Fn(&[(&Labels, &f64)]) -> Bytes) -> Vec<Bytes> {
        for (index, value) in self.values.iter_mut().enumerate() {
            if METRICS[index % METRICS.len()].1 {
                *value += f64::from(self.rng.random_range(0..50));
            } else {
                *value = ((*value + self.rng.random_range(-5.0..5.0)).max(0.0) * 100.0).round() / 100.0;
            }
        }
        let pairs: Vec<_> = self.labels.iter().zip(&self.values).collect();
        pairs.chunks(batch).map(request).collect()
    }
}

/// Ten metrics an instance, ten instances or so a service and region.
fn labels(index: usize) -> Labels {
    let (name, instance) = (METRICS[index % METRICS.len()].0, index / METRICS.len());
    let address = format!("10.{}.{}.{}:9090", instance >> 16, instance >> 8 & 255, instance & 255);
    let (job, region) = (format!("service-{}", instance % 50), format!("eu-{}", instance % 5));
    let method = ["GET", "POST", "PUT"][instance % 3];
    Labels::new([
        ("__name__", name),
        ("env", "prod"),
        ("instance", &address),
        ("job", &job),
        ("method", method),
        ("region", &region),
    ])
    .expect("the labels of the load are labels")
}

/// `WriteRequest { repeated TimeSeries { labels, samples } = 1 }`, packed: a canonical label set is in that form.
fn request(series: &[(&Labels, &f64)], time_ms: i64) -> Bytes {
    let (mut message, mut sample) = (Vec::with_capacity(series.len() * 192), Vec::new());
    for (labels, value) in series {
        sample.clear();
        sample.push(0x09);
        sample.extend_from_slice(&value.to_le_bytes());
        sample.push(0x10);
        encode_varint(time_ms as u64, &mut sample);
        message.push(0x0a);
        encode_varint((labels.canonical().len() + 2 + sample.len()) as u64, &mut message);
        message.extend_from_slice(labels.canonical());
        message.extend_from_slice(&[0x12, sample.len() as u8]);
        message.extend_from_slice(&sample);
    }
    let packed = snap::raw::Encoder::new().compress_vec(&message);
    packed.expect("a request is shorter than 4 GiB").into()
}
