//! The points record: streams by their number in the origin's table, each with its points. Times are deltas;
//! values are decimal integers where that is exact, else raw bits (`docs/formats/frame.md`).

use shoal_model::Point;
use shoal_model::limits::BATCH_POINTS_MAX;

use crate::bytes::{Malformed, Reader, put_signed, put_varint, unzigzag, zigzag};

/// The points of one stream of an origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The stream's number in the origin's table.
    pub number: u32,
    /// Its points, in the sender's order.
    pub points: Vec<Point>,
}

/// Writes a points record's body.
pub fn encode(columns: &[Column]) -> Vec<u8> {
    let mut out = Vec::with_capacity(columns.iter().map(|column| 8 + column.points.len() * 6).sum());
    put_varint(&mut out, columns.len() as u64);
    let (mut number, mut time) = (0, 0_i64);
    for column in columns {
        put_signed(&mut out, i64::from(column.number) - number);
        number = i64::from(column.number);
        put_varint(&mut out, column.points.len() as u64);
        let mut previous = time;
        for (i, point) in column.points.iter().enumerate() {
            put_signed(&mut out, point.time.wrapping_sub(previous));
            previous = point.time;
            if i == 0 {
                time = point.time;
            }
        }
        column.points.iter().for_each(|point| put_value(&mut out, point.value));
    }
    out
}

/// Reads a points record's body. Fails on bytes that no writer makes; never allocates more than the bytes
/// could hold.
pub fn decode(body: &[u8]) -> Result<Vec<Column>, Malformed> {
    let mut reader = Reader::new(body);
    let count = reader.count()?;
    if count > reader.rest().len() {
        return Err(Malformed);
    }
    let mut columns = Vec::with_capacity(count);
    let (mut number, mut time) = (0_i64, 0_i64);
    for _ in 0..count {
        number = number.checked_add(reader.signed()?).ok_or(Malformed)?;
        let len = reader.count()?;
        if len > reader.rest().len() / 2 || len > BATCH_POINTS_MAX {
            return Err(Malformed);
        }
        let points = take_points(&mut reader, len, time)?;
        time = points.first().map_or(time, |point| point.time);
        columns.push(Column { number: u32::try_from(number).map_err(|_| Malformed)?, points });
    }
    if reader.is_empty() { Ok(columns) } else { Err(Malformed) }
}

fn take_points(reader: &mut Reader<'_>, len: usize, mut time: i64) -> Result<Vec<Point>, Malformed> {
    let mut points = Vec::with_capacity(len);
    for _ in 0..len {
        time = time.wrapping_add(reader.signed()?);
        points.push(Point::new(time, 0.0));
    }
    for point in &mut points {
        point.value = take_value(reader)?;
    }
    Ok(points)
}

/// The low four bits that mark raw bits instead of a decimal exponent.
const RAW: u64 = 15;
/// The greatest decimal exponent tried.
const EXPONENT_MAX: u64 = 6;
/// Integers beyond this do not survive the way through `f64`.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

fn put_value(out: &mut Vec<u8>, value: f64) {
    match decimal(value) {
        Some((exponent, integer)) => put_varint(out, zigzag(integer) << 4 | exponent),
        None => {
            put_varint(out, RAW);
            out.extend_from_slice(&value.to_bits().to_le_bytes());
        }
    }
}

fn take_value(reader: &mut Reader<'_>) -> Result<f64, Malformed> {
    let code = reader.varint()?;
    match code & 15 {
        RAW => Ok(f64::from_bits(reader.u64()?)),
        exponent if exponent <= EXPONENT_MAX => Ok(unzigzag(code >> 4) as f64 / power(exponent)),
        _ => Err(Malformed),
    }
}

/// The least exponent `e` and the integer `i` with `i / 10^e` equal to the value to the bit.
fn decimal(value: f64) -> Option<(u64, i64)> {
    (0..=EXPONENT_MAX).find_map(|exponent| {
        let scaled = (value * power(exponent)).round();
        let fits = scaled.abs() <= EXACT_MAX && (scaled as i64) as f64 / power(exponent) == value;
        (fits && !(value == 0.0 && value.is_sign_negative())).then_some((exponent, scaled as i64))
    })
}

fn power(exponent: u64) -> f64 {
    [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6].get(exponent as usize).copied().unwrap_or(1e6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(columns: &[Column]) {
        assert_eq!(decode(&encode(columns)).as_deref(), Ok(columns));
    }

    #[test]
    fn special_values_survive_to_the_bit() {
        let values =
            [0.0, -0.0, f64::NAN, shoal_model::stale(), f64::INFINITY, -1e-300, 0.1, 1e22, EXACT_MAX, 12.34];
        let points = values.into_iter().enumerate().map(|(i, value)| Point::new(i as i64, value)).collect();
        round_trip(&[Column { number: 9, points }]);
    }

    #[test]
    fn the_golden_record_stays_the_same() {
        let column =
            Column { number: 1, points: vec![Point::new(1000, 2.5), Point::new(1001, f64::INFINITY)] };
        assert_eq!(encode(&[column]), b"\x01\x02\x02\xd0\x0f\x02\xa1\x06\x0f\0\0\0\0\0\0\xf0\x7f");
    }

    prop_compose! {
        fn column()(number: u32, points in prop::collection::vec((any::<i64>(), any::<u64>()), 0..20)) -> Column {
            let points = points.into_iter().map(|(time, bits)| Point::new(time, f64::from_bits(bits))).collect();
            Column { number, points }
        }
    }

    proptest! {
        #[test]
        fn columns_round_trip(columns in prop::collection::vec(column(), 0..6)) {
            round_trip(&columns);
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = decode(&bytes);
        }
    }
}
