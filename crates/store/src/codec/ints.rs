//! A column of integers as residuals from a prediction, packed in one width with the outliers patched in
//! (patched frame of reference). An encoder weighs several predictions by the histogram of their residuals'
//! lengths and writes the cheapest. All arithmetic wraps: every column comes back as it was.

use super::bits;
use crate::bytes::{Malformed, Reader, put_signed, put_varint, unzigzag, zigzag};

/// Residuals looked at for the middle of a column. Twice as many make columns of noise up to 2 % smaller, and
/// cost 10 ns a number in those of 16.
const SAMPLES: usize = 7;

/// What a column's numbers are predicted from. The numbers are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Order {
    /// Nothing.
    Raw = 0,
    /// The number before.
    Delta = 1,
    /// The two numbers before, on a line.
    Second = 2,
    /// A grid: `i × step`.
    Grid = 3,
}

impl Order {
    /// The order with this number.
    pub(super) fn from_code(code: u8) -> Option<Self> {
        [Self::Raw, Self::Delta, Self::Second, Self::Grid].into_iter().find(|order| *order as u8 == code)
    }
}

/// One way to write a column, and what it would cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<'a> {
    order: Order,
    heads: [i64; 2],
    residuals: &'a [i64],
    frame: Frame,
    /// Bits, near enough to choose by.
    cost: u32,
}

impl<'a> Candidate<'a> {
    /// The numbers themselves.
    pub(super) fn raw(ints: &'a [i64]) -> Self {
        Self::new(Order::Raw, [0, 0], ints)
    }

    /// Each number's distance from the one before; `differences` come without the first number.
    pub(super) fn delta(first: i64, differences: &'a [i64]) -> Self {
        Self::new(Order::Delta, [first, 0], differences)
    }

    /// Each difference's distance from the one before; `seconds` come without the first difference.
    pub(super) fn second(first: i64, difference: i64, seconds: &'a [i64]) -> Self {
        Self::new(Order::Second, [first, difference], seconds)
    }

    /// Each number's distance from `i × step`.
    pub(super) fn grid(step: i64, distances: &'a [i64]) -> Self {
        Self::new(Order::Grid, [step, 0], distances)
    }

    fn new(order: Order, heads: [i64; 2], residuals: &'a [i64]) -> Self {
        let frame = Frame::of(residuals);
        let heads_cost: u32 = heads_of(order, &heads).iter().map(|head| signed_bits(*head)).sum();
        Self { order, heads, residuals, frame, cost: frame.cost + heads_cost }
    }

    /// Its order, which stands outside.
    pub(super) fn order(&self) -> Order {
        self.order
    }

    /// Whether the prediction is right everywhere, so that none can be better.
    pub(super) fn is_exact(&self) -> bool {
        self.frame.width == 0 && !self.frame.has_patches
    }

    /// The cheaper of two; the first where they cost the same.
    pub(super) fn or_cheaper(self, other: Self) -> Self {
        if other.cost < self.cost { other } else { self }
    }

    /// Appends the column.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for head in heads_of(self.order, &self.heads) {
            put_signed(out, *head);
        }
        let Frame { base, width, has_patches, .. } = self.frame.tightened(self.residuals);
        put_signed(out, base);
        out.push(width as u8);
        let greatest = bits::mask(width);
        let numbers = self.residuals.iter().map(|residual| residual.wrapping_sub(base) as u64);
        bits::pack(numbers.clone().map(|number| if number > greatest { 0 } else { number }), width, out);
        if has_patches {
            write_patches(numbers, greatest, out);
        }
    }
}

fn heads_of(order: Order, heads: &[i64; 2]) -> &[i64] {
    match order {
        Order::Raw => &[],
        Order::Delta | Order::Grid => &heads[..1],
        Order::Second => heads,
    }
}

fn write_patches(numbers: impl Iterator<Item = u64>, greatest: u64, out: &mut Vec<u8>) {
    let mut next = 0;
    for (place, number) in numbers.enumerate() {
        if number > greatest {
            put_varint(out, (place - next) as u64);
            put_signed(out, number as i64);
            next = place + 1;
        }
    }
}

/// The frame in which most residuals lie: numbers of `width` bits above `base`. The others are patched in.
#[derive(Clone, Copy, Debug)]
struct Frame {
    base: i64,
    width: u32,
    has_patches: bool,
    /// Bits, near enough to choose by.
    cost: u32,
}

impl Frame {
    /// Chooses among the frames that begin at the middle of the residuals and those that lie around it.
    fn of(residuals: &[i64]) -> Self {
        let middle = sampled_median(residuals);
        let lengths = Lengths::of(residuals, middle);
        let all_below: u32 = lengths.descending().map(|length| lengths.below_cost(length)).sum();
        let (mut far_above, mut far_below) = (0, 0);
        let mut best = Self { base: 0, width: 0, has_patches: false, cost: u32::MAX };
        let mut consider = |base, bits, patches_cost| {
            let width = bits::width_of(bits);
            let cost = residuals.len() as u32 * width + patches_cost;
            if cost < best.cost {
                best = Self { base, width, has_patches: patches_cost > 0, cost };
            }
        };
        for length in lengths.descending() {
            consider(middle, length, far_above + all_below);
            consider(middle.wrapping_sub(1 << length), length + 1, far_above + far_below);
            far_above += lengths.above_cost(length);
            far_below += lengths.below_cost(length);
        }
        Self { cost: best.cost + signed_bits(middle), ..best }
    }

    /// Fits the frame to the least and the greatest residual that lie in it.
    fn tightened(self, residuals: &[i64]) -> Self {
        if self.width == 64 {
            return Self { base: 0, ..self };
        }
        let greatest = bits::mask(self.width);
        let (mut low, mut high) = (u64::MAX, 0);
        for residual in residuals {
            let number = residual.wrapping_sub(self.base) as u64;
            let within = number <= greatest;
            low = low.min(if within { number } else { u64::MAX });
            high = high.max(if within { number } else { 0 });
        }
        match high.checked_sub(low) {
            Some(range) => {
                Self { base: self.base.wrapping_add(low as i64), width: bit_length(range), ..self }
            }
            None => Self { width: 0, ..self },
        }
    }
}

/// How many residuals have which length in bits, above and below the middle. A distance without its sign has
/// at most 63.
struct Lengths {
    above: [u32; 64],
    below: [u32; 64],
    /// A bit for each length that occurs, and for 0.
    present: u64,
}

impl Lengths {
    fn of(residuals: &[i64], middle: i64) -> Self {
        let mut sides = [[0_u32; 64]; 2];
        let mut present = 1;
        for residual in residuals {
            let distance = residual.wrapping_sub(middle);
            let sign = distance >> 63;
            let length = bit_length((distance ^ sign) as u64) & 63;
            present |= 1_u64 << length;
            sides[(sign & 1) as usize][length as usize] += 1;
        }
        let [above, below] = sides;
        Self { above, below, present }
    }

    fn descending(&self) -> impl Iterator<Item = u32> + use<> {
        let mut rest = self.present;
        std::iter::from_fn(move || {
            let length = rest.checked_ilog2()?;
            rest ^= 1 << length;
            Some(length)
        })
    }

    fn above_cost(&self, length: u32) -> u32 {
        self.above[length as usize & 63] * patch_cost(length)
    }

    fn below_cost(&self, length: u32) -> u32 {
        self.below[length as usize & 63] * patch_cost(length)
    }
}

/// Bits that a patch takes: its place, which is mostly near the last one's, and its number with a sign.
fn patch_cost(length: u32) -> u32 {
    8 + varint_bits(length + 1)
}

fn sampled_median(numbers: &[i64]) -> i64 {
    // An odd stride does not fall in step with alternating columns.
    let stride = (numbers.len() / SAMPLES) | 1;
    let mut samples = [0; SAMPLES];
    let mut taken = 0;
    for (slot, number) in samples.iter_mut().zip(numbers.iter().step_by(stride)) {
        *slot = *number;
        taken += 1;
    }
    let samples = &mut samples[..taken];
    sort(samples);
    samples.get(taken / 2).copied().unwrap_or(0)
}

/// Odd-even transposition: no branch depends on the numbers, and a wrong guess costs more than a comparison.
fn sort(numbers: &mut [i64]) {
    for round in 0..numbers.len() {
        for pair in numbers[round % 2..].chunks_exact_mut(2) {
            (pair[0], pair[1]) = (pair[0].min(pair[1]), pair[0].max(pair[1]));
        }
    }
}

fn bit_length(number: u64) -> u32 {
    64 - number.leading_zeros()
}

fn varint_bits(length: u32) -> u32 {
    8 * length.div_ceil(7).max(1)
}

fn signed_bits(number: i64) -> u32 {
    varint_bits(bit_length(zigzag(number)))
}

/// Reads a column of `out.len()` integers to the end of the bytes.
pub(super) fn decode(mut reader: Reader<'_>, order: Order, out: &mut [i64]) -> Result<(), Malformed> {
    match order {
        Order::Raw => {
            let base = decode_residuals(&mut reader, out)?;
            out.iter_mut().for_each(|slot| *slot = slot.wrapping_add(base));
        }
        Order::Grid => {
            let step = reader.signed()?;
            let mut place = decode_residuals(&mut reader, out)?;
            for slot in out {
                *slot = slot.wrapping_add(place);
                place = place.wrapping_add(step);
            }
        }
        Order::Delta => {
            let (first, rest) = out.split_first_mut().ok_or(Malformed)?;
            *first = reader.signed()?;
            let base = decode_residuals(&mut reader, rest)?;
            let mut last = *first;
            for slot in rest {
                last = last.wrapping_add(slot.wrapping_add(base));
                *slot = last;
            }
        }
        Order::Second => {
            let ([first, next], rest) = out.split_first_chunk_mut().ok_or(Malformed)?;
            *first = reader.signed()?;
            let mut difference = reader.signed()?;
            *next = first.wrapping_add(difference);
            let base = decode_residuals(&mut reader, rest)?;
            let mut last = *next;
            for slot in rest {
                difference = difference.wrapping_add(slot.wrapping_add(base));
                last = last.wrapping_add(difference);
                *slot = last;
            }
        }
    }
    Ok(())
}

/// Fills `out` with residuals above the base, and returns the base.
fn decode_residuals(reader: &mut Reader<'_>, out: &mut [i64]) -> Result<i64, Malformed> {
    let base = reader.signed()?;
    let width = u32::from(reader.u8()?);
    if !bits::is_width(width) {
        return Err(Malformed);
    }
    bits::unpack(reader.bytes(bits::packed_len(out.len(), width))?, width, out);
    let mut rest = out;
    while !reader.is_empty() {
        let place = reader.count()?;
        let (slot, after) = rest.get_mut(place..).and_then(<[i64]>::split_first_mut).ok_or(Malformed)?;
        *slot = unzigzag(reader.varint()?);
        rest = after;
    }
    Ok(base)
}
