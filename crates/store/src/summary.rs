//! Running totals: beside each sealed block a small one of the same form that has, of each stream, what reads of
//! later windows need of this one. It is a local index, made from the block and never replicated; where it is
//! missing or has rotted, or where points lie over the block, the block itself is read.
//!
//! | kind | its points in the summary |
//! |---|---|
//! | counter | the greatest, and the last |
//! | updown, gauge | the last |
//! | delta | terms whose exact sum is that of all increments, the newest where the last increment lies |
//! | sample | none: what was long ago says nothing of now |

use std::io;

use shoal_merge::{ExactSum, order};
use shoal_model::{Kind, Point};

use crate::block::{Block, Meta, WINDOW_MS, Writer};
use crate::disk::Disk;
use crate::flush::into_io;
use crate::windows::window_of;

/// Terms of a delta stream's sum; sums that need more keep all their points.
const TERMS_MAX: usize = 8;

/// The file beside a sealed block.
pub fn path(meta: &Meta) -> String {
    format!("{}.sum", crate::block::path(meta))
}

/// Writes the summary of a sealed block, durably but for its name.
pub fn write(disk: &dyn Disk, block: &Block, kind_of: impl Fn(u32) -> Option<Kind>) -> io::Result<()> {
    let meta = block.meta();
    let path = path(meta);
    match disk.remove(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut writer = Writer::create(disk, &path, meta.window, meta.number, meta.tier)?;
    let (mut scan, mut stream): (_, Option<Stream>) = (block.scan(), None);
    while let Some(chunk) = scan.advance() {
        chunk.map_err(|rot| into_io(rot.into()))?;
        let place = scan.place();
        if stream.as_ref().is_none_or(|stream| stream.place != place) {
            finish(stream.take(), &mut writer)?;
            stream = kind_of(place).map(|kind| Stream { place, kind, points: Vec::new() });
        }
        if let Some(stream) = &mut stream {
            stream.points.extend(
                scan.times().iter().zip(scan.values()).map(|(time, value)| Point::new(*time, *value)),
            );
        }
    }
    finish(stream, &mut writer)?;
    writer.finish(None).map(drop)
}

/// Opens the summary of a sealed block, if there is a whole one.
pub fn open(disk: &dyn Disk, meta: &Meta) -> Option<Block> {
    let summary = Block::open_any(disk, &path(meta)).ok()?;
    (summary.meta().window == meta.window && summary.meta().number == meta.number).then_some(summary)
}

struct Stream {
    place: u32,
    kind: Kind,
    points: Vec<Point>,
}

fn finish(stream: Option<Stream>, writer: &mut Writer) -> io::Result<()> {
    match stream {
        Some(Stream { place, kind, points }) => writer.add(place, &condense(kind, &points)),
        None => Ok(()),
    }
}

/// What later windows need of a stream's points in one window, which are in order of time.
fn condense(kind: Kind, points: &[Point]) -> Vec<Point> {
    let last = points.last().copied();
    match kind {
        Kind::Sample => Vec::new(),
        Kind::UpDown | Kind::Gauge => last.into_iter().collect(),
        Kind::Counter => {
            let finite = points.iter().filter(|point| point.value.is_finite()).copied();
            let greatest = order::greatest(finite);
            let last = last.filter(|last| greatest.is_none_or(|greatest| greatest.time < last.time));
            greatest.into_iter().chain(last).collect()
        }
        Kind::Delta => last.and_then(|last| terms(points, last.time)).unwrap_or_else(|| points.to_vec()),
    }
}

/// A few points in the same window with the same exact sum, the newest at `last`.
fn terms(points: &[Point], last: i64) -> Option<Vec<Point>> {
    let mut sum = ExactSum::new();
    points.iter().filter(|point| point.value.is_finite()).for_each(|point| sum.add(point.value));
    let mut terms = Vec::new();
    while terms.is_empty() || sum.value() != 0.0 {
        if terms.len() == TERMS_MAX || !sum.value().is_finite() {
            return None;
        }
        let term = sum.value();
        sum.subtract(term);
        terms.push(Point::new(last.checked_sub(terms.len() as i64)?, term));
    }
    terms.reverse();
    let in_window = |point: &Point| window_of(Kind::Delta, point.time) == window_of(Kind::Delta, last);
    (terms.len() < points.len().max(2) && terms.iter().all(in_window)).then_some(terms)
}

/// The first window that a read from a millisecond on reads in full; of those before it the summaries do.
pub fn first_full_window(from_ms: i64) -> i64 {
    from_ms.div_euclid(WINDOW_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use shoal_merge::lens::{self, WriterPoints};
    use shoal_model::{Writer as Who, time};

    fn value(kind: Kind, points: &[Point]) -> Option<Point> {
        lens::last(&[WriterPoints { writer: Who::NONE, kind, points }], time::DELTA_MILLIS_MAX)
    }

    proptest! {
        #[test]
        fn a_summary_reads_as_the_points_do(
            points in prop::collection::btree_map(0_i64..7_000_000, prop_oneof![0_u64..9, any::<u64>()], 1..60),
        ) {
            for kind in [Kind::Counter, Kind::UpDown, Kind::Delta, Kind::Gauge] {
                let place = |ms: i64| if kind == Kind::Delta { time::delta_time(0, ms, b"").unwrap() } else { ms };
                let float = |bits: u64| if bits < 9 { bits as f64 / 10.0 } else { f64::from_bits(bits).abs() };
                let all: Vec<_> = points.iter().map(|(ms, bits)| Point::new(place(*ms), float(*bits))).collect();
                prop_assert_eq!(value(kind, &condense(kind, &all)), value(kind, &all), "{}", kind);
            }
        }
    }

    #[test]
    fn a_window_of_increments_becomes_a_few_terms() {
        let points: Vec<_> =
            (1..1_000).map(|n| Point::new(time::delta_time(0, n, b"").unwrap(), 0.1 * n as f64)).collect();
        assert!(condense(Kind::Delta, &points).len() <= 3);
    }
}
