//! The doors of a node: gRPC and HTTP on one TCP port. Each door turns its protocol into the model's words and
//! asks the engine; what it refuses is counted by door and reason.

mod access;
mod asking;
mod buffers;
mod cluster;
mod elsewhere;
pub(crate) mod gathered;
mod http;
mod import;
mod ingest;
mod intake;
mod known;
mod otlp;
mod own;
mod page;
mod prometheus;
mod push;
mod query;
mod refusals;
mod remote_write;
mod server;
pub(crate) mod statsd;
mod timing;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::wall_ms;
use crate::engine::Engine;

pub use asking::Turns;
pub use buffers::Buffers;
pub use intake::Intake;
pub use known::KnownSeries;
pub use own::figures as own_figures;
pub use push::repeat as repeat_pushes;
pub use refusals::{Door, Refusals};
pub use server::serve;
pub use timing::Timing;

/// What every door needs.
#[derive(Clone)]
pub struct Context {
    /// The engine.
    pub engine: Engine,
    /// Facts about this node that do not change.
    pub about: Arc<About>,
    /// What was accepted and refused so far.
    pub refusals: Arc<Refusals>,
    /// The targets that are scraped.
    pub scraped: Arc<crate::scrape::Board>,
    /// The requests in work.
    pub intake: Arc<Intake>,
    /// What requests are unpacked into.
    pub buffers: Arc<Buffers>,
    /// The series that were written before, by their bytes.
    pub known: Arc<KnownSeries>,
    /// The transport, for its figures.
    pub mesh: shoal_transport::Mesh,
    /// The turns of PromQL questions.
    pub turns: Turns,
    /// What requests take.
    pub timing: Arc<Timing>,
    /// What is logged.
    pub log: crate::log::LogFilter,
    /// True once the doors take no more: what would go on without an end ends then.
    pub stopping: tokio::sync::watch::Receiver<bool>,
}

/// Facts about this node that do not change.
#[derive(Clone, Debug)]
pub struct About {
    /// What it tells of itself by gossip, at its start.
    pub profile: shoal_model::Profile,
    /// The cluster's name.
    pub cluster: String,
    /// The data directory.
    pub data: PathBuf,
    /// The directory below which snapshots are made.
    pub snapshots: PathBuf,
    /// How old a point may be.
    pub retention: Duration,
    /// How far ahead of this node's clock a point may be.
    pub future: Duration,
    /// The label that tells the replicas of one server apart, if there is one.
    pub replica_label: Option<String>,
    /// Tokens of which clients need one; none: the doors are open.
    pub tokens: Vec<String>,
}

impl About {
    /// The rules of admission now.
    pub fn rules(&self) -> crate::admission::Rules {
        crate::admission::Rules { now_ms: wall_ms(), retention: self.retention, future: self.future }
    }
}

impl Context {
    /// Returns when the doors take no more.
    async fn stopped(&self) {
        // A dropped sender means the node is ending too.
        let _ = self.stopping.clone().wait_for(|is_stopping| *is_stopping).await;
    }
}
