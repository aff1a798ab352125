//! The points record: streams by their number in the origin's table, each with its points. Times are deltas;
//! values are decimal integers where that is exact, else raw bits (`docs/formats/frame.md`).

use shoal_model::Point;
use shoal_model::limits::BATCH_POINTS_MAX;

use crate::bytes::{Malformed, Reader, put_signed, put_varint, unzigzag, zigzag};

/// Writes a points record's body: for each stream its number in the origin's table and how many of the points
/// are its own, which follow one another.
pub fn encode(streams: &[(u32, u32)], points: &[Point]) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 + streams.len() * 4 + points.len() * 6);
    put_varint(&mut out, streams.len() as u64);
    let (mut number, mut time, mut rest) = (0, 0_i64, points);
    for (stream, count) in streams {
        let (own, after) = rest.split_at(rest.len().min(*count as usize));
        rest = after;
        put_signed(&mut out, i64::from(*stream) - number);
        number = i64::from(*stream);
        put_varint(&mut out, own.len() as u64);
        let mut previous = time;
        for point in own {
            put_signed(&mut out, point.time.wrapping_sub(previous));
            previous = point.time;
        }
        time = own.first().map_or(time, |point| point.time);
        own.iter().for_each(|point| put_value(&mut out, point.value));
    }
    out
}

/// Reads a points record's body, stream by stream: each stream's number and its points. Fails on bytes that no
/// writer makes; never allocates more than the bytes could hold.
pub fn columns(
    body: &[u8],
) -> Result<impl Iterator<Item = Result<(u32, Vec<Point>), Malformed>> + '_, Malformed> {
    let mut reader = Reader::new(body);
    let count = reader.count()?;
    if count > reader.rest().len() {
        return Err(Malformed);
    }
    let (mut number, mut time, mut left) = (0_i64, 0_i64, count);
    Ok(std::iter::from_fn(move || {
        if left == 0 {
            let surplus = std::mem::replace(&mut reader, Reader::new(&[]));
            return (!surplus.is_empty()).then_some(Err(Malformed));
        }
        left -= 1;
        let column = take_column(&mut reader, &mut number, &mut time);
        if column.is_err() {
            (left, reader) = (0, Reader::new(&[]));
        }
        Some(column)
    }))
}

fn take_column(
    reader: &mut Reader<'_>,
    number: &mut i64,
    time: &mut i64,
) -> Result<(u32, Vec<Point>), Malformed> {
    *number = number.checked_add(reader.signed()?).ok_or(Malformed)?;
    let len = reader.count()?;
    if len > reader.rest().len() / 2 || len > BATCH_POINTS_MAX {
        return Err(Malformed);
    }
    let points = take_points(reader, len, *time)?;
    *time = points.first().map_or(*time, |point| point.time);
    Ok((u32::try_from(*number).map_err(|_| Malformed)?, points))
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

    type Column = (u32, Vec<Point>);

    fn encoded(columns: &[Column]) -> Vec<u8> {
        let streams: Vec<_> = columns.iter().map(|(number, points)| (*number, points.len() as u32)).collect();
        let points: Vec<_> = columns.iter().flat_map(|(_, points)| points.clone()).collect();
        encode(&streams, &points)
    }

    fn decoded(body: &[u8]) -> Result<Vec<Column>, Malformed> {
        columns(body)?.collect()
    }

    #[test]
    fn special_values_survive_to_the_bit() {
        let values =
            [0.0, -0.0, f64::NAN, shoal_model::stale(), f64::INFINITY, -1e-300, 0.1, 1e22, EXACT_MAX, 12.34];
        let points = values.into_iter().enumerate().map(|(i, value)| Point::new(i as i64, value)).collect();
        let column = vec![(9, points)];
        assert_eq!(decoded(&encoded(&column)), Ok(column));
    }

    #[test]
    fn the_golden_record_stays_the_same() {
        let column = (1, vec![Point::new(1000, 2.5), Point::new(1001, f64::INFINITY)]);
        assert_eq!(encoded(&[column]), b"\x01\x02\x02\xd0\x0f\x02\xa1\x06\x0f\0\0\0\0\0\0\xf0\x7f");
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
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = decoded(&bytes);
        }
    }
}
