//! Remote write 2.0, `io.prometheus.write.v2.Request`: texts stand once, in a table of symbols. A series' labels
//! are gathered in the 1.0 encoding, so that both versions find a series by the same bytes.
//! Specification: <https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/>.

use shoal_model::Point;
use shoal_model::limits::REQUEST_BYTES_MAX;

use super::Malformed;
use super::column::{Columns, ExemplarRow, MetadataRow};
use crate::wire::{BadWire, Fields, Value};

/// How long after its start a counter's zero is written along with its points. It has an identity, so repeating it
/// changes nothing; a while later every node has it.
const START_MS: i64 = 5 * 60_000;

/// Bytes of all labels of a request once they are spelled out: references must not make a small request large.
const SPELLED_BYTES_MAX: usize = 2 * REQUEST_BYTES_MAX;

/// Types of metrics that start at zero: counter, histogram, summary.
const FROM_ZERO: [u64; 3] = [1, 3, 5];

/// Reads a request.
pub fn decode(wire: &[u8]) -> Result<Columns<'_>, Malformed> {
    let symbols = symbols(wire)?;
    let mut columns = Columns::of(&[]);
    let mut fields = Fields::new(wire);
    while let Some((number, value)) = fields.next()? {
        if number == 5 {
            take_series(&mut columns, &symbols, value.bytes()?)?;
        }
    }
    Ok(columns)
}

fn symbols(wire: &[u8]) -> Result<Vec<&[u8]>, Malformed> {
    let mut symbols = Vec::new();
    let mut fields = Fields::new(wire);
    while let Some((number, value)) = fields.next()? {
        if number == 4 {
            symbols.push(value.bytes()?);
        }
    }
    match symbols.first() {
        Some([]) | None => Ok(symbols),
        Some(_) => Err(Malformed::FirstSymbol),
    }
}

/// What stands in a series besides its points.
#[derive(Default)]
struct Described<'a> {
    references: Vec<u32>,
    metadata: Option<(u64, &'a str, &'a str)>,
    start_ms: i64,
    histograms: u32,
}

fn take_series<'a>(
    columns: &mut Columns<'a>,
    symbols: &[&'a [u8]],
    message: &'a [u8],
) -> Result<(), Malformed> {
    let points_before = columns.points.len();
    let mut described = Described::default();
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => references(value, &mut described.references)?,
            2 => {
                let (point, start_ms) = sample(value.bytes()?)?;
                columns.push_point(point)?;
                described.start_ms = start_ms.unwrap_or(described.start_ms);
            }
            3 => described.histograms += 1,
            4 => {
                let exemplar = exemplar(columns.row(), symbols, value.bytes()?)?;
                columns.push_exemplar(exemplar)?;
            }
            5 => described.metadata = Some(metadata(symbols, value.bytes()?)?),
            6 => described.start_ms = value.integer()?,
            _ => {}
        }
    }
    if let Some((kind, help, unit)) = described.metadata.filter(|described| *described != (0, "", "")) {
        let family = Err(columns.row());
        columns.push_metadata(MetadataRow { family, kind, help, unit })?;
        push_start(columns, points_before, kind, described.start_ms)?;
    }
    let span = spell(columns, symbols, &described.references)?;
    columns.push_series(span, points_before, described.histograms)
}

/// A counter that has just started began at zero.
fn push_start(
    columns: &mut Columns<'_>,
    points_before: usize,
    kind: u64,
    start_ms: i64,
) -> Result<(), Malformed> {
    let first = columns.points.get(points_before..).unwrap_or_default().iter().map(|point| point.time).min();
    let is_young = first.is_some_and(|first| (1..=START_MS).contains(&first.saturating_sub(start_ms)));
    if start_ms > 0 && is_young && FROM_ZERO.contains(&kind) {
        columns.push_point(Point::new(start_ms, 0.0))?;
    }
    Ok(())
}

/// Spells a series' labels as 1.0 does.
fn spell(columns: &mut Columns<'_>, symbols: &[&[u8]], references: &[u32]) -> Result<(u32, u32), Malformed> {
    let (pairs, []) = references.as_chunks::<2>() else {
        return Err(Malformed::OddReferences(references.len()));
    };
    let out = columns.gather();
    let before = out.len();
    for [name, value] in pairs {
        let (name, value) = (symbol(symbols, *name)?, symbol(symbols, *value)?);
        if out.len() + name.len() + value.len() > SPELLED_BYTES_MAX {
            return Err(Malformed::TooLong(out.len() + name.len() + value.len()));
        }
        put_tag(out, 1, field_len(name) + field_len(value));
        put_tag(out, 1, name.len());
        out.extend_from_slice(name);
        put_tag(out, 2, value.len());
        out.extend_from_slice(value);
    }
    Ok(columns.span_from(before))
}

fn field_len(text: &[u8]) -> usize {
    let length_bytes = (1..).find(|bytes| text.len() >> (7 * bytes) == 0).unwrap_or(9);
    1 + length_bytes + text.len()
}

fn put_tag(out: &mut Vec<u8>, field: u8, mut len: usize) {
    out.push(field << 3 | 2);
    while len >= 0x80 {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
}

fn symbol<'a>(symbols: &[&'a [u8]], reference: u32) -> Result<&'a [u8], Malformed> {
    symbols.get(reference as usize).copied().ok_or(Malformed::Symbol(reference))
}

fn text<'a>(symbols: &[&'a [u8]], reference: u32) -> Result<&'a str, Malformed> {
    Ok(std::str::from_utf8(symbol(symbols, reference)?).map_err(|_| BadWire)?)
}

/// References come packed, or one by one from writers that know no better.
fn references(value: Value<'_>, out: &mut Vec<u32>) -> Result<(), Malformed> {
    let Value::Bytes(packed) = value else {
        out.push(value.unsigned32()?);
        return Ok(());
    };
    let mut rest = Fields::new(packed);
    while rest.left() > 0 {
        out.push(u32::try_from(rest.varint()?).map_err(|_| BadWire)?);
    }
    Ok(())
}

/// A sample, and its own start where the version of the message has that.
fn sample(message: &[u8]) -> Result<(Point, Option<i64>), Malformed> {
    let (mut point, mut start_ms) = (Point::new(0, 0.0), None);
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, value) => point.value = value.double()?,
            (2, time) => point.time = time.integer()?,
            (3, Value::Varint(start)) => start_ms = Some(start as i64),
            _ => {}
        }
    }
    Ok((point, start_ms))
}

fn exemplar<'a>(series: u32, symbols: &[&'a [u8]], message: &[u8]) -> Result<ExemplarRow<'a>, Malformed> {
    let mut row = ExemplarRow { series, labels: Vec::new(), value: 0.0, time_ms: 0 };
    let mut pairs = Vec::new();
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => references(value, &mut pairs)?,
            2 => row.value = value.double()?,
            3 => row.time_ms = value.integer()?,
            _ => {}
        }
    }
    let (pairs, []) = pairs.as_chunks::<2>() else { return Err(Malformed::OddReferences(pairs.len())) };
    for [name, value] in pairs {
        row.labels.push((text(symbols, *name)?, text(symbols, *value)?));
    }
    Ok(row)
}

fn metadata<'a>(symbols: &[&'a [u8]], message: &[u8]) -> Result<(u64, &'a str, &'a str), Malformed> {
    let mut row = (0, "", "");
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, Value::Varint(kind)) => row.0 = kind,
            (3, help) => row.1 = text(symbols, help.unsigned32()?)?,
            (4, unit) => row.2 = text(symbols, unit.unsigned32()?)?,
            _ => {}
        }
    }
    Ok(row)
}
