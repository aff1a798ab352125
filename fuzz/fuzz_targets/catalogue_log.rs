//! The catalogue's log: as it is, and as one block with the right checksum, raw or compressed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shoal_store::catalogue::CatalogueFile;

fn header() -> Vec<u8> {
    let mut header = b"SHCL\x01\0\0\0".to_vec();
    header.extend_from_slice(&28_u64.to_le_bytes());
    header.extend_from_slice(&28_u64.to_le_bytes());
    shoal_fuzz::checked(&header)
}

fn load(content: &[u8]) {
    let disk = shoal_fuzz::disk_with("catalogue/defs.log", content);
    let _ = CatalogueFile::load(disk, content.len() as u64);
}

fn block(raw_len: u32, stored: &[u8]) -> Vec<u8> {
    let mut block = raw_len.to_le_bytes().to_vec();
    block.extend_from_slice(&(stored.len() as u32).to_le_bytes());
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&block), stored);
    block.extend_from_slice(&checksum.to_le_bytes());
    [header(), block, stored.to_vec()].concat()
}

/// LZ4 of bytes as they are: one sequence of literals.
fn literals(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    if raw.len() < 15 {
        out.push((raw.len() as u8) << 4);
    } else {
        out.push(0xf0);
        let mut rest = raw.len() - 15;
        while rest >= 255 {
            out.push(255);
            rest -= 255;
        }
        out.push(rest as u8);
    }
    out.extend_from_slice(raw);
    out
}

fuzz_target!(|bytes: &[u8]| {
    load(bytes);
    load(&[header().as_slice(), bytes].concat());
    load(&block(bytes.len() as u32, &literals(bytes)));
    if let Some((raw_len, stored)) = bytes.split_first_chunk::<2>() {
        load(&block(u32::from(u16::from_le_bytes(*raw_len)), stored));
    }
});
