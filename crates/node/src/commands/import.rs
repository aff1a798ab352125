//! `shoal import`: a file of samples into the cluster, through the SDK. Every sample brings its time and so its
//! identity: what is sent again changes nothing, so an import that broke off is resumed by running it again.

mod reading;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::{TryStreamExt, stream};
use shoal_client::{Client, WriteOptions};
use tokio::sync::mpsc;

use super::progress::{Progress, bytes_text, count_text};
use super::{CommandError, Target};
use reading::Batch;
pub(crate) use reading::ImportError;

/// Writes under way at once: enough to keep a node busy while others are synced.
const AT_ONCE: usize = 4;
/// How long one write is tried, at all nodes named, before the import breaks off.
const DEADLINE: Duration = Duration::from_secs(120);

/// What is typed after `shoal import`.
#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    /// The file, packed by gzip or not; - for standard input
    file: PathBuf,

    /// What it holds; recognised where absent: text with times in ms (as `promtool tsdb dump` writes it), OpenMetrics
    /// with times in seconds, or a file of remote write requests
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,

    #[command(flatten)]
    target: Target,
}

/// How samples are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    Text,
    Openmetrics,
    RemoteWrite,
}

/// What became of the samples.
#[derive(Debug, Default)]
struct Outcome {
    accepted: u64,
    refused: u64,
    first_reason: Option<String>,
}

impl Import {
    pub(crate) async fn run(&self) -> Result<String, CommandError> {
        let client = self.target.client()?;
        let read = Arc::new(AtomicU64::new(0));
        let total = std::fs::metadata(&self.file).ok().filter(|meta| meta.is_file()).map(|meta| meta.len());
        let batches = self.batches(read.clone());
        let (mut outcome, mut progress) = (Outcome::default(), Progress::start());
        let written = batches.map_ok(|batch| write(&client, batch)).try_buffer_unordered(AT_ONCE);
        let mut written = std::pin::pin!(written);
        let ended = loop {
            match written.try_next().await {
                Ok(Some(more)) => outcome.add(more),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
            let part = total.map(|total| read.load(Ordering::Relaxed) as f64 / total.max(1) as f64);
            let rate = outcome.accepted as f64 / progress.took().as_secs_f64().max(0.001);
            progress.show(part, || {
                format!("{} points, {}/s", count_text(outcome.accepted as f64), count_text(rate))
            });
        };
        let took = progress.took();
        drop(progress);
        outcome.told(ended, took, read.load(Ordering::Relaxed))
    }

    /// Reads the file on a thread of its own, some batches ahead.
    fn batches(
        &self,
        read: Arc<AtomicU64>,
    ) -> impl stream::Stream<Item = Result<Batch, CommandError>> + use<> {
        let (put, mut taken) = mpsc::channel(AT_ONCE);
        let (file, format) = (self.file.clone(), self.format);
        std::thread::spawn(move || {
            let mut put_batch = |batch| put.blocking_send(Ok(batch)).is_ok();
            if let Err(error) = reading::read(&file, format, &read, &mut put_batch) {
                let error = CommandError::Import { path: file, source: error };
                // Nobody takes it where the import has broken off already.
                let _ = put.blocking_send(Err(error));
            }
        });
        stream::poll_fn(move |context| taken.poll_recv(context))
    }
}

async fn write(client: &Client, batch: Batch) -> Result<Outcome, CommandError> {
    let Batch { streams, refused, first_reason } = batch;
    let mut outcome = Outcome { accepted: 0, refused, first_reason };
    if streams.is_empty() {
        return Ok(outcome);
    }
    let options = WriteOptions { deadline: DEADLINE, ..WriteOptions::default() };
    let receipt = client.write(streams, options).await?;
    let reason = receipt.refused.into_iter().next().map(|refused| refused.reason);
    outcome.add(Outcome {
        accepted: receipt.accepted,
        refused: receipt.refused_points,
        first_reason: reason,
    });
    Ok(outcome)
}

impl Outcome {
    fn add(&mut self, more: Outcome) {
        self.accepted += more.accepted;
        self.refused += more.refused;
        self.first_reason = self.first_reason.take().or(more.first_reason);
    }

    fn told(
        self,
        ended: Result<(), CommandError>,
        took: Duration,
        read: u64,
    ) -> Result<String, CommandError> {
        let Outcome { accepted, refused, first_reason } = self;
        if let Err(error) = ended {
            eprintln!("{accepted} points were imported before; run it again to go on, nothing counts twice");
            return Err(error);
        }
        match first_reason {
            Some(reason) if refused > 0 => Err(CommandError::Partly { accepted, refused, reason }),
            _ => {
                let rate = count_text(accepted as f64 / took.as_secs_f64().max(0.001));
                Ok(format!("{accepted} points of {} imported, {rate} a second\n", bytes_text(read)))
            }
        }
    }
}
