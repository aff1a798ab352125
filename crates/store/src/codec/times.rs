//! A column of times, strictly ascending. Scrapes come on a grid: what is stored is their jitter, which does
//! not add up as it would in differences; where scrapes are missing, differences are the cheaper.

use super::ints::{self, Candidate, Order};
use super::{CHUNK_POINTS_MAX, Scratch, with_room};
use crate::bytes::{Malformed, Reader};

/// Appends 1 to [`CHUNK_POINTS_MAX`] times, each greater than the one before.
pub fn encode_times(times: &[i64], scratch: &mut Scratch, out: &mut Vec<u8>) {
    assert!((1..=CHUNK_POINTS_MAX).contains(&times.len()), "a chunk holds 1 to {CHUNK_POINTS_MAX} times");
    debug_assert!(times.is_sorted_by(|a, b| a < b), "times ascend");
    let column = cheapest(times, scratch);
    out.push(column.order() as u8);
    column.write(out);
}

/// Appends the `count` times of a chunk, or none and an error; all bytes must be used, and the times ascend.
pub fn decode_times(bytes: &[u8], count: usize, out: &mut Vec<i64>) -> Result<(), Malformed> {
    with_room(count, |times| decode_in(bytes, times, out))
}

fn decode_in(bytes: &[u8], times: &mut [i64], out: &mut Vec<i64>) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes);
    let order = Order::from_code(reader.u8()?).ok_or(Malformed)?;
    ints::decode(reader, order, times)?;
    if !times.is_sorted_by(|a, b| a < b) {
        return Err(Malformed);
    }
    out.extend_from_slice(times);
    Ok(())
}

fn cheapest<'a>(times: &'a [i64], scratch: &'a mut Scratch) -> Candidate<'a> {
    let [start, .., end] = times else { return Candidate::raw(times) };
    let Scratch { first, second, .. } = scratch;
    first.clear();
    first.extend(times.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])));
    let delta = Candidate::delta(*start, first);
    if delta.is_exact() {
        return delta;
    }
    let step = mean_step(end.wrapping_sub(*start) as u64, times.len() as u64 - 1);
    second.clear();
    second.extend((0..).zip(times).map(|(i, time)| time.wrapping_sub(step.wrapping_mul(i))));
    Candidate::grid(step, second).or_cheaper(delta)
}

/// The rounded mean: both ends jitter, but over many steps that is less than one unit.
fn mean_step(span: u64, steps: u64) -> i64 {
    let up = span % steps > steps / 2;
    (span / steps + u64::from(up)) as i64
}
