//! The file of the tables: as it is, and as one run with its checksum.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shoal_store::Tables;
use shoal_store::table::file::{Extent, TableFile};

fn open(content: &[u8]) {
    let disk = shoal_fuzz::disk_with("tables/0000000000000001.tab", content);
    let extent = Extent { generation: 1, len: content.len() as u64 };
    let _ = TableFile::open(&*disk, extent, &mut Tables::default());
}

fuzz_target!(|bytes: &[u8]| {
    open(bytes);
    let mut run = (bytes.len() as u32).to_le_bytes().to_vec();
    run.extend_from_slice(&crc32c::crc32c(bytes).to_le_bytes());
    run.extend_from_slice(bytes);
    open(&run);
});
