//! A block: as it is, and as chunks and one page of an index with the right checksums around them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shoal_store::block::{Block, Columns, Meta};

const PATH: &str = "blocks/0/0000000000000001.blk";

fn read(content: &[u8]) {
    let disk = shoal_fuzz::disk_with(PATH, content);
    let Ok(block) = Block::open_any(&*disk, PATH) else { return };
    let mut scan = block.scan();
    while scan.advance().is_some() {}
    let _ = block.digests();
    let _ = block.verify();
    for place in [0, 1, u32::MAX] {
        let _ = block.read(place, i64::MIN..=i64::MAX, &mut Columns::default());
    }
}

fn around(chunks: &[u8], page: &[u8], place: u32, is_sealed: bool) -> Vec<u8> {
    let mut block = [b"SHB\x01\0\0\0\0", chunks].concat();
    let pages_offset = block.len() as u64;
    block.extend_from_slice(&shoal_fuzz::checked(page));
    let sparse_offset = block.len() as u64;
    block.extend_from_slice(&shoal_fuzz::checked(&u64::from(place).to_le_bytes()));
    if is_sealed {
        block.extend_from_slice(&shoal_fuzz::checked(&[7; 256 * 16]));
    }
    let bytes = (block.len() + Meta::BYTES + 28) as u64;
    let (streams, points, first_ms, last_ms) = (1, 1, 0, 1);
    let meta = Meta { window: 0, number: 1, tier: 0, streams, points, bytes, first_ms, last_ms, is_sealed };
    let mut footer = Vec::new();
    meta.put(&mut footer);
    footer.extend_from_slice(&pages_offset.to_le_bytes());
    footer.extend_from_slice(&sparse_offset.to_le_bytes());
    footer.extend_from_slice(&1_u32.to_le_bytes());
    footer.extend_from_slice(b"SHB\x01");
    block.extend_from_slice(&shoal_fuzz::checked(&footer));
    block
}

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    let Some((&[place, split], rest)) = bytes.split_first_chunk::<2>() else { return };
    let (page, chunks) = rest.split_at(usize::from(split & 0x7f).min(rest.len()));
    read(&around(&shoal_fuzz::checked(chunks), page, u32::from(place), split > 127));
});
