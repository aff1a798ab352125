//! A column of values; one that can be read is written and read again as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shoal_store::codec::{Scratch, decode_values, encode_values};

fuzz_target!(|input: (u16, &[u8])| {
    let (count, bytes) = input;
    let mut values = Vec::new();
    if decode_values(bytes, usize::from(count), &mut values).is_err() {
        return;
    }
    let (mut out, mut again) = (Vec::new(), Vec::new());
    encode_values(&values, &mut Scratch::default(), &mut out);
    decode_values(&out, values.len(), &mut again).expect("what was written can be read");
    let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&again), bits(&values));
});
