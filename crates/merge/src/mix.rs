//! One fixed permutation of 128 bits, from which all order-free fingerprints are made. It is part of the
//! peer protocol: changed, two releases would never agree. It scatters; it does not keep secrets.

/// The multiplier of PCG's 128-bit generator.
const SPREAD: u128 = 0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645;
/// 2^128 divided by the golden ratio, to the next odd number.
const GOLDEN: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

/// Takes one word into a state. For a fixed state this is a bijection of the word, and the other way round:
///
/// ```text
///  x = (state ^ word) + GOLDEN
///  three times: x = (x ^ x >> s) * m,  (s, m) = (64, SPREAD), (61, GOLDEN), (67, SPREAD);  then x ^ x >> 63
/// ```
#[inline]
pub(crate) fn absorb(state: u128, word: u128) -> u128 {
    let x = (state ^ word).wrapping_add(GOLDEN);
    let x = (x ^ (x >> 64)).wrapping_mul(SPREAD);
    let x = (x ^ (x >> 61)).wrapping_mul(GOLDEN);
    let x = (x ^ (x >> 67)).wrapping_mul(SPREAD);
    x ^ (x >> 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_flipped_bit_flips_half_of_the_result() {
        for bit in 0..128 {
            let flipped: u32 = (0..64_u128)
                .map(|i| {
                    let word = (i << 64) | (i * 1_000);
                    (absorb(0, word) ^ absorb(0, word ^ (1 << bit))).count_ones()
                })
                .sum();
            let mean = f64::from(flipped) / 64.0;
            assert!((56.0..72.0).contains(&mean), "bit {bit}: {mean}");
        }
    }

    #[test]
    fn every_output_bit_is_balanced_over_neighbouring_words() {
        let ones = |bit: u32| (0..4096_u128).filter(|i| absorb(7, *i) >> bit & 1 == 1).count();
        for bit in 0..128 {
            assert!((1850..2250).contains(&ones(bit)), "bit {bit}: {}", ones(bit));
        }
    }
}
