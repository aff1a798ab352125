//! The index of a closed segment, with right checksums.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use shoal_model::Origin;
use shoal_store::{FrameId, Journal, MemoryDisk, Position};

fuzz_target!(|bytes: &[u8]| {
    let disk = MemoryDisk::new();
    shoal_fuzz::put(&disk, "journal/0000000000000001.seg", b"SHJ\x01\0\0\0\0");
    shoal_fuzz::put(&disk, "journal/0000000000000001.idx", &shoal_fuzz::record(4, bytes));
    let checkpoint = Position { segment: 2, offset: 0 };
    let mut journal = Journal::open(Arc::new(disk), checkpoint).expect("a journal is never refused").journal;
    for origin in journal.origins().collect::<Vec<Origin>>() {
        let seq = journal.first_of(origin).unwrap_or_default();
        if let Some(location) = journal.find(FrameId { origin, seq }) {
            let _ = journal.read(location);
        }
    }
    journal.len_bytes();
    journal.bytes_since(Position::default());
});
