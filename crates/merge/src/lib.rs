//! The mathematics of the cluster: how copies of data become one (joins), how many writers read as one
//! series (lenses), what a node holds (frontiers), and whether two nodes hold the same (digests).
//! `docs/ALGORITHM.md` states all of it as formulas.
//!
//! - [`order`]: the total order on values, and the join of two values under one identity
//! - [`points`]: one stream as a grow-only map from times to values
//! - [`lens`]: the read rules, one file a kind
//! - [`exact`]: sums that do not depend on the order of adding
//! - [`frontier`]: up to which frame of each origin a node holds everything
//! - [`digest`]: fingerprints of sets of points, independent of order and codec
//!
//! Everything here is a pure function of its arguments: no I/O, no clock, no randomness, no codec.

pub mod digest;
pub mod exact;
pub mod frontier;
pub mod lens;
pub mod mutants;
pub mod order;
pub mod points;

mod mix;

#[cfg(test)]
mod laws;

pub use digest::{Digest, StreamMix};
pub use exact::ExactSum;
pub use frontier::{Advance, Frontier, Gap};
pub use lens::{Greatest, Latest, WriterPoints};
pub use mutants::Mutant;
pub use points::PointMap;
