//! From what was typed to what is meant: defaults, the files that are named, and the rules that keep a node
//! from being open to the world by mistake.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use shoal_model::limits;
use shoal_transport::ClusterKeys;

use super::bytes::Bytes;
use super::duration::{Every, Span};
use super::secrets::{read_keys, read_tokens};
use super::{ConfigError, NodeConfig, TypedNode};

const DATA: &str = "shoal-data";
/// Within the data directory: the same file system, and the node's own to write.
const SNAPSHOTS: &str = "snapshots";
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7400);
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7401);
const CLUSTER: &str = "shoal";
/// The default of `--totals`, in retentions.
const TOTALS: u32 = 10;
const RETENTION: Span = Span(Duration::from_secs(15 * 86_400));
/// More than clocks without a time server drift apart.
const FUTURE: Span = Span(limits::FUTURE_MAX);
/// Nodes take an origin's points for old an hour and ten minutes after its end: what is left of that is for clocks that
/// differ.
const FUTURE_MAX: Duration = Duration::from_secs(1_800);
const SELF_METRICS: Every = Every::Interval(Duration::from_secs(15));
/// Longer than two checks of a load balancer that looks every two seconds, and than Kubernetes takes to tell its
/// proxies that a pod ends; short enough to wait for at a keyboard.
const DRAIN: Every = Every::Interval(Duration::from_secs(5));
/// Whoever stops a node for good waits no longer: systemd gives up after 90 s, Kubernetes after 30 s unless told.
const DRAIN_MAX: Duration = Duration::from_secs(600);
const JOURNAL: Bytes = Bytes(1 << 30);
/// Three gigabytes of memory, about.
const SERIES_MAX: usize = 10_000_000;
/// More often costs more than the node's own work; more rarely, and its gauges drop out of answers.
const SELF_METRICS_RANGE: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(300);
/// The bounds that Prometheus' client libraries begin with, in seconds.
const STATSD_BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Bounds of one histogram: each is a series for every timer.
const STATSD_BUCKETS_MAX: usize = 100;
/// Bytes of a name: it travels in every gossip message.
const NAME_BYTES_MAX: usize = 128;

impl TypedNode {
    /// What these settings mean; reads the key and token files that they name.
    pub(crate) fn resolve(self) -> Result<NodeConfig, ConfigError> {
        let listen = self.listen.unwrap_or(LISTEN);
        let peer = self.peer.unwrap_or(PEER);
        let data = self.data.unwrap_or_else(|| PathBuf::from(DATA));
        Ok(NodeConfig {
            snapshots: self.snapshots.unwrap_or_else(|| data.join(SNAPSHOTS)),
            data,
            listen,
            peer,
            advertise: reachable("advertise", self.advertise)?,
            advertise_peer: reachable("advertise-peer", self.advertise_peer)?,
            join: seeds(self.join.unwrap_or_default())?,
            name: name("name", self.name.unwrap_or_else(host_name))?,
            zone: self
                .zone
                .filter(|zone| !zone.is_empty())
                .map_or(Ok(String::new()), |zone| name("zone", zone))?,
            cluster: name("cluster", self.cluster.unwrap_or_else(|| CLUSTER.to_owned()))?,
            keys: keys(self.cluster_key.as_deref(), peer)?,
            tokens: tokens(self.token_file.as_deref(), self.open.unwrap_or(false), listen)?,
            retention: self.retention.unwrap_or(RETENTION).0,
            future: future(self.future.unwrap_or(FUTURE))?,
            totals: self
                .totals
                .map_or(self.retention.unwrap_or(RETENTION).0.saturating_mul(TOTALS), |span| span.0),
            series_max: self.series_max.unwrap_or(SERIES_MAX),
            replica_label: replica_label(self.replica_label)?,
            journal_bytes_max: self.journal.unwrap_or(JOURNAL).0,
            drain: drain(self.drain.unwrap_or(DRAIN))?,
            gossip_grace: self.gossip_grace.map(|span| span.0),
            self_metrics: self_metrics(self.self_metrics.unwrap_or(SELF_METRICS))?,
            statsd: self.statsd,
            scrape: self.scrape,
            statsd_buckets: buckets(self.statsd_buckets.unwrap_or_else(|| STATSD_BUCKETS.to_vec()))?,
        })
    }
}

fn keys(path: Option<&Path>, peer: SocketAddr) -> Result<ClusterKeys, ConfigError> {
    let keys = path.map_or_else(|| Ok(ClusterKeys::development()), read_keys)?;
    if keys.is_development() && !peer.ip().is_loopback() {
        return Err(ConfigError::PeerNeedsKey(peer));
    }
    Ok(keys)
}

fn tokens(path: Option<&Path>, open: bool, listen: SocketAddr) -> Result<Vec<String>, ConfigError> {
    match (path, open) {
        (Some(_), true) => Err(ConfigError::OpenWithTokens),
        (Some(path), false) => read_tokens(path),
        (None, false) if !listen.ip().is_loopback() => Err(ConfigError::ListenNeedsTokens(listen)),
        (None, _) => Ok(Vec::new()),
    }
}

/// Seeds that look like addresses; whether their names resolve may change while the node runs.
fn seeds(join: Vec<String>) -> Result<Vec<String>, ConfigError> {
    let fits = |seed: &str| {
        let host_and_port = |(host, port): (&str, &str)| {
            !host.is_empty() && !host.contains(':') && port.parse::<u16>().is_ok_and(|port| port > 0)
        };
        seed.parse::<SocketAddr>().is_ok_and(|address| address.port() > 0)
            || seed.rsplit_once(':').is_some_and(host_and_port)
    };
    match join.iter().find(|seed| !fits(seed)) {
        Some(seed) => Err(value("join", seed, "HOST:PORT of a node's --peer is wanted")),
        None => Ok(join),
    }
}

fn reachable(flag: &'static str, address: Option<SocketAddr>) -> Result<Option<SocketAddr>, ConfigError> {
    match address {
        Some(address) if address.ip().is_unspecified() || address.port() == 0 => {
            Err(value(flag, &address.to_string(), "an address that others can connect to is wanted"))
        }
        _ => Ok(address),
    }
}

fn name(flag: &'static str, name: String) -> Result<String, ConfigError> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        return Err(value(flag, &name, "1 to 128 bytes without control characters are wanted"));
    }
    Ok(name)
}

fn future(Span(ahead): Span) -> Result<Duration, ConfigError> {
    if ahead > FUTURE_MAX {
        return Err(value("future", &format!("{ahead:?}"), "half an hour is the most"));
    }
    Ok(ahead)
}

fn replica_label(label: Option<String>) -> Result<Option<String>, ConfigError> {
    match label {
        Some(label) if label.is_empty() || label.starts_with("__") => {
            Err(value("replica-label", &label, "the name of a label is wanted, such as prometheus_replica"))
        }
        label => Ok(label),
    }
}

fn self_metrics(every: Every) -> Result<Option<Duration>, ConfigError> {
    match every {
        Every::Off => Ok(None),
        Every::Interval(interval) if SELF_METRICS_RANGE.contains(&interval) => Ok(Some(interval)),
        Every::Interval(interval) => {
            Err(value("self-metrics", &format!("{interval:?}"), "1s to 5m, or off, is wanted"))
        }
    }
}

fn drain(every: Every) -> Result<Duration, ConfigError> {
    match every {
        Every::Off => Ok(Duration::ZERO),
        Every::Interval(time) if time <= DRAIN_MAX => Ok(time),
        Every::Interval(time) => {
            Err(value("drain", &format!("{time:?}"), "10m at the most, or off, is wanted"))
        }
    }
}

fn buckets(bounds: Vec<f64>) -> Result<Vec<f64>, ConfigError> {
    let ascends = bounds.windows(2).all(|pair| pair[0] < pair[1]);
    if bounds.is_empty()
        || bounds.len() > STATSD_BUCKETS_MAX
        || !ascends
        || !bounds.iter().all(|bound| bound.is_finite())
    {
        return Err(value(
            "statsd-buckets",
            &format!("{bounds:?}"),
            "1 to 100 finite numbers that ascend are wanted",
        ));
    }
    Ok(bounds)
}

fn value(flag: &'static str, value: &str, reason: &'static str) -> ConfigError {
    ConfigError::Value { flag, value: value.to_owned(), reason }
}

fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "shoal".to_owned() } else { name }
}

#[cfg(test)]
mod tests;
