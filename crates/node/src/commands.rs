//! The commands that talk to a running cluster through the SDK, and `keygen`. Each returns the text to print;
//! `--json` serves programs.

mod bench;
mod change;
mod export;
mod figure;
mod forget;
mod import;
mod keygen;
mod log;
mod progress;
mod query;
mod read;
mod snapshot;
mod status;
mod table;
mod time;

use std::path::PathBuf;

use shoal_client::{BuildError, CallError, Client};

use crate::config::{ConfigError, read_tokens};

pub(crate) use bench::Bench;
pub(crate) use change::Change;
pub(crate) use export::Export;
pub(crate) use figure::{hex, value_text};
pub(crate) use forget::Forget;
pub(crate) use import::Import;
pub(crate) use keygen::Keygen;
pub(crate) use log::Log;
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
        if let Some(token) = self.token()? {
            builder = builder.token(token);
        }
        Ok(builder.build()?)
    }

    /// The bearer token, if there is one.
    fn token(&self) -> Result<Option<String>, CommandError> {
        let Some(path) = &self.token_file else { return Ok(None) };
        Ok(read_tokens(path)?.into_iter().next())
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
    #[error("{0} is one node's: name it by --node")]
    OneNode(&'static str),
    /// The key file cannot be written.
    #[error("{path}: {source}")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file that is read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A node did not begin to answer.
    #[error("{node}: {reason}")]
    Answer {
        /// The last node that was asked.
        node: String,
        /// What it said.
        reason: String,
    },
    /// An answer broke off; what was written of it is not whole.
    #[error("the answer broke off, so what was written is not whole: {0}")]
    CutOff(String),
    /// A file of samples cannot be read on.
    #[error("{path}: {source}")]
    Import {
        /// The file.
        path: PathBuf,
        /// Why.
        source: import::ImportError,
    },
    /// Some samples were not taken; the same ones would be refused again.
    #[error("{refused} points were refused, {accepted} imported; the first reason: {reason}")]
    Partly {
        /// Points that were stored.
        accepted: u64,
        /// Those that were not.
        refused: u64,
        /// Why the first was not.
        reason: String,
    },
}

impl CommandError {
    fn file(path: &std::path::Path, source: std::io::Error) -> Self {
        CommandError::File { path: path.to_owned(), source }
    }
}
