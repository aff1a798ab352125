//! `shoal snapshot`: has a node copy its store into a new directory of its own machine, and shows how far it has come.

use std::time::Duration;

use shoal_client::{Client, SnapshotProgress};

use super::figure::time_text;
use super::progress::{Progress, bytes_text};
use super::time::now_ms;
use super::{CommandError, Target};

/// How long the command waits; the node goes on for as long as it takes.
const PATIENCE: Duration = Duration::from_secs(3600);
/// How often it looks how far the node has come.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What is typed after `shoal snapshot`.
#[derive(Debug, clap::Args)]
pub(crate) struct Snapshot {
    /// Name of the directory, below the node's --snapshots; the time in UTC where absent
    name: Option<String>,

    #[command(flatten)]
    target: Target,
}

impl Snapshot {
    pub(crate) async fn run(&self) -> Result<String, CommandError> {
        if self.target.node.len() != 1 {
            return Err(CommandError::OneNode("a snapshot"));
        }
        let client = self.target.client()?;
        let name = self.name.clone().unwrap_or_else(|| stamp(now_ms()));
        let mut progress = Progress::start();
        let mut looks = tokio::time::interval(LOOK_EVERY);
        let mut taking = std::pin::pin!(client.snapshot(&name, PATIENCE));
        let taken = loop {
            tokio::select! {
                taken = &mut taking => break taken?,
                _ = looks.tick() => look(&client, &mut progress).await,
            }
        };
        drop(progress);
        let shoal_client::Snapshot { directory, files, copied_bytes } = taken;
        Ok(format!("{directory}: {files} files, {} copied, the rest linked\n", bytes_text(copied_bytes)))
    }
}

/// Shows how far it has come, if the node tells.
async fn look(client: &Client, progress: &mut Progress) {
    if !progress.is_shown() {
        return;
    }
    if let Some(SnapshotProgress { files, files_all }) =
        client.members().await.ok().and_then(|members| members.snapshot)
    {
        let part = files as f64 / files_all.max(1) as f64;
        progress.show(Some(part), || format!("{files} files"));
    }
}

/// `20260131T235959Z`.
fn stamp(ms: i64) -> String {
    let text = time_text(ms).replace(['-', ':'], "").replace(' ', "T");
    text.split('.').next().unwrap_or_default().to_owned() + "Z"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_named_after_its_time() {
        assert_eq!(stamp(1_709_251_199_123), "20240229T235959Z");
    }
}
