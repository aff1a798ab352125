//! The log of a node: to stderr, filtered as the operator asks.

use std::io::IsTerminal;

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

const FILTER: &str = "info";

/// Starts the log of this process; `None` logs what a node does and little else.
pub(super) fn start(filter: Option<&str>, format: LogFormat) -> anyhow::Result<()> {
    let filter = filter.unwrap_or(FILTER);
    let filter = EnvFilter::try_new(filter).with_context(|| format!("--log {filter:?}"))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    Ok(())
}
