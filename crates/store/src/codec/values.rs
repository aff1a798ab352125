//! A column of values. Most are decimals, which become small integers; what is not becomes the integer that
//! sorts as its bits do. Every bit pattern comes back as it was: −0.0, NaN payloads and the stale marker among
//! them.

use super::ints::{self, Candidate, Order};
use super::{CHUNK_POINTS_MAX, Scratch, with_room};
use crate::bytes::{Malformed, Reader, put_signed};

/// `10^e` for every decimal exponent of the format.
const POWERS: [f64; 10] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
/// Stands for "no decimals" where an exponent would.
const BITS: u8 = 15;
/// Stands for "all the same" where an [`Order`] would: values have no grid.
const CONSTANT: u8 = Order::Grid as u8;

const ORDER_SHIFT: u32 = 4;
const HAS_EXCEPTIONS: u8 = 1 << 6;
const HAS_SHIFT: u8 = 1 << 7;

/// One in so many values may be no decimal (one in any column).
const EXCEPTIONS_RATIO: usize = 16;
/// Bytes of an exception: its place and its bits.
const EXCEPTION_BYTES: usize = 2 + 8;
/// Values looked at before all decimal exponents are tried.
const LOOK_AHEAD: usize = 64;
/// Values judged at once, without a branch for each.
const BLOCK: usize = 16;

/// Adding this to a number below 2^51 rounds it to an integer, which then stands in the low bits of the sum.
const ROUNDER: f64 = (3_u64 << 51) as f64;
/// Integers of the decimal form lie in ±2^51: a double holds them exactly.
const DECIMAL_BITS: u32 = 51;

/// Appends 1 to [`CHUNK_POINTS_MAX`] values of any bits.
pub fn encode_values(values: &[f64], scratch: &mut Scratch, out: &mut Vec<u8>) {
    assert!((1..=CHUNK_POINTS_MAX).contains(&values.len()), "a chunk holds 1 to {CHUNK_POINTS_MAX} values");
    let first = values[0].to_bits();
    if values.iter().all(|value| value.to_bits() == first) {
        return encode_constant(values[0], out);
    }
    let scale = to_ints(values, scratch);
    let shift = common_zeros(&scratch.ints);
    let tag_at = out.len();
    out.push(scale);
    if !scratch.exceptions.is_empty() {
        out[tag_at] |= HAS_EXCEPTIONS;
        out.push((scratch.exceptions.len() / EXCEPTION_BYTES) as u8);
        out.extend_from_slice(&scratch.exceptions);
    }
    if shift > 0 {
        out[tag_at] |= HAS_SHIFT;
        out.push(shift as u8);
        scratch.ints.iter_mut().for_each(|int| *int >>= shift);
    }
    let column = cheapest(scratch);
    out[tag_at] |= (column.order() as u8) << ORDER_SHIFT;
    column.write(out);
}

/// Appends the `count` values of a chunk, or none and an error; all bytes must be used.
pub fn decode_values(bytes: &[u8], count: usize, out: &mut Vec<f64>) -> Result<(), Malformed> {
    with_room(count, |ints| decode_in(bytes, ints, out))
}

fn encode_constant(value: f64, out: &mut Vec<u8>) {
    let decimal = (0_u8..).zip(POWERS).find_map(|(scale, power)| {
        let (int, wrong) = decimal(value, power);
        (wrong == 0).then_some((scale, int))
    });
    match decimal {
        Some((scale, int)) => {
            out.push(CONSTANT << ORDER_SHIFT | scale);
            put_signed(out, int);
        }
        None => {
            out.push(CONSTANT << ORDER_SHIFT | BITS);
            out.extend_from_slice(&value.to_bits().to_le_bytes());
        }
    }
}

/// Fills `scratch.ints`, and `scratch.exceptions` with what is no decimal; returns the scale for the tag.
fn to_ints(values: &[f64], scratch: &mut Scratch) -> u8 {
    scratch.ints.clear();
    scratch.ints.resize(values.len(), 0);
    for (scale, power) in (0_u8..).zip(POWERS) {
        if to_decimals(values, power, scratch).is_some() {
            return scale;
        }
        if scale == 0 && are_no_decimals(values) {
            break;
        }
    }
    scratch.exceptions.clear();
    for (slot, value) in scratch.ints.iter_mut().zip(values) {
        *slot = bits_to_int(value.to_bits());
    }
    BITS
}

fn exceptions_max(count: usize) -> usize {
    (count / EXCEPTIONS_RATIO).max(1)
}

/// Spares full-precision columns nine attempts: a decimal of few places is one of nine too, as long as nine
/// places are in range.
fn are_no_decimals(values: &[f64]) -> bool {
    let power = POWERS[POWERS.len() - 1];
    let in_range = |value: f64| (value * power).abs() < (1_u64 << DECIMAL_BITS) as f64;
    let wrong = |value: &&f64| in_range(**value) && decimal(**value, power).1 != 0;
    values.iter().take(LOOK_AHEAD).filter(wrong).nth(exceptions_max(values.len())).is_some()
}

/// `None` when too many values are no decimals of this power.
fn to_decimals(values: &[f64], power: f64, scratch: &mut Scratch) -> Option<()> {
    let exceptions_bytes_max = exceptions_max(values.len()) * EXCEPTION_BYTES;
    scratch.exceptions.clear();
    let blocks = values.chunks(BLOCK).zip(scratch.ints.chunks_mut(BLOCK));
    let mut before = 0;
    for (index, (block, slots)) in blocks.enumerate() {
        let mut wrong = 0;
        for (slot, value) in slots.iter_mut().zip(block) {
            let (int, differs) = decimal(*value, power);
            *slot = int;
            wrong |= differs;
        }
        if wrong != 0 {
            // An exception's slot repeats its neighbour, which costs the least.
            for (place, (slot, value)) in (index * BLOCK..).zip(slots.iter_mut().zip(block)) {
                if decimal(*value, power).1 != 0 {
                    *slot = before;
                    scratch.exceptions.extend_from_slice(&(place as u16).to_le_bytes());
                    scratch.exceptions.extend_from_slice(&value.to_bits().to_le_bytes());
                }
                before = *slot;
            }
            if scratch.exceptions.len() > exceptions_bytes_max {
                return None;
            }
        }
        before = slots.last().copied().unwrap_or(before);
    }
    Some(())
}

/// The integer nearest to `value × power`, and zero if it gives the value back to the bit. Free of branches,
/// so that a block of these is vector code.
#[inline(always)]
fn decimal(value: f64, power: f64) -> (i64, u64) {
    let sum = value * power + ROUNDER;
    let int = (sum.to_bits() as i64).wrapping_sub(ROUNDER.to_bits() as i64);
    // Bits over the range tell of too great a product, an infinity or a NaN.
    let over = (int.wrapping_add(1 << DECIMAL_BITS) as u64) >> (DECIMAL_BITS + 1);
    // The division is correctly rounded, so that it gives back each decimal. −0.0 comes back as 0.0: it differs.
    let back = (sum - ROUNDER) / power;
    (int, over | (back.to_bits() ^ value.to_bits()))
}

const SIGN: i64 = i64::MIN;

/// Sorts as the values do, and keeps trailing zeros on both sides of zero. −0.0 has no mirror image: it takes
/// the one integer that no value has.
#[inline(always)]
fn bits_to_int(bits: u64) -> i64 {
    let bits = bits as i64;
    if bits >= 0 || bits == SIGN { bits } else { SIGN.wrapping_sub(bits) }
}

/// The inverse of [`bits_to_int`], which is its own.
#[inline(always)]
fn int_to_bits(int: i64) -> u64 {
    bits_to_int(int as u64) as u64
}

fn common_zeros(ints: &[i64]) -> u32 {
    let any = ints.iter().fold(0, |any, int| any | int);
    if any == 0 { 0 } else { any.trailing_zeros() }
}

fn cheapest(scratch: &mut Scratch) -> Candidate<'_> {
    let Scratch { ints, first, second, .. } = scratch;
    differences(ints, first);
    differences(first, second);
    let raw = Candidate::raw(ints);
    let [start, next, ..] = ints[..] else { return raw };
    let delta = Candidate::delta(start, first);
    let best = raw.or_cheaper(delta);
    if best.is_exact() {
        return best;
    }
    best.or_cheaper(Candidate::second(start, next.wrapping_sub(start), second))
}

fn differences(of: &[i64], out: &mut Vec<i64>) {
    out.clear();
    out.extend(of.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])));
}

fn decode_in(bytes: &[u8], ints: &mut [i64], out: &mut Vec<f64>) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes);
    let tag = reader.u8()?;
    let (scale, code) = (tag & 0x0f, tag >> ORDER_SHIFT & 3);
    if code == CONSTANT {
        let value = constant(reader, tag)?;
        out.resize(out.len() + ints.len(), value);
        return Ok(());
    }
    let order = Order::from_code(code).ok_or(Malformed)?;
    let exceptions = if tag & HAS_EXCEPTIONS != 0 {
        let count = reader.u8()?;
        reader.bytes(usize::from(count) * EXCEPTION_BYTES)?
    } else {
        &[]
    };
    let shift = if tag & HAS_SHIFT != 0 { u32::from(reader.u8()?) } else { 0 };
    if shift > 63 || !exceptions_fit(exceptions, ints.len()) {
        return Err(Malformed);
    }
    ints::decode(reader, order, ints)?;
    let start = out.len();
    from_ints(ints, shift, scale, out)?;
    for (place, value) in exceptions_of(exceptions) {
        if let Some(slot) = out.get_mut(start + place) {
            *slot = value;
        }
    }
    Ok(())
}

fn constant(mut reader: Reader<'_>, tag: u8) -> Result<f64, Malformed> {
    let scale = tag & 0x0f;
    let value = if scale == BITS {
        f64::from_bits(reader.u64()?)
    } else {
        reader.signed()? as f64 / POWERS.get(usize::from(scale)).ok_or(Malformed)?
    };
    let used = reader.is_empty() && tag & (HAS_EXCEPTIONS | HAS_SHIFT) == 0;
    used.then_some(value).ok_or(Malformed)
}

/// Nothing is appended if the scale is none of the format.
fn from_ints(ints: &[i64], shift: u32, scale: u8, out: &mut Vec<f64>) -> Result<(), Malformed> {
    match scale {
        BITS => out.extend(ints.iter().map(|int| f64::from_bits(int_to_bits(int << shift)))),
        0 => out.extend(ints.iter().map(|int| (int << shift) as f64)),
        _ => {
            let power = POWERS.get(usize::from(scale)).ok_or(Malformed)?;
            out.extend(ints.iter().map(|int| (int << shift) as f64 / power));
        }
    }
    Ok(())
}

fn exceptions_of(bytes: &[u8]) -> impl Iterator<Item = (usize, f64)> {
    let (entries, _) = bytes.as_chunks::<EXCEPTION_BYTES>();
    entries.iter().map(|[low, high, bits @ ..]| {
        (usize::from(u16::from_le_bytes([*low, *high])), f64::from_bits(u64::from_le_bytes(*bits)))
    })
}

fn exceptions_fit(bytes: &[u8], count: usize) -> bool {
    exceptions_of(bytes).all(|(place, _)| place < count)
}
