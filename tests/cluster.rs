//! Whole clusters of real processes on real sockets: what an operator is promised, one claim a test. Times are
//! printed, never asserted, but for deadlines that are five times the aim.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[path = "cluster/acknowledged.rs"]
mod acknowledged;
#[path = "cluster/backpressure.rs"]
mod backpressure;
#[path = "cluster/bad_input.rs"]
mod bad_input;
#[path = "cluster/cuts.rs"]
mod cuts;
#[path = "cluster/debts.rs"]
mod debts;
#[path = "cluster/doors.rs"]
mod doors;
#[path = "cluster/elsewhere.rs"]
mod elsewhere;
#[path = "cluster/exact.rs"]
mod exact;
#[path = "cluster/failures.rs"]
mod failures;
#[path = "cluster/full_disk.rs"]
mod full_disk;
#[path = "cluster/harness.rs"]
mod harness;
#[path = "cluster/killed.rs"]
mod killed;
#[path = "cluster/load.rs"]
mod load;
#[path = "cluster/membership.rs"]
mod membership;
#[path = "cluster/metrics.rs"]
mod metrics;
#[path = "cluster/moving.rs"]
mod moving;
#[path = "cluster/partition.rs"]
mod partition;
#[path = "cluster/power.rs"]
mod power;
#[path = "cluster/prometheus.rs"]
mod prometheus;
#[path = "cluster/push.rs"]
mod push;
#[path = "cluster/refused.rs"]
mod refused;
#[path = "cluster/relay.rs"]
mod relay;
#[path = "cluster/remote_write.rs"]
mod remote_write;
#[path = "cluster/rolling.rs"]
mod rolling;
#[path = "cluster/rot.rs"]
mod rot;
#[path = "cluster/scraping.rs"]
mod scraping;
#[path = "cluster/secrecy.rs"]
mod secrecy;
#[path = "cluster/snapshot.rs"]
mod snapshot;
#[path = "cluster/statsd.rs"]
mod statsd;
#[path = "cluster/under_way.rs"]
mod under_way;
