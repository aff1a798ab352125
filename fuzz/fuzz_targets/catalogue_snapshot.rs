//! The catalogue's snapshot with the right checksum, beside an empty log.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use shoal_store::MemoryDisk;
use shoal_store::catalogue::CatalogueFile;

fuzz_target!(|bytes: &[u8]| {
    let mut log = b"SHCL\x01\0\0\0".to_vec();
    log.extend_from_slice(&28_u64.to_le_bytes());
    log.extend_from_slice(&28_u64.to_le_bytes());
    let mut head = b"SHCS\x01\0\0\0".to_vec();
    head.extend_from_slice(&28_u64.to_le_bytes());
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&head), bytes);
    let disk = MemoryDisk::new();
    shoal_fuzz::put(&disk, "catalogue/defs.log", &shoal_fuzz::checked(&log));
    shoal_fuzz::put(&disk, "catalogue/snapshot", &[&head, checksum.to_le_bytes().as_slice(), bytes].concat());
    let (catalogue, _) = CatalogueFile::load(Arc::new(disk), 28).expect("the log is whole");
    for place in 0..catalogue.places() {
        let _ = (catalogue.stream(place), catalogue.shard_mix(place));
    }
    catalogue.select(&[]);
});
