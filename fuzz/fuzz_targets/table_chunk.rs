//! A chunk of an origin's table; one that can be read comes back as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shoal_store::Chunk;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(chunk) = Chunk::decode(bytes) {
        assert_eq!(Chunk::decode(&chunk.encode()), Ok(chunk));
    }
});
