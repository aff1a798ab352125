//! What was typed: flags, environment and file fill the same struct, and what none of them named is absent.
//! It knows no defaults; the help names them for people.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::bytes::Bytes;
use super::duration::{Every, Span};

/// A node's settings as they were typed.
#[derive(Clone, Debug, Default, PartialEq, clap::Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct TypedNode {
    /// Data directory, made where it does not exist [default: ./shoal-data]
    #[arg(long, value_name = "DIR", env = "SHOAL_DATA", hide_env_values = true)]
    pub(crate) data: Option<PathBuf>,

    /// Where clients connect (TCP: gRPC and HTTP); port 0 takes a free one [default: 127.0.0.1:7400]
    #[arg(long, value_name = "ADDR", env = "SHOAL_LISTEN", hide_env_values = true)]
    pub(crate) listen: Option<SocketAddr>,

    /// Where the other nodes connect (UDP: QUIC); port 0 takes a free one [default: 127.0.0.1:7401]
    #[arg(long, value_name = "ADDR", env = "SHOAL_PEER", hide_env_values = true)]
    pub(crate) peer: Option<SocketAddr>,

    /// Peer addresses of nodes to join, comma-separated or repeated; without it a cluster begins here
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', env = "SHOAL_JOIN", hide_env_values = true)]
    pub(crate) join: Option<Vec<String>>,

    /// Where clients are told to connect, if not where the node listens
    #[arg(long, value_name = "ADDR", env = "SHOAL_ADVERTISE", hide_env_values = true)]
    pub(crate) advertise: Option<SocketAddr>,

    /// Where the other nodes are told to connect, if not at --peer
    #[arg(long, value_name = "ADDR", env = "SHOAL_ADVERTISE_PEER", hide_env_values = true)]
    pub(crate) advertise_peer: Option<SocketAddr>,

    /// The node's name, a label for people [default: the host's name]
    #[arg(long, env = "SHOAL_NAME", hide_env_values = true)]
    pub(crate) name: Option<String>,

    /// Failure domain that the node stands in, a label for people
    #[arg(long, env = "SHOAL_ZONE", hide_env_values = true)]
    pub(crate) zone: Option<String>,

    /// The cluster's name; nodes of other clusters are turned away [default: shoal]
    #[arg(long, value_name = "NAME", env = "SHOAL_CLUSTER", hide_env_values = true)]
    pub(crate) cluster: Option<String>,

    /// The cluster's secret key, from `shoal keygen`; the same on every node
    #[arg(long, value_name = "FILE", env = "SHOAL_CLUSTER_KEY", hide_env_values = true)]
    pub(crate) cluster_key: Option<PathBuf>,

    /// Bearer tokens, one a line, of which clients must bring one
    #[arg(long, value_name = "FILE", env = "SHOAL_TOKEN_FILE", hide_env_values = true)]
    pub(crate) token_file: Option<PathBuf>,

    /// Serve everybody who reaches --listen, without a token
    #[arg(
        long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL",
        env = "SHOAL_OPEN", hide_env_values = true
    )]
    pub(crate) open: Option<bool>,

    /// How old a point may be when it arrives: 15d, 100y, 1h30m; longer costs disk [default: 15d]
    #[arg(long, value_name = "DURATION", env = "SHOAL_RETENTION", hide_env_values = true)]
    pub(crate) retention: Option<Span>,

    /// How far ahead of this node's clock a point may be when it arrives, 30m at the most: what is further ahead is the
    /// fault of a clock or a unit, and nothing takes it out again [default: 10m]
    #[arg(long, value_name = "DURATION", env = "SHOAL_FUTURE", hide_env_values = true)]
    pub(crate) future: Option<Span>,

    /// How long the last value of a counter that ended is kept, so that sums over it do not fall [default: 10
    /// times the retention]
    #[arg(long, value_name = "DURATION", env = "SHOAL_TOTALS", hide_env_values = true)]
    pub(crate) totals: Option<Span>,

    /// Series, times their writers, that this node may hold before clients can begin no new ones; each takes about 300
    /// bytes of memory [default: 10000000]
    #[arg(long, value_name = "N", env = "SHOAL_SERIES_MAX", hide_env_values = true)]
    pub(crate) series_max: Option<usize>,

    /// Label by which redundant Prometheus servers tell themselves apart in remote write: each is a writer of its
    /// own of one series, and the label is left out
    #[arg(long, value_name = "NAME", env = "SHOAL_REPLICA_LABEL", hide_env_values = true)]
    pub(crate) replica_label: Option<String>,

    /// Bytes of journal kept for nodes that were away, with k, M or G; who misses more fetches it window by window
    /// [default: 1G]
    #[arg(long, value_name = "BYTES", env = "SHOAL_JOURNAL", hide_env_values = true)]
    pub(crate) journal: Option<Bytes>,

    /// Directory below which `shoal snapshot` makes snapshots, in the file system of the data directory [default: snapshots
    /// in the data directory]
    #[arg(long, value_name = "DIR", env = "SHOAL_SNAPSHOTS", hide_env_values = true)]
    pub(crate) snapshots: Option<PathBuf>,

    /// How often the node writes its own and its host's metrics, 1s to 5m, or off [default: 15s]
    #[arg(long, value_name = "DURATION|off", env = "SHOAL_SELF_METRICS", hide_env_values = true)]
    pub(crate) self_metrics: Option<Every>,

    /// Where StatsD and DogStatsD lines come (UDP); port 0 takes a free one [default: nowhere]
    #[arg(long, value_name = "ADDR", env = "SHOAL_STATSD", hide_env_values = true)]
    pub(crate) statsd: Option<SocketAddr>,

    /// Upper bounds of the histograms that StatsD timers (in seconds), histograms and distributions become
    /// [default: 0.005,0.01,0.025,0.05,0.1,0.25,0.5,1,2.5,5,10]
    #[arg(
        long,
        value_name = "BOUNDS",
        value_delimiter = ',',
        env = "SHOAL_STATSD_BUCKETS",
        hide_env_values = true
    )]
    pub(crate) statsd_buckets: Option<Vec<f64>>,
    /// How long gossip remembers a node that is silent, 15m at the most; tests shorten it [default: 15m]
    #[arg(long, value_name = "DURATION", env = "SHOAL_GOSSIP_GRACE", hide_env_values = true, hide = true)]
    pub(crate) gossip_grace: Option<Span>,

    /// Prometheus' scrape_configs (YAML); the same on every node, which share the targets
    #[arg(long, value_name = "FILE", env = "SHOAL_SCRAPE", hide_env_values = true)]
    pub(crate) scrape: Option<PathBuf>,

    /// How long a node that is told to end by SIGTERM still serves while it says that it is not ready, so that load
    /// balancers turn away first; off, 1ms to 10m [default: 5s]
    #[arg(long, value_name = "DURATION|off", env = "SHOAL_DRAIN", hide_env_values = true)]
    pub(crate) drain: Option<Every>,

    /// What to log to stderr: error, warn, info, debug, trace, or a filter such as info,shoal=debug [default: info]
    #[arg(long, value_name = "FILTER", env = "SHOAL_LOG", hide_env_values = true)]
    pub(crate) log: Option<String>,

    /// How to log [default: text]
    #[arg(long, value_enum, value_name = "FORMAT", env = "SHOAL_LOG_FORMAT", hide_env_values = true)]
    pub(crate) log_format: Option<LogFormat>,
}

/// What a log line looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl TypedNode {
    /// These settings, and `other`'s where these are absent.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            data: self.data.or(other.data),
            listen: self.listen.or(other.listen),
            peer: self.peer.or(other.peer),
            join: self.join.or(other.join),
            advertise: self.advertise.or(other.advertise),
            advertise_peer: self.advertise_peer.or(other.advertise_peer),
            name: self.name.or(other.name),
            zone: self.zone.or(other.zone),
            cluster: self.cluster.or(other.cluster),
            cluster_key: self.cluster_key.or(other.cluster_key),
            token_file: self.token_file.or(other.token_file),
            open: self.open.or(other.open),
            retention: self.retention.or(other.retention),
            future: self.future.or(other.future),
            totals: self.totals.or(other.totals),
            series_max: self.series_max.or(other.series_max),
            replica_label: self.replica_label.or(other.replica_label),
            journal: self.journal.or(other.journal),
            snapshots: self.snapshots.or(other.snapshots),
            self_metrics: self.self_metrics.or(other.self_metrics),
            statsd: self.statsd.or(other.statsd),
            statsd_buckets: self.statsd_buckets.or(other.statsd_buckets),
            scrape: self.scrape.or(other.scrape),
            gossip_grace: self.gossip_grace.or(other.gossip_grace),
            drain: self.drain.or(other.drain),
            log: self.log.or(other.log),
            log_format: self.log_format.or(other.log_format),
        }
    }
}
