//! `shoal bench`: load and queries against any server that speaks remote write, StatsD and the Prometheus API,
//! shoal or not. What a sample costs is told in the server's own CPU seconds and memory, which a busy machine
//! does not change as it changes the time on the wall.

mod lines;
mod load;
mod meter;
mod otlp;
mod queries;
mod wire;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::Uri;

use crate::config::{ConfigError, read_tokens};
use lines::Lines;
use load::{Load, Protocol, Span};
use meter::Meter;
use wire::Wire;

/// What is typed after `shoal bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Bench {
    /// Remote write addresses (http://HOST:PORT/api/v1/write); requests go to them in turn
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    write: Vec<Uri>,

    /// OTLP addresses (http://HOST:PORT/v1/metrics), which get the same load as protobuf
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    otlp: Vec<Uri>,

    /// Base address of a Prometheus API that is asked afterwards
    #[arg(long, value_name = "URL")]
    query: Option<Uri>,

    /// Where StatsD lines go, in turn
    #[arg(long, value_name = "ADDR", value_delimiter = ',')]
    statsd: Vec<SocketAddr>,

    /// The servers' processes, whose CPU and memory are told
    #[arg(long, value_name = "PID", value_delimiter = ',')]
    pid: Vec<i32>,

    /// The servers' directories, whose size is told
    #[arg(long, value_name = "DIR", value_delimiter = ',')]
    dir: Vec<PathBuf>,

    /// Series to write
    #[arg(long, default_value_t = 50_000)]
    series: usize,

    /// Samples of each series
    #[arg(long, default_value_t = 40)]
    rounds: usize,

    /// Milliseconds between the samples of a series
    #[arg(long, default_value_t = 15_000)]
    interval_ms: i64,

    /// Series in one request, one sample each
    #[arg(long, default_value_t = 2_000)]
    batch: usize,

    /// Requests under way at once
    #[arg(long, default_value_t = 2)]
    connections: usize,

    /// How often each query is asked
    #[arg(long, default_value_t = 20)]
    repeat: usize,

    /// StatsD lines to send
    #[arg(long, default_value_t = 5_000_000)]
    lines: u64,

    /// StatsD lines a second; more than the server takes are lost
    #[arg(long, default_value_t = 500_000)]
    line_rate: u64,

    /// Seconds until memory and disk are read, after the load
    #[arg(long, default_value_t = 5)]
    settle: u64,

    /// File with the bearer token that the servers ask for, on its first line
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// A benchmark that could not be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// There is nothing to do.
    #[error("give --write, --otlp, --query or --statsd: which server is to be measured")]
    Nothing,
    /// A number that means nothing.
    #[error("--series, --rounds, --batch, --connections and --repeat are at least 1")]
    Zero,
    /// No token.
    #[error(transparent)]
    Token(#[from] ConfigError),
    /// The server cannot be spoken to, or refuses.
    #[error("{0}: {1}")]
    Server(Uri, String),
    /// Only plain HTTP is measured.
    #[error("{0}: an address like http://HOST:PORT/PATH is wanted")]
    Address(Uri),
    /// A process that does not exist, or is somebody else's.
    #[error("--pid {0}: {1}")]
    Process(i32, procfs::ProcError),
    /// No socket.
    #[error("sending StatsD lines: {0}")]
    Socket(std::io::Error),
}

impl Bench {
    /// Runs what was asked for, and gives the figures.
    pub(crate) async fn run(self) -> Result<String, BenchError> {
        if self.query.is_none() && self.write.is_empty() && self.otlp.is_empty() && self.statsd.is_empty() {
            return Err(BenchError::Nothing);
        }
        if [self.series, self.rounds, self.batch, self.connections, self.repeat].contains(&0) {
            return Err(BenchError::Zero);
        }
        let token = self.token_file.as_deref().map(read_tokens).transpose()?;
        let wire = Wire::new(token.and_then(|tokens| tokens.into_iter().next()));
        let meter = Meter::new(&self.pid, &self.dir);
        let span = Span::new(self.rounds, self.interval_ms);
        let mut report = String::new();
        for (protocol, urls) in [(Protocol::RemoteWrite, &self.write), (Protocol::Otlp, &self.otlp)] {
            if !urls.is_empty() {
                self.load(&wire, protocol, urls, span, &meter, &mut report).await?;
            }
        }
        if !self.statsd.is_empty() {
            self.spray(&wire, &meter, &mut report).await?;
        }
        if let Some(base) = &self.query {
            queries::run(&wire, base, span, self.repeat, &meter, &mut report).await?;
        }
        Ok(report)
    }

    async fn load(
        &self,
        wire: &Wire,
        protocol: Protocol,
        urls: &[Uri],
        span: Span,
        meter: &Meter,
        report: &mut String,
    ) -> Result<(), BenchError> {
        let load = Load {
            protocol,
            urls,
            span,
            series: self.series,
            rounds: self.rounds,
            interval_ms: self.interval_ms,
            batch: self.batch,
            connections: self.connections,
        };
        let before = meter.read()?;
        let sent = load.run(wire).await?;
        tokio::time::sleep(Duration::from_secs(self.settle)).await;
        let after = meter.read()?;
        let (samples, cpu) = ((self.series * self.rounds) as f64, after.cpu_seconds - before.cpu_seconds);
        let seconds = sent.took.as_secs_f64();
        line(
            report,
            format_args!(
                "{} samples {samples} series {} requests {}",
                protocol.word(),
                self.series,
                sent.requests
            ),
        );
        line(report, format_args!("request_bytes_per_sample {:.1}", sent.bytes as f64 / samples));
        line(report, format_args!("wall_seconds {seconds:.2} samples_per_second {:.0}", samples / seconds));
        if let Some(first) = sent.first_failure {
            line(report, format_args!("failed_requests {} the first: {first}", sent.failed));
        }
        if meter.has_processes() {
            let per_core = samples / cpu.max(0.01);
            line(report, format_args!("server_cpu_seconds {cpu:.2} samples_per_core_second {per_core:.0}"));
            let grown = after.resident_bytes.saturating_sub(before.resident_bytes);
            line(
                report,
                format_args!(
                    "resident_mib {} (before {}) bytes_per_series {}",
                    after.resident_bytes >> 20,
                    before.resident_bytes >> 20,
                    grown / self.series as u64
                ),
            );
        }
        if meter.has_directories() {
            let bytes = after.disk_bytes.saturating_sub(before.disk_bytes) as f64;
            line(report, format_args!("disk_bytes {bytes} disk_bytes_per_sample {:.2}", bytes / samples));
        }
        Ok(())
    }

    async fn spray(&self, wire: &Wire, meter: &Meter, report: &mut String) -> Result<(), BenchError> {
        let lines = Lines { to: self.statsd.clone(), lines: self.lines, rate: self.line_rate };
        let before = meter.read()?;
        let sent = lines.run().await.map_err(BenchError::Socket)?;
        tokio::time::sleep(Duration::from_secs(self.settle)).await;
        let after = meter.read()?;
        line(report, format_args!("statsd_lines {} lines_per_second {:.0}", sent.lines, sent.per_second()));
        let mut taken = sent.lines as f64;
        if let Some(base) = &self.query {
            taken = queries::value(wire, base, &sent.question()).await?;
            line(report, format_args!("statsd_lines_counted {taken}"));
        }
        if meter.has_processes() {
            let cpu = after.cpu_seconds - before.cpu_seconds;
            let per_core = taken / cpu.max(0.01);
            line(report, format_args!("server_cpu_seconds {cpu:.2} lines_per_core_second {per_core:.0}"));
        }
        Ok(())
    }
}

fn line(report: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(report, "{text}").expect("writing to a String does not fail");
}
