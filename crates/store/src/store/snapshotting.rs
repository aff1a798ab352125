//! Taking a snapshot while the store goes on: it is a job like the others, and until it is done nothing that the
//! store lets go of is unlinked.

use std::sync::Arc;

use thiserror::Error;

use super::Store;
use super::background::Job;
use crate::snapshot::{SnapshotDone, SnapshotJob, SnapshotProgress, SnapshotSize};

/// Why a snapshot is not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SnapshotRefused {
    /// There is one under way; try again when it is done.
    #[error("a snapshot is being taken already")]
    Busy,
    /// The directory is not named by an absolute path: the caller's fault.
    #[error("a snapshot needs the absolute path of a directory on the node's machine")]
    Relative,
}

/// Where a snapshot stands.
#[derive(Default)]
pub(super) struct Snapshotting {
    wanted: Option<String>,
    is_running: bool,
    progress: Arc<SnapshotProgress>,
    done: Option<SnapshotDone>,
}

impl Snapshotting {
    /// Whether files must keep their names.
    pub(super) fn holds_files(&self) -> bool {
        self.is_running
    }
}

impl Store {
    /// Asks for a snapshot of what is in the store when the job is handed out, into an empty or new directory.
    /// [`Store::poll_snapshot`] tells how it ended.
    pub fn begin_snapshot(&mut self, directory: &str) -> Result<(), SnapshotRefused> {
        let directory = directory.trim_end_matches('/');
        if !directory.starts_with('/') {
            return Err(SnapshotRefused::Relative);
        }
        if self.snapshotting.is_running || self.snapshotting.wanted.is_some() {
            return Err(SnapshotRefused::Busy);
        }
        self.snapshotting.wanted = Some(directory.to_owned());
        Ok(())
    }

    /// How the last snapshot ended, once.
    pub fn poll_snapshot(&mut self) -> Option<SnapshotDone> {
        self.snapshotting.done.take()
    }

    /// How far the snapshot under way has come.
    pub fn snapshot_progress(&self) -> Option<&SnapshotProgress> {
        self.snapshotting.is_running.then_some(&*self.snapshotting.progress)
    }

    pub(super) fn snapshot_job(&mut self) -> Option<Job> {
        let directory = self.snapshotting.wanted.take()?;
        self.snapshotting.is_running = true;
        self.snapshotting.progress = Arc::default();
        Some(Job::Snapshot(Box::new(SnapshotJob {
            disk: Arc::clone(&self.disk),
            directory,
            manifest: self.manifest.clone(),
            segments: self.journal.segment_files(),
            progress: Arc::clone(&self.snapshotting.progress),
        })))
    }

    pub(super) fn snapshot_taken(&mut self, done: SnapshotDone) {
        self.snapshotting.is_running = false;
        // The next manifest unlinks what was held back.
        self.background.manifest_is_old = true;
        match &done.result {
            Ok(SnapshotSize { files, copied_bytes }) => {
                tracing::info!(directory = done.directory, files, copied_bytes, "a snapshot was taken");
            }
            Err(error) => tracing::error!(directory = done.directory, %error, "a snapshot failed"),
        }
        self.snapshotting.done = Some(done);
    }
}
