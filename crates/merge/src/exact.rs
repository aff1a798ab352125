//! Exact sums of floating point numbers: every addition is exact and the result is rounded once, so it does
//! not depend on the order of adding, to the bit, and what was added can be taken out without a trace. The
//! method is a fixed-point register as wide as the range of `f64` (Kulisch, *Computer Arithmetic and
//! Validity*, 2008) in overlapping signed chunks, so that carries wait (Neal, *Fast Exact Summation Using
//! Small and Large Superaccumulators*, arXiv:1505.05571, 2015).

use std::fmt;

/// Bits from the least subnormal to the top of `f64` (2098), room for 2^64 additions, in chunks of 32.
const CHUNKS: usize = 68;
const CHUNK_BITS: u32 = 32;
const CHUNK_MASK: i64 = (1 << CHUNK_BITS) - 1;
const FRACTION_BITS: u32 = 52;
const EXPONENT_MASK: u64 = 0x7ff;

/// An addition changes a chunk by less than 2^52, so this many and a carried chunk stay within 63 bits.
const PENDING_MAX: u32 = 1 << 10;

/// A sum of any `f64`s.
///
/// Infinities and NaNs are counted beside it: with a NaN, or with both infinities, the value is the
/// canonical NaN. The value of nothing, and of zeros of either sign, is `0.0`.
///
/// ```text
///  sum = Σ chunk[i] · 2^(32 i - 1074)      chunk: i64, 32 bits its own and 31 of waiting carry
/// ```
#[derive(Clone)]
pub struct ExactSum {
    chunks: [i64; CHUNKS],
    /// Chunks outside `low..high` are zero.
    low: usize,
    high: usize,
    /// Additions since the carries were last moved up.
    pending: u32,
    specials: Specials,
}

impl ExactSum {
    /// The empty sum.
    pub fn new() -> Self {
        Self { chunks: [0; CHUNKS], low: CHUNKS, high: 0, pending: 0, specials: Specials::default() }
    }

    /// Adds a value.
    #[inline]
    pub fn add(&mut self, value: f64) {
        if value.is_finite() { self.add_finite(value) } else { self.specials.count(value, 1) }
    }

    /// Takes a value out that was or will be added.
    #[inline]
    pub fn subtract(&mut self, value: f64) {
        if value.is_finite() { self.add_finite(-value) } else { self.specials.count(value, -1) }
    }

    /// Adds all that another sum holds.
    pub fn merge(&mut self, other: &ExactSum) {
        let mut other = other.clone();
        other.carry();
        self.make_room();
        for (chunk, more) in self.chunks.iter_mut().zip(other.chunks) {
            *chunk += more;
        }
        self.low = self.low.min(other.low);
        self.high = self.high.max(other.high);
        self.specials.merge(other.specials);
    }

    /// The sum, rounded once to the nearest `f64`, ties to even; beyond the range of `f64` an infinity.
    pub fn value(&self) -> f64 {
        if let Some(special) = self.specials.value() {
            return special;
        }
        let mut sum = self.clone();
        sum.carry();
        let negative = sum.top() < 0;
        if negative {
            sum.chunks[sum.low..sum.high].iter_mut().for_each(|chunk| *chunk = -*chunk);
            sum.carry();
        }
        let magnitude = sum.round();
        if negative { -magnitude } else { magnitude }
    }

    #[inline]
    fn add_finite(&mut self, value: f64) {
        self.make_room();
        let bits = value.to_bits();
        let fraction = bits & ((1 << FRACTION_BITS) - 1);
        // Subnormals have no hidden bit and the place of the least exponent.
        let (place, mantissa) = match (bits >> FRACTION_BITS) & EXPONENT_MASK {
            0 => (0, fraction),
            exponent => (exponent - 1, fraction | 1 << FRACTION_BITS),
        };
        let wide = u128::from(mantissa) << (place % u64::from(CHUNK_BITS));
        let index = (place / u64::from(CHUNK_BITS)) as usize;
        let sign = 1 - 2 * (bits >> 63) as i64;
        self.chunks[index] += sign * (wide as i64 & CHUNK_MASK);
        self.chunks[index + 1] += sign * (wide >> CHUNK_BITS) as i64;
        self.low = self.low.min(index);
        self.high = self.high.max(index + 2);
    }

    #[inline]
    fn make_room(&mut self) {
        if self.pending == PENDING_MAX {
            self.carry();
        }
        self.pending += 1;
    }

    /// Moves carries up until every chunk is a digit, `0..2^32`, but the top one, which keeps the sign.
    fn carry(&mut self) {
        self.pending = 0;
        if self.high <= self.low {
            return;
        }
        let top = self.high - 1;
        let mut carry = 0;
        for chunk in &mut self.chunks[self.low..top] {
            let total = *chunk + carry;
            *chunk = total & CHUNK_MASK;
            carry = total >> CHUNK_BITS;
        }
        let total = self.chunks[top] + carry;
        if (-CHUNK_MASK..=CHUNK_MASK).contains(&total) {
            self.chunks[top] = total;
        } else {
            self.chunks[top] = total & CHUNK_MASK;
            self.chunks[self.high] = total >> CHUNK_BITS;
            self.high += 1;
        }
        while self.high > self.low && self.chunks[self.high - 1] == 0 {
            self.high -= 1;
        }
    }

    /// The highest chunk that is not zero; after [`Self::carry`] it has the sign of the sum.
    fn top(&self) -> i64 {
        if self.high > self.low { self.chunks[self.high - 1] } else { 0 }
    }

    /// Rounds a carried sum that is not negative.
    fn round(&self) -> f64 {
        if self.top() == 0 {
            return 0.0;
        }
        let index = self.high - 1;
        let digit = |back: usize| index.checked_sub(back).map_or(0, |i| self.chunks[i] as u128);
        let window = digit(0) << 64 | digit(1) << 32 | digit(2);
        let top_bit = 127 - window.leading_zeros();
        let place = CHUNK_BITS * index as u32 + top_bit - 64;
        if place <= FRACTION_BITS {
            // In units of the least subnormal such a number is its own encoding.
            return f64::from_bits((self.chunks[0] | self.chunks[1] << CHUNK_BITS) as u64);
        }
        let dropped = top_bit - FRACTION_BITS;
        let mantissa = (window >> dropped) as u64;
        let rest = window & ((1 << dropped) - 1);
        let below =
            self.chunks[self.low..index.saturating_sub(2).max(self.low)].iter().any(|chunk| *chunk != 0);
        let half = 1 << (dropped - 1);
        let up = rest > half || rest == half && (below || mantissa & 1 == 1);
        let exponent = u64::from(place - FRACTION_BITS);
        if exponent >= EXPONENT_MASK - 1 {
            return f64::INFINITY;
        }
        // The mantissa's top bit adds one to the exponent field, and a carry out of it one more.
        f64::from_bits((exponent << FRACTION_BITS) + mantissa + u64::from(up))
    }
}

impl Default for ExactSum {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ExactSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExactSum({})", self.value())
    }
}

impl Extend<f64> for ExactSum {
    fn extend<I: IntoIterator<Item = f64>>(&mut self, values: I) {
        values.into_iter().for_each(|value| self.add(value));
    }
}

/// How often each value without a place in the register was added, less how often it was taken out.
#[derive(Clone, Copy, Default)]
struct Specials {
    nan: i64,
    plus: i64,
    minus: i64,
}

impl Specials {
    #[cold]
    fn count(&mut self, value: f64, times: i64) {
        if value.is_nan() {
            self.nan += times;
        } else if value > 0.0 {
            self.plus += times;
        } else {
            self.minus += times;
        }
    }

    fn merge(&mut self, other: Specials) {
        self.nan += other.nan;
        self.plus += other.plus;
        self.minus += other.minus;
    }

    fn value(&self) -> Option<f64> {
        match (self.nan != 0, self.plus != 0, self.minus != 0) {
            (false, false, false) => None,
            (false, true, false) => Some(f64::INFINITY),
            (false, false, true) => Some(f64::NEG_INFINITY),
            _ => Some(f64::NAN),
        }
    }
}

#[cfg(test)]
mod tests;
