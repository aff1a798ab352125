//! `shoal node`: settings from flags, environment and file, the log, the runtime, then the node itself.

use std::io::Read;
use std::path::PathBuf;

use anyhow::Context;

use crate::config::TypedNode;
use crate::log::LogFilter;

/// What is typed after `shoal node`. Flags win over the environment, the environment over the file.
#[derive(Debug, clap::Args)]
pub(crate) struct Node {
    #[command(flatten)]
    pub(super) typed: TypedNode,

    /// TOML file with the same names as the flags
    #[arg(long, value_name = "FILE", env = "SHOAL_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,

    /// End when stdin does, for nodes that must not outlive whoever started them
    #[arg(long, hide = true)]
    until_stdin_closes: bool,
}

impl Node {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let file = self.config.as_deref().map(TypedNode::from_file).transpose()?;
        let typed = self.typed.or(file.unwrap_or_default());
        let log = LogFilter::start(typed.log.as_deref(), typed.log_format.unwrap_or_default());
        let log = log.context("--log")?;
        let config = typed.resolve()?;
        if config.keys.is_development() {
            tracing::warn!(
                peer = %config.peer,
                "no --cluster-key: peers use the public development key, from this machine only"
            );
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("runtime")?;
        let ended = runtime.block_on(async {
            let node = crate::node::run(config, log);
            if !self.until_stdin_closes {
                return node.await;
            }
            tokio::select! {
                // What keeps a node from starting is told even where stdin was closed from the start.
                biased;
                result = node => result,
                () = stdin_closed() => {
                    tracing::info!("stdin was closed");
                    Ok(())
                }
            }
        });
        if ended.is_err() {
            // A node that ends in disorder does not wait for flushes and merges that are under way.
            runtime.shutdown_background();
        }
        ended
    }
}

/// Ends when stdin does. A thread of its own, because a read of stdin cannot be cancelled and would keep a
/// runtime from ending.
async fn stdin_closed() {
    let (closed, watch) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 64];
        let mut stdin = std::io::stdin().lock();
        while stdin.read(&mut bytes).is_ok_and(|count| count > 0) {}
        _ = closed.send(());
    });
    _ = watch.await;
}
