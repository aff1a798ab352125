//! What a request holds, as columns: one row for each series, and the points of all series one after the other.

use shoal_model::Point;
use shoal_model::limits::{BATCH_POINTS_MAX, BATCH_STREAMS_MAX};

use super::Malformed;

/// Exemplars and descriptions that one request may bring; senders send a few for each series.
const ROWS_MAX: usize = BATCH_STREAMS_MAX;

/// A decoded request; it borrows what it can from the bytes.
#[derive(Debug, Default)]
pub struct Columns<'a> {
    wire: &'a [u8],
    gathered: Vec<u8>,
    /// The series in the order of the request.
    pub series: Vec<SeriesRow>,
    /// The points of all series, in the order of the rows.
    pub points: Vec<Point>,
    /// The exemplars, in the order of the rows.
    pub exemplars: Vec<ExemplarRow<'a>>,
    /// What metrics mean.
    pub metadata: Vec<MetadataRow<'a>>,
    /// Native histograms, which are not kept.
    pub histograms: u64,
}

/// One series of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesRow {
    /// Where its labels begin: in the request's bytes, or behind them in those that were gathered.
    start: u32,
    len: u32,
    /// How many of the points are its own.
    pub points: u32,
    /// How many native histograms it brought.
    pub histograms: u32,
}

/// One exemplar.
#[derive(Clone, Debug, PartialEq)]
pub struct ExemplarRow<'a> {
    /// The row of its series.
    pub series: u32,
    /// Its own labels, such as a trace id.
    pub labels: Vec<(&'a str, &'a str)>,
    /// The value that was observed.
    pub value: f64,
    /// When, in ms since 1970.
    pub time_ms: i64,
}

/// What a metric means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataRow<'a> {
    /// The metric family, or the row whose metric it is.
    pub family: Result<&'a str, u32>,
    /// The type, as the protocol numbers them.
    pub kind: u64,
    /// The help text.
    pub help: &'a str,
    /// The unit.
    pub unit: &'a str,
}

impl<'a> Columns<'a> {
    pub(super) fn of(wire: &'a [u8]) -> Self {
        Self { wire, ..Self::default() }
    }

    /// A series' labels, in the 1.0 encoding and as they were sent.
    pub fn labels(&self, row: &SeriesRow) -> &[u8] {
        let (start, len) = (row.start as usize, row.len as usize);
        let (bytes, start) = match start.checked_sub(self.wire.len()) {
            None => (self.wire, start),
            Some(start) => (self.gathered.as_slice(), start),
        };
        bytes.get(start..start + len).unwrap_or_default()
    }

    /// Where a run of the request's own bytes lies.
    pub(super) fn span_of(&self, run: &[u8]) -> (u32, u32) {
        let start = run.as_ptr() as usize - self.wire.as_ptr() as usize;
        (start as u32, run.len() as u32)
    }

    /// The bytes that labels are gathered in which do not lie in one piece.
    pub(super) fn gather(&mut self) -> &mut Vec<u8> {
        &mut self.gathered
    }

    /// Where the bytes lie that were gathered from a length on.
    pub(super) fn span_from(&self, len_before: usize) -> (u32, u32) {
        ((self.wire.len() + len_before) as u32, (self.gathered.len() - len_before) as u32)
    }

    pub(super) fn push_point(&mut self, point: Point) -> Result<(), Malformed> {
        if self.points.len() >= BATCH_POINTS_MAX {
            return Err(Malformed::Samples);
        }
        self.points.push(point);
        Ok(())
    }

    /// The number of the row that is being read.
    pub(super) fn row(&self) -> u32 {
        self.series.len() as u32
    }

    pub(super) fn push_exemplar(&mut self, exemplar: ExemplarRow<'a>) -> Result<(), Malformed> {
        if self.exemplars.len() >= ROWS_MAX {
            return Err(Malformed::Series);
        }
        self.exemplars.push(exemplar);
        Ok(())
    }

    pub(super) fn push_metadata(&mut self, metadata: MetadataRow<'a>) -> Result<(), Malformed> {
        if self.metadata.len() >= ROWS_MAX {
            return Err(Malformed::Series);
        }
        self.metadata.push(metadata);
        Ok(())
    }

    /// Ends a row: all points from `points_before` on are its own.
    pub(super) fn push_series(
        &mut self,
        (start, len): (u32, u32),
        points_before: usize,
        histograms: u32,
    ) -> Result<(), Malformed> {
        if self.series.len() >= BATCH_STREAMS_MAX {
            return Err(Malformed::Series);
        }
        let points = (self.points.len() - points_before) as u32;
        self.histograms += u64::from(histograms);
        self.series.push(SeriesRow { start, len, points, histograms });
        Ok(())
    }
}
