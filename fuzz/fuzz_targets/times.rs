//! A column of times; one that can be read is written and read again as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shoal_store::codec::{Scratch, decode_times, encode_times};

fuzz_target!(|input: (u16, &[u8])| {
    let (count, bytes) = input;
    let mut times = Vec::new();
    if decode_times(bytes, usize::from(count), &mut times).is_err() {
        return;
    }
    let (mut out, mut again) = (Vec::new(), Vec::new());
    encode_times(&times, &mut Scratch::default(), &mut out);
    decode_times(&out, times.len(), &mut again).expect("what was written can be read");
    assert_eq!(again, times);
});
