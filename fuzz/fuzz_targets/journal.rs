//! A segment that a past life left: as it is, and as records with checksums, cut from the input.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shoal_store::{Journal, Position};

fn open(content: &[u8]) {
    let disk = shoal_fuzz::disk_with("journal/0000000000000001.seg", content);
    let recovered = Journal::open(disk, Position::default()).expect("a journal is never refused");
    for entry in &recovered.entries {
        recovered.journal.read(entry.location).expect("what was found can be read");
    }
}

fuzz_target!(|bytes: &[u8]| {
    open(bytes);
    let mut segment = b"SHJ\x01\0\0\0\0".to_vec();
    for body in bytes.chunks(48) {
        segment.extend_from_slice(&shoal_fuzz::record(body[0] % 8, &body[1..]));
    }
    open(&segment);
});
