//! A node's configuration, in two types: what was typed, in part and unchecked, and what is meant, whole and
//! checked. Only the step from one to the other knows defaults.

mod bytes;
mod duration;
mod file;
mod resolve;
mod secrets;
mod typed;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use shoal_transport::ClusterKeys;

pub(crate) use duration::Span;
pub(crate) use secrets::read_tokens;
pub(crate) use typed::{LogFormat, TypedNode};

/// One node's configuration, checked.
#[derive(Clone, Debug)]
pub(crate) struct NodeConfig {
    /// The data directory.
    pub(crate) data: PathBuf,
    /// Where clients connect (TCP); port 0 takes a free one.
    pub(crate) listen: SocketAddr,
    /// Where peers connect (UDP); port 0 takes a free one.
    pub(crate) peer: SocketAddr,
    /// What to tell clients instead of the address taken.
    pub(crate) advertise: Option<SocketAddr>,
    /// What to tell peers instead of the address taken.
    pub(crate) advertise_peer: Option<SocketAddr>,
    /// Whom to join: `HOST:PORT` each, resolved again and again; empty begins a cluster.
    pub(crate) join: Vec<String>,
    /// A label for people.
    pub(crate) name: String,
    /// Failure domain, empty if none.
    pub(crate) zone: String,
    /// The cluster's name.
    pub(crate) cluster: String,
    /// The keys that peers prove themselves with.
    pub(crate) keys: ClusterKeys,
    /// Bearer tokens of which clients need one; empty: clients need none.
    pub(crate) tokens: Vec<String>,
    /// How old a point may be when it arrives.
    pub(crate) retention: Duration,
    /// How far ahead of this node's clock a point may be when it arrives.
    pub(crate) future: Duration,
    /// How long the last value of a counter that ended is kept.
    pub(crate) totals: Duration,
    /// How many streams there may be before clients can begin no more.
    pub(crate) series_max: usize,
    /// The label of remote write that names one of several replicas of a server, and is no label of the series.
    pub(crate) replica_label: Option<String>,
    /// Bytes of journal kept for nodes that were away, beyond what is not flushed yet.
    pub(crate) journal_bytes_max: u64,
    /// The directory below which snapshots are made.
    pub(crate) snapshots: PathBuf,
    /// How often the node writes its own and its host's metrics; `None` for never.
    pub(crate) self_metrics: Option<Duration>,
    /// Where StatsD lines come (UDP); port 0 takes a free one.
    pub(crate) statsd: Option<SocketAddr>,
    /// Upper bounds of the histograms that StatsD timers become, in ascending order.
    pub(crate) statsd_buckets: Vec<f64>,
    /// The file with the jobs to scrape.
    pub(crate) scrape: Option<PathBuf>,
    /// How long a node that ends still serves while it says that it is not ready.
    pub(crate) drain: Duration,
    /// How long gossip remembers a node that is silent; `None` for as long as it can.
    pub(crate) gossip_grace: Option<Duration>,
}

/// A configuration that no node can run with; the operator must correct it. Nothing was started or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// Peers could come from anywhere, and anybody holds the public key.
    #[error(
        "--peer {0} can be reached from beyond this machine, so it needs a secret key: make one with \
         `shoal keygen`, give the same file to every node with --cluster-key FILE (or keep to loopback)"
    )]
    PeerNeedsKey(SocketAddr),
    /// Clients could come from anywhere, and nothing says that they may.
    #[error(
        "--listen {0} can be reached from beyond this machine: give --token-file FILE with the tokens that \
         clients must bring, or --open to serve everybody"
    )]
    ListenNeedsTokens(SocketAddr),
    /// Two wishes that exclude one another.
    #[error("--open serves everybody and --token-file does not: give one of them")]
    OpenWithTokens,
    /// A flag's value that means nothing.
    #[error("--{flag} {value:?}: {reason}")]
    Value {
        /// The flag, without dashes.
        flag: &'static str,
        /// What was typed.
        value: String,
        /// What was expected.
        reason: &'static str,
    },
    /// A file that cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A configuration file that is not understood.
    #[error("{path}, line {line}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// Counted from one.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A key file that holds no keys.
    #[error("{path}: {source}")]
    Keys {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: shoal_transport::KeyError,
    },
    /// A token file without a token.
    #[error("{0}: the file holds no token; a token is a line of its own")]
    NoTokens(PathBuf),
    /// A token that no header can carry.
    #[error("{path}, line {line}: a token is made of visible ASCII characters, without spaces")]
    Token {
        /// The file.
        path: PathBuf,
        /// Counted from one.
        line: usize,
    },
}
