//! The commands that talk to a running cluster through the SDK, and `keygen`. Each returns the text to print;
//! `--json` serves programs.

mod bench;
mod change;
mod figure;
mod forget;
mod keygen;
mod query;
mod read;
mod snapshot;
mod status;
mod table;

use std::path::PathBuf;

use shoal_client::{BuildError, CallError, Client};

use crate::config::{ConfigError, read_tokens};

pub(crate) use bench::Bench;
pub(crate) use change::Change;
pub(crate) use figure::{hex, value_text};
pub(crate) use forget::Forget;
pub(crate) use keygen::Keygen;
pub(crate) use query::Query;
pub(crate) use read::Read;
pub(crate) use snapshot::Snapshot;
pub(crate) use status::Status;
pub(crate) use table::Table;

/// Which nodes a command asks, and as whom.
#[derive(Debug, clap::Args)]
pub(crate) struct Target {
    /// Nodes to ask, comma-separated or repeated; the first that answers serves
    #[arg(
        long,
        value_name = "URL",
        value_delimiter = ',',
        default_value = "127.0.0.1:7400",
        env = "SHOAL_NODE",
        hide_env_values = true
    )]
    node: Vec<String>,

    /// File with the bearer token that the nodes ask for, on its first line
    #[arg(long, value_name = "FILE", env = "SHOAL_TOKEN_FILE", hide_env_values = true)]
    token_file: Option<PathBuf>,
}

impl Target {
    /// A client of these nodes and no others: whoever names a node means that node.
    fn client(&self) -> Result<Client, CommandError> {
        let mut builder = Client::builder().seeds(&self.node).only_seeds();
        if let Some(path) = &self.token_file {
            let token = read_tokens(path)?.into_iter().next().expect("a token file holds a token");
            builder = builder.token(token);
        }
        Ok(builder.build()?)
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// The nodes are not named properly.
    #[error(transparent)]
    Target(#[from] BuildError),
    /// The token file cannot be used.
    #[error(transparent)]
    Token(#[from] ConfigError),
    /// The cluster refused, or did not answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// What was typed names no series.
    #[error(transparent)]
    Selector(#[from] shoal_query::SelectorError),
    /// A range of time lacks its begin.
    #[error("--end and --step belong to a range: give its --start too")]
    NoStart,
    /// A number that a series of this kind does not take.
    #[error("{0} cannot be added: an increment is a finite number, zero or more")]
    Increment(f64),
    /// The node that answered does not take the point; nothing was stored.
    #[error("the point was refused: {0}")]
    Refused(String),
    /// No member answers to that name.
    #[error("no node is named {0:?}; `shoal status` lists them")]
    NoSuchNode(String),
    /// Several members answer to that name.
    #[error("{name:?} fits several nodes, give the whole id of one: {ids}")]
    Ambiguous {
        /// What was typed.
        name: String,
        /// Whom it fits.
        ids: String,
    },
    /// Several nodes were named where one is meant.
    #[error("a snapshot is taken of one node: name it by --node")]
    OneNode,
    /// The key file cannot be written.
    #[error("{path}: {source}")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}
