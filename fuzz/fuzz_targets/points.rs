//! The body of a points record.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shoal_store::frame::points;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(columns) = points::columns(bytes) {
        columns.for_each(drop);
    }
});
