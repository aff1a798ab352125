//! Series and streams. A series is what a query names; a stream is one writer's part of it, and the unit of
//! storage: (series, writer, kind).

use std::fmt;

use crate::id::Writer;
use crate::labels::Labels;

/// A series' identity: the first 128 bits of BLAKE3 of its canonical labels, the same on every node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(pub [u8; 16]);

impl fmt::Display for SeriesId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SeriesId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SeriesId({self})")
    }
}

/// How the points of a stream are to be read. The numbers are part of the formats and never change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Kind {
    /// Untyped, as plain remote write and text bring it.
    Sample = 1,
    /// Cumulative since the writer's start, never falling.
    Counter = 2,
    /// Cumulative, may fall.
    UpDown = 3,
    /// Increments.
    Delta = 4,
    /// A reading; the newest counts.
    Gauge = 5,
}

impl Kind {
    /// Every kind, in the order of its number.
    pub const ALL: [Kind; 5] = [Kind::Sample, Kind::Counter, Kind::UpDown, Kind::Delta, Kind::Gauge];

    /// The kind with this number in the formats.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == code)
    }

    /// The family whose kinds may share a series' labels.
    pub fn family(self) -> Family {
        match self {
            Kind::Counter | Kind::UpDown | Kind::Delta => Family::Totals,
            Kind::Gauge => Family::Gauge,
            Kind::Sample => Family::Sample,
        }
    }

    /// The kind's name in replies and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Sample => "sample",
            Kind::Counter => "counter",
            Kind::UpDown => "updown",
            Kind::Delta => "delta",
            Kind::Gauge => "gauge",
        }
    }

    /// Whether a door takes this value: counters and increments are finite and not below zero.
    pub fn accepts(self, value: f64) -> bool {
        match self {
            Kind::Counter | Kind::Delta => value.is_finite() && value >= 0.0,
            Kind::Sample | Kind::UpDown | Kind::Gauge => true,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Kinds that add up with one another, in rank: where two families claim one series, the first keeps the
/// labels and the others appear with a `__kind__` label.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Family {
    /// counter, updown and delta.
    Totals,
    /// gauge.
    Gauge,
    /// sample.
    Sample,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::Totals => "totals",
            Family::Gauge => "gauge",
            Family::Sample => "sample",
        })
    }
}

/// A stream by its full description, as it travels and as it is catalogued.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Stream {
    /// The series' labels.
    pub labels: Labels,
    /// Who counts.
    pub writer: Writer,
    /// How its points read.
    pub kind: Kind,
}

impl Stream {
    /// The stream's identity.
    pub fn id(&self) -> StreamId {
        StreamId { series: self.labels.series_id(), writer: self.writer, kind: self.kind }
    }
}

/// A stream's identity: (series, writer, kind).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StreamId {
    /// The series.
    pub series: SeriesId,
    /// The writer.
    pub writer: Writer,
    /// The kind.
    pub kind: Kind,
}
