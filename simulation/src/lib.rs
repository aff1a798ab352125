//! The simulation: many production replicas over faulty links and disks, in virtual time, from one seed. Sessions
//! write, an oracle knows what each was promised, and invariants compare that with what the nodes hold. The same
//! seed gives the same trace to the byte.
//!
//! - `seed`: one seed, a generator for each part
//! - `mix`: what a seed draws for itself: sizes, and which faults strike
//! - `schedule`: what happens next
//! - `world`: the clock, the nodes and all that happens to them
//! - `life`: a node's disk, and the process that may live on it
//! - `link`: loss, delay, duplication, partitions
//! - `views`: gossip, late and sometimes wrong
//! - `fault`: which fault strikes next
//! - `disk_loss`: when the next disk may be lost
//! - `workload`: all sessions and what they wait for
//! - `session`: one that counts, reports, and retries elsewhere
//! - `oracle`: what was written and what was promised
//! - `invariants`: what must hold, one file each
//! - `curve`: how convergence goes with the number of nodes
//! - `trace`: the hash of everything that happened, and the story for people
//! - `run`: one seed from its first event to its verdict
//!
//! It holds no copy of production logic and never reads a clock or the system's randomness.

mod curve;
mod disk_loss;
mod fault;
mod invariants;
mod life;
mod link;
mod mix;
mod oracle;
mod run;
#[cfg(test)]
mod scenarios;
mod schedule;
mod seed;
mod session;
mod trace;
mod views;
mod workload;
mod world;

pub use curve::{Convergence, converge};
pub use fault::Kind;
pub use invariants::{Invariant, Violation};
pub use run::{CALM_MAX, Options, Outcome, Sabotage, run};
pub use world::Figures;
