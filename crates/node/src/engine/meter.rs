//! What the loop's work on the disk takes, and how often it fails: measured where it is handed to other threads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use shoal_replication::{Done, Job};

use crate::figures::{Figure, FigureKind, Histogram, MOMENTS, WORK};

/// The kinds of work in the background.
const WORKS: [&str; 9] =
    ["flush", "manifest", "merge", "expire", "snapshot", "scrub", "sweep", "lend", "compare"];

/// Times and failures since the start.
pub struct Meter {
    syncs: Histogram,
    works: BTreeMap<&'static str, Histogram>,
    failures: Mutex<BTreeMap<&'static str, u64>>,
    /// When the last snapshot was taken, in ms since 1970; 0 for never.
    snapshot_ms: AtomicI64,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            syncs: Histogram::new(MOMENTS),
            works: WORKS.into_iter().map(|work| (work, Histogram::new(WORK))).collect(),
            failures: Mutex::default(),
            snapshot_ms: AtomicI64::new(0),
        }
    }
}

impl Meter {
    /// The journal was synced, or could not be.
    pub(super) fn synced(&self, took: Duration, is_good: bool) {
        self.syncs.add(took);
        if !is_good {
            self.failed("sync");
        }
    }

    /// Runs a job and notes what it took.
    pub(super) fn run(&self, job: Job) -> Done {
        let (work, began) = (word(&job), std::time::Instant::now());
        let done = job.run();
        if let Some(histogram) = self.works.get(work) {
            histogram.add(began.elapsed());
        }
        if let Done::Store(done) = &done
            && done.has_failed()
        {
            self.failed(work);
        }
        done
    }

    /// A snapshot was taken.
    pub(super) fn snapshot_taken(&self, now_ms: i64) {
        self.snapshot_ms.store(now_ms, Ordering::Relaxed);
    }

    fn failed(&self, work: &'static str) {
        *self.failures.lock().unwrap_or_else(PoisonError::into_inner).entry(work).or_default() += 1;
    }

    /// All of it.
    pub(crate) fn figures(&self) -> Vec<Figure> {
        const SYNCS: &str = "What it took to sync the journal to disk.";
        const JOBS: &str = "What work in the background took, by kind.";
        const FAILURES: &str = "Work on the disk that failed, by kind.";
        let mut figures = self.syncs.figures("shoal_journal_sync_duration_seconds", SYNCS, &[]);
        for (work, histogram) in &self.works {
            figures.extend(histogram.figures(
                "shoal_job_duration_seconds",
                JOBS,
                &[("job", (*work).to_owned())],
            ));
        }
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        // Shown before the first failure, so that its increase is seen.
        figures.extend(WORKS.into_iter().take(6).chain(["sync"]).map(|work| Figure {
            family: "shoal_disk_failures_total",
            suffix: "",
            kind: FigureKind::Counter,
            help: FAILURES,
            labels: vec![("operation", work.to_owned())],
            value: failures.get(work).copied().unwrap_or_default() as f64,
        }));
        let snapshot_ms = self.snapshot_ms.load(Ordering::Relaxed);
        figures.extend((snapshot_ms > 0).then(|| {
            const TAKEN: &str = "When the last snapshot was taken, since the start.";
            Figure::gauge("shoal_snapshot_last_timestamp_seconds", TAKEN, snapshot_ms as f64 / 1_000.0)
        }));
        figures
    }
}

fn word(job: &Job) -> &'static str {
    use shoal_store::Job as Stored;
    match job {
        Job::Store(Stored::Flush(_)) => "flush",
        Job::Store(Stored::Manifest(_)) => "manifest",
        Job::Store(Stored::Merge(_)) => "merge",
        Job::Store(Stored::Expire(_)) => "expire",
        Job::Store(Stored::Snapshot(_)) => "snapshot",
        Job::Store(Stored::Scrub(_)) => "scrub",
        Job::Store(Stored::Sweep(_)) => "sweep",
        Job::Lend(_) => "lend",
        Job::Compare(_) => "compare",
    }
}
