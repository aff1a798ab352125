//! The words of the cluster: labels, series, streams, points, times and ids, which every other crate
//! speaks. Identities are computed here and nowhere else, so that all nodes agree on them without
//! asking one another.
//!
//! - [`id`]: 128-bit names of nodes, origins and writers
//! - [`labels`]: the canonical label set
//! - [`stream`]: kinds, series ids and stream identities
//! - [`point`]: a value at a time, and the batch of points that a door accepts
//! - [`time`]: the two time axes
//! - [`matcher`]: label matchers
//! - [`view`]: what gossip says of the nodes
//! - [`limits`]: every bound that is a constant, with its reason
//!
//! It does no I/O, reads no clock and knows nothing of storage or of the network.

pub mod id;
pub mod labels;
pub mod limits;
pub mod matcher;
pub mod point;
pub mod stream;
pub mod time;
pub mod view;

pub use id::{Incarnation, NodeId, Origin, ParseIdError, Writer};
pub use labels::{LabelError, Labels};
pub use matcher::{Matcher, MatcherError, MatcherOp, whole_value_regex};
pub use point::{Batch, Point, STALE_BITS, StreamPoints, is_stale, stale};
pub use stream::{Family, Kind, SeriesId, Stream, StreamId};
pub use view::{ParsePhaseError, Phase, Profile, Sighting, View};
