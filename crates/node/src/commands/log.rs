//! `shoal log`: what a running node logs.

use super::{CommandError, Target};

/// What is typed after `shoal log`.
#[derive(Debug, clap::Args)]
pub(crate) struct Log {
    /// What to log from now on: error, warn, info, debug, trace, or a filter such as info,shoal=debug; without it the
    /// present filter is told
    filter: Option<String>,

    #[command(flatten)]
    target: Target,
}

impl Log {
    pub(crate) async fn run(&self) -> Result<String, CommandError> {
        if self.target.node.len() != 1 {
            return Err(CommandError::OneNode("a log"));
        }
        let filter = self.target.client()?.log_filter(self.filter.as_deref()).await?;
        Ok(format!("{filter}\n"))
    }
}
