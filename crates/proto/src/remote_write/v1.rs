//! Remote write 1.0, `prometheus.WriteRequest`: series with their labels spelled out.
//! Specification: <https://prometheus.io/docs/specs/prw/remote_write_spec/>.

use shoal_model::{LabelError, Labels, Point};

use super::Malformed;
use super::column::{Columns, ExemplarRow, MetadataRow};
use crate::wire::{BadWire, Fields, Value};

/// The field of a series that holds a label, and its key on the wire.
const LABEL: u32 = 1;
const LABEL_KEY: u8 = 0x0a;

/// Reads a request.
pub fn decode(wire: &[u8]) -> Result<Columns<'_>, Malformed> {
    let mut columns = Columns::of(wire);
    let mut fields = Fields::new(wire);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => take_series(&mut columns, value.bytes()?)?,
            3 => take_metadata(&mut columns, value.bytes()?)?,
            _ => {}
        }
    }
    Ok(columns)
}

/// Labels stand in one piece in front of all else; where they do not, they are gathered.
fn take_series<'a>(columns: &mut Columns<'a>, message: &'a [u8]) -> Result<(), Malformed> {
    let (points_before, mut histograms) = (columns.points.len(), 0);
    let mut fields = Fields::new(message);
    let (mut first, mut last, mut is_whole) = (None, 0, true);
    loop {
        let begin = message.len() - fields.left();
        let Some((number, value)) = fields.next()? else { break };
        match number {
            LABEL => {
                value.bytes()?;
                is_whole &= first.is_none() || last == begin;
                first.get_or_insert(begin);
                fields.skip_short(LABEL_KEY);
                last = message.len() - fields.left();
            }
            2 => columns.push_point(sample(value.bytes()?)?)?,
            3 => {
                let exemplar = exemplar(columns.row(), value.bytes()?)?;
                columns.push_exemplar(exemplar)?;
            }
            4 => histograms += 1,
            _ => {}
        }
    }
    let span = if is_whole {
        columns.span_of(message.get(first.unwrap_or(0)..last).unwrap_or_default())
    } else {
        gather(columns, message)?
    };
    columns.push_series(span, points_before, histograms)
}

fn gather(columns: &mut Columns<'_>, message: &[u8]) -> Result<(u32, u32), Malformed> {
    let before = columns.gather().len();
    let mut fields = Fields::new(message);
    loop {
        let begin = message.len() - fields.left();
        let Some((number, _)) = fields.next()? else { break };
        if number == LABEL {
            let end = message.len() - fields.left();
            columns.gather().extend_from_slice(message.get(begin..end).unwrap_or_default());
        }
    }
    Ok(columns.span_from(before))
}

#[inline]
fn sample(message: &[u8]) -> Result<Point, Malformed> {
    // As senders write it: the value, then the time.
    if let Some(([0x09, value @ .., 0x10], time)) = message.split_first_chunk::<10>() {
        let mut rest = Fields::new(time);
        let point = Point::new(rest.varint()? as i64, f64::from_le_bytes(*value));
        if rest.left() == 0 {
            return Ok(point);
        }
    }
    let mut point = Point::new(0, 0.0);
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => point.value = value.double()?,
            2 => point.time = value.integer()?,
            _ => {}
        }
    }
    Ok(point)
}

fn exemplar(series: u32, message: &[u8]) -> Result<ExemplarRow<'_>, Malformed> {
    let mut row = ExemplarRow { series, labels: Vec::new(), value: 0.0, time_ms: 0 };
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => row.labels.push(label(value.bytes()?)?),
            2 => row.value = value.double()?,
            3 => row.time_ms = value.integer()?,
            _ => {}
        }
    }
    Ok(row)
}

fn take_metadata<'a>(columns: &mut Columns<'a>, message: &'a [u8]) -> Result<(), Malformed> {
    let mut row = MetadataRow { family: Ok(""), kind: 0, help: "", unit: "" };
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, Value::Varint(kind)) => row.kind = kind,
            (2, family) => row.family = Ok(family.text()?),
            (4, help) => row.help = help.text()?,
            (5, unit) => row.unit = unit.text()?,
            _ => {}
        }
    }
    columns.push_metadata(row)
}

fn label(message: &[u8]) -> Result<(&str, &str), BadWire> {
    let mut pair = ("", "");
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => pair.0 = value.text()?,
            2 => pair.1 = value.text()?,
            _ => {}
        }
    }
    Ok(pair)
}

/// Why the bytes of a series' labels name no series. It refuses the series alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadLabels {
    /// The pairs are no label set.
    #[error(transparent)]
    Labels(#[from] LabelError),
    /// A name or value is not UTF-8, or no label message stands there.
    #[error("a label is not UTF-8 text")]
    Text,
}

/// The labels that a row's bytes spell, without those of `but` name, whose value is handed back beside them.
pub fn labels(bytes: &[u8], but: Option<&str>) -> Result<(Labels, Option<String>), BadLabels> {
    let mut pairs = Vec::with_capacity(16);
    let mut taken_out = None;
    let mut fields = Fields::new(bytes);
    while let Some((_, value)) = fields.next().map_err(|_| BadLabels::Text)? {
        let pair = value.bytes().and_then(label).map_err(|_| BadLabels::Text)?;
        if Some(pair.0) == but && !pair.1.is_empty() {
            taken_out = Some(pair.1.to_owned());
        } else {
            pairs.push(pair);
        }
    }
    Ok((Labels::new(pairs)?, taken_out))
}
