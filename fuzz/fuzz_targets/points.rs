//! The body of a points record.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shoal_store::frame::points;

fuzz_target!(|bytes: &[u8]| {
    // Bytes that are none are an error, after what came before them was handed out.
    let _ = points::decode(bytes, |_, _| Ok(()));
});
