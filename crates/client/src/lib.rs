//! The SDK: writes to and reads from whichever node of a cluster answers first, and counts for an application.
//! Every point has its identity before it is first sent, so a call may be sent again, also to another node,
//! without being counted twice; failover and hedging rest on that.
//!
//! - [`address`]: where a node answers clients
//! - `roster`: the known nodes and the order in which to ask them (pure)
//! - `links`: one lazily opened channel a node
//! - [`client`]: calls with failover, and the members kept in view
//! - [`mod@write`], [`read`], [`query`], [`members`]: what the calls take and give
//! - [`session`]: an application's counters and gauges, as one writer
//! - [`recorder`]: the same behind the `metrics` facade
//! - [`limits`]: every bound that is a constant, with its reason
//!
//! It evaluates no PromQL, keeps nothing on disk and knows nothing of replication.

pub mod address;
pub mod client;
#[cfg(test)]
mod fake;
pub mod limits;
mod links;
pub mod members;
pub mod query;
pub mod read;
pub mod recorder;
mod roster;
pub mod session;
pub mod write;

pub use address::{Address, AddressError};
pub use client::{BuildError, Builder, CallError, Client};
pub use members::{
    Damage, DoorCounts, Hole, Member, MemberState, Members, Repair, Snapshot, SnapshotProgress, Usage,
};
pub use query::{QueryAnswer, QueryOptions, QueryResult, QuerySeries, When};
pub use read::{Part, ReadAnswer, ReadOptions, Selection, SeriesValue};
pub use recorder::{InstallError, Installed, Recorder, RecorderConfig, install};
pub use roster::NodeOrder;
pub use session::{Counter, Flush, Gauge, Session, SessionConfig, UpDown};
pub use shoal_proto::{Acks, Token};
pub use write::{RefusedPoint, WriteOptions, WriteReceipt};
