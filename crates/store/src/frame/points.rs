//! The points record: streams by their number in the origin's table, each with its points. Times are deltas;
//! values are decimal integers where that is exact, else raw bits (`docs/formats/frame.md`).

use shoal_model::Point;
use shoal_model::limits::BATCH_POINTS_MAX;

use crate::bytes::{Malformed, Reader, put_signed, put_varint, unzigzag, zigzag};

/// Bits of a column's head below its number: exactly one point; its first time is that of the column before.
const ONE_POINT: u64 = 1;
const SAME_TIME: u64 = 2;
const FLAG_BITS: u32 = 2;

/// Writes a points record's body: for each stream its number in the origin's table and how many of the points
/// are its own, which follow one another.
pub fn encode(streams: &[(u32, u32)], points: &[Point]) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 + streams.len() * 3 + points.len() * 6);
    put_varint(&mut out, streams.len() as u64);
    let (mut expected, mut time, mut rest) = (0, 0_i64, points);
    for (number, count) in streams {
        let (own, after) = rest.split_at(rest.len().min(*count as usize));
        rest = after;
        let first = own.first().map_or(time, |point| point.time);
        let flags = flag(ONE_POINT, own.len() == 1) | flag(SAME_TIME, first == time);
        put_varint(&mut out, zigzag(i64::from(*number) - expected) << FLAG_BITS | flags);
        expected = i64::from(*number) + 1;
        if own.len() != 1 {
            put_varint(&mut out, own.len() as u64);
        }
        if first != time {
            put_signed(&mut out, first.wrapping_sub(time));
        }
        time = first;
        put_points(&mut out, own);
    }
    out
}

fn flag(bit: u64, is_set: bool) -> u64 {
    if is_set { bit } else { 0 }
}

/// The times but for the first one, then the values.
fn put_points(out: &mut Vec<u8>, points: &[Point]) {
    for pair in points.windows(2) {
        if let [before, after] = pair {
            put_signed(out, after.time.wrapping_sub(before.time));
        }
    }
    points.iter().for_each(|point| put_value(out, point.value));
}

/// Reads a points record's body and hands out each stream's number and points. Fails on bytes that no writer
/// makes, after what came before them was handed out; never allocates more than the bytes could hold.
pub fn decode(
    body: &[u8],
    mut each: impl FnMut(u32, &[Point]) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut reader = Reader::new(body);
    let count = reader.count()?;
    if count > reader.rest().len() {
        return Err(Malformed);
    }
    let (mut expected, mut time, mut points) = (0_i64, 0_i64, Vec::new());
    for _ in 0..count {
        let head = reader.varint()?;
        let number = expected.checked_add(unzigzag(head >> FLAG_BITS)).ok_or(Malformed)?;
        let number = u32::try_from(number).map_err(|_| Malformed)?;
        expected = i64::from(number) + 1;
        let len = if head & ONE_POINT == 0 { reader.count()? } else { 1 };
        if head & SAME_TIME == 0 {
            time = time.wrapping_add(reader.signed()?);
        }
        take_points(&mut reader, len, time, &mut points)?;
        each(number, &points)?;
    }
    if reader.is_empty() { Ok(()) } else { Err(Malformed) }
}

/// Reads a column's points; each takes a byte of value at least, and each but the first one of time.
fn take_points(
    reader: &mut Reader<'_>,
    len: usize,
    first: i64,
    points: &mut Vec<Point>,
) -> Result<(), Malformed> {
    if len > reader.rest().len() || len > BATCH_POINTS_MAX {
        return Err(Malformed);
    }
    points.clear();
    let mut time = first;
    for index in 0..len {
        if index > 0 {
            time = time.wrapping_add(reader.signed()?);
        }
        points.push(Point::new(time, 0.0));
    }
    for point in points {
        point.value = take_value(reader)?;
    }
    Ok(())
}

/// The low four bits that mark raw bits instead of a decimal exponent.
const RAW: u64 = 15;
/// The greatest decimal exponent tried.
const EXPONENT_MAX: u64 = 6;
/// Integers beyond this do not survive the way through `f64`.
const EXACT_MAX: u64 = 1 << 53;
/// More than the relative error of a quotient's product.
const PRODUCT_ERROR: f64 = 2.0 * f64::EPSILON;

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
        0 => Ok(unzigzag(code >> 4) as f64),
        RAW => Ok(f64::from_bits(reader.u64()?)),
        exponent if exponent <= EXPONENT_MAX => Ok(unzigzag(code >> 4) as f64 / power(exponent)),
        _ => Err(Malformed),
    }
}

/// The least exponent `e` and the integer `i` with `i / 10^e` equal to the value to the bit.
fn decimal(value: f64) -> Option<(u64, i64)> {
    if let Some(integer) = exact(value as i64, 1.0, value) {
        return Some((0, integer));
    }
    (1..=EXPONENT_MAX).find_map(|exponent| {
        let scaled = value * power(exponent);
        let integer = (scaled + 0.5_f64.copysign(scaled)) as i64;
        // Where the product is not even near an integer, as mostly, there is no need to divide.
        let is_near = (scaled - integer as f64).abs() <= scaled.abs() * PRODUCT_ERROR;
        if !is_near {
            return None;
        }
        exact(integer, power(exponent), value).map(|integer| (exponent, integer))
    })
}

/// The integer, if it divided by the power is the value to the bit: so −0.0 and NaN are not.
fn exact(integer: i64, power: f64, value: f64) -> Option<i64> {
    let is_exact =
        integer.unsigned_abs() <= EXACT_MAX && (integer as f64 / power).to_bits() == value.to_bits();
    is_exact.then_some(integer)
}

fn power(exponent: u64) -> f64 {
    [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6].get(exponent as usize).copied().unwrap_or(1e6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Column = (u32, Vec<Point>);

    /// Integers whose quotients by a power of ten are all different.
    const EXACT_INTEGER: i64 = 1_000_000_000_000_000;

    fn encoded(columns: &[Column]) -> Vec<u8> {
        let streams: Vec<_> = columns.iter().map(|(number, points)| (*number, points.len() as u32)).collect();
        let points: Vec<_> = columns.iter().flat_map(|(_, points)| points.clone()).collect();
        encode(&streams, &points)
    }

    fn decoded(body: &[u8]) -> Result<Vec<Column>, Malformed> {
        let mut columns = Vec::new();
        decode(body, |number, points| {
            columns.push((number, points.to_vec()));
            Ok(())
        })?;
        Ok(columns)
    }

    #[test]
    fn special_values_survive_to_the_bit() {
        let values = [
            0.0,
            -0.0,
            f64::NAN,
            shoal_model::stale(),
            f64::INFINITY,
            -1e-300,
            0.1,
            1e22,
            EXACT_MAX as f64,
            12.34,
        ];
        let points = values.into_iter().enumerate().map(|(i, value)| Point::new(i as i64, value)).collect();
        let column = vec![(9, points)];
        assert_eq!(decoded(&encoded(&column)), Ok(column));
    }

    #[test]
    fn the_golden_record_stays_the_same() {
        let columns = [
            (1, vec![Point::new(1000, 2.5), Point::new(1001, f64::INFINITY)]),
            (2, vec![Point::new(1000, 3.0)]),
            (0, vec![Point::new(990, -1.0)]),
        ];
        assert_eq!(
            encoded(&columns),
            b"\x03\x08\x02\xd0\x0f\x02\xa1\x06\x0f\0\0\0\0\0\0\xf0\x7f\x03\x60\x15\x13\x10"
        );
    }

    #[test]
    fn surplus_bytes_are_an_error() {
        let mut body = encoded(&[(1, vec![Point::new(1, 1.0)])]);
        body.push(0);
        assert_eq!(decoded(&body), Err(Malformed));
    }

    prop_compose! {
        fn column()(number: u32, points in prop::collection::vec((any::<i64>(), any::<u64>()), 0..20)) -> Column {
            (number, points.into_iter().map(|(time, bits)| Point::new(time, f64::from_bits(bits))).collect())
        }
    }

    proptest! {
        #[test]
        fn columns_round_trip(columns in prop::collection::vec(column(), 0..6)) {
            prop_assert_eq!(decoded(&encoded(&columns)), Ok(columns));
        }

        #[test]
        fn decimals_need_no_raw_bits(integer in -EXACT_INTEGER..EXACT_INTEGER, exponent in 0..=EXPONENT_MAX) {
            let value = integer as f64 / power(exponent);
            let (least, found) = decimal(value).unwrap();
            prop_assert!(least <= exponent);
            prop_assert_eq!((found as f64 / power(least)).to_bits(), value.to_bits());
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = decoded(&bytes);
        }
    }
}
