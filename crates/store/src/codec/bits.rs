//! Bit packing: numbers of one width, one after the other, the lowest bit first. A number of up to 56 bits
//! always lies within eight bytes, so that reading is one unaligned load, a shift and a mask; wider ones take
//! 64 bits.

/// The greatest width below 64: with seven bits of misalignment it still fits one 64-bit load.
const NARROW_MAX: u32 = 56;
/// Bytes of one load.
const WINDOW: usize = 8;

/// The width that is written for numbers of `bits` bits.
pub(super) fn width_of(bits: u32) -> u32 {
    if bits > NARROW_MAX { 64 } else { bits }
}

/// Whether a width can stand in a chunk.
pub(super) fn is_width(width: u32) -> bool {
    width == width_of(width) && width <= 64
}

/// The greatest number of this width.
pub(super) fn mask(width: u32) -> u64 {
    u64::MAX.checked_shr(64 - width).unwrap_or(0)
}

/// Bytes that `count` numbers of this width take.
pub(super) fn packed_len(count: usize, width: u32) -> usize {
    (count * width as usize).div_ceil(8)
}

/// Appends numbers, none of them over [`mask`].
pub(super) fn pack(numbers: impl Iterator<Item = u64>, width: u32, out: &mut Vec<u8>) {
    if width == 0 {
        return;
    }
    let (mut word, mut filled) = (0_u64, 0);
    for number in numbers {
        word |= number << filled;
        filled += width;
        if filled >= 64 {
            out.extend_from_slice(&word.to_le_bytes());
            filled -= 64;
            word = number.checked_shr(width - filled).unwrap_or(0);
        }
    }
    let rest = word.to_le_bytes();
    out.extend_from_slice(&rest[..filled.div_ceil(8) as usize]);
}

/// Reads `out.len()` numbers from exactly [`packed_len`] bytes.
pub(super) fn unpack(packed: &[u8], width: u32, out: &mut [i64]) {
    debug_assert_eq!(packed.len(), packed_len(out.len(), width));
    match width {
        0 => out.fill(0),
        64 => {
            for (slot, number) in out.iter_mut().zip(packed.chunks_exact(8)) {
                *slot = window(number, 0) as i64;
            }
        }
        _ => unpack_narrow(packed, width as usize, out),
    }
}

/// The last numbers lie less than a load away from the end: they are read from a padded copy.
fn unpack_narrow(packed: &[u8], width: usize, out: &mut [i64]) {
    let loads = (packed.len() + 1).saturating_sub(WINDOW);
    let whole = (loads * 8).div_ceil(width).min(out.len());
    let (body, tail) = out.split_at_mut(whole);
    unpack_loads(packed, 0, width, body);
    let start = whole * width;
    let rest = packed.get(start / 8..).unwrap_or_default();
    let mut padded = [0; 2 * WINDOW];
    for (to, from) in padded.iter_mut().zip(rest) {
        *to = *from;
    }
    unpack_loads(&padded, start % 8, width, tail);
}

fn unpack_loads(bytes: &[u8], first_bit: usize, width: usize, out: &mut [i64]) {
    let mask = mask(width as u32);
    let mut bit = first_bit;
    for slot in out {
        *slot = ((window(bytes, bit / 8) >> (bit % 8)) & mask) as i64;
        bit += width;
    }
}

/// Eight bytes from `at` on; past the end, which no caller reaches, they are zeros.
#[inline(always)]
fn window(bytes: &[u8], at: usize) -> u64 {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk::<WINDOW>());
    found.map_or(0, |window| u64::from_le_bytes(*window))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_comes_back_at_every_count() {
        for width in (0..=64).filter(|width| is_width(*width)) {
            for count in 0..70_u64 {
                let numbers: Vec<u64> = (1..=count)
                    .map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(7) & mask(width))
                    .collect();
                let mut packed = Vec::new();
                pack(numbers.iter().copied(), width, &mut packed);
                assert_eq!(packed.len(), packed_len(numbers.len(), width));
                let mut out = vec![-1; numbers.len()];
                unpack(&packed, width, &mut out);
                assert!(out.iter().map(|number| *number as u64).eq(numbers), "width {width}, count {count}");
            }
        }
    }
}
