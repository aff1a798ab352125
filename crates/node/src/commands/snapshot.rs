//! `shoal snapshot`: has a node copy its store into a directory of its own machine.

use std::time::Duration;

use super::{CommandError, Target};

/// How long the command waits; the node goes on for as long as it takes.
const PATIENCE: Duration = Duration::from_secs(3600);

/// What is typed after `shoal snapshot`.
#[derive(Debug, clap::Args)]
pub(crate) struct Snapshot {
    /// Absolute path on the node's machine, in the file system of its data directory; not there yet, or empty
    directory: String,

    #[command(flatten)]
    target: Target,
}

impl Snapshot {
    pub(crate) async fn run(&self) -> Result<String, CommandError> {
        if self.target.node.len() != 1 {
            return Err(CommandError::OneNode("a snapshot"));
        }
        let taken = self.target.client()?.snapshot(&self.directory, PATIENCE).await?;
        let shoal_client::Snapshot { files, copied_bytes } = taken;
        Ok(format!("{}: {files} files, {copied_bytes} bytes copied, the rest linked\n", self.directory))
    }
}
