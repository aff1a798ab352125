//! A point is a value at a time of one stream; a batch is what a door hands over in one go.

use crate::stream::Stream;

/// The bits of Prometheus' stale marker: "this series ended here".
pub const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;

/// The stale marker as a value.
pub fn stale() -> f64 {
    f64::from_bits(STALE_BITS)
}

/// Whether a value is the stale marker, by bits: other NaNs are values.
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_BITS
}

/// One value of one stream.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// Place on the stream's time axis: ms since 1970, for delta streams with 20 more bits (see [`crate::time`]).
    pub time: i64,
    /// The value; two points are equal when their bits are.
    pub value: f64,
}

impl Point {
    /// A point at `time` on the stream's axis.
    pub fn new(time: i64, value: f64) -> Self {
        Self { time, value }
    }
}

impl PartialEq for Point {
    fn eq(&self, other: &Self) -> bool {
        self.time == other.time && self.value.to_bits() == other.value.to_bits()
    }
}

impl Eq for Point {}

/// The points of one stream in a batch; times in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamPoints {
    /// Whose points.
    pub stream: Stream,
    /// The points.
    pub points: Vec<Point>,
}

/// What a door accepted in one go, and what becomes one frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Streams, each with its points.
    pub streams: Vec<StreamPoints>,
}

impl Batch {
    /// How many points the batch holds.
    pub fn point_count(&self) -> usize {
        self.streams.iter().map(|part| part.points.len()).sum()
    }
}
