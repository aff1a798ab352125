//! What the targets need besides their input: a disk that holds it as a file, and the checksums without which
//! no decoder would look at it.

use std::sync::Arc;

use shoal_store::{Disk, MemoryDisk};

/// A disk with one file.
pub fn disk_with(path: &str, content: &[u8]) -> Arc<dyn Disk> {
    let disk = MemoryDisk::new();
    put(&disk, path, content);
    Arc::new(disk)
}

/// Writes a file.
pub fn put(disk: &MemoryDisk, path: &str, content: &[u8]) {
    if let Some((directory, _)) = path.rsplit_once('/') {
        disk.create_dir(directory).expect("a disk in memory takes it");
    }
    let file = disk.create(path).expect("a disk in memory takes it");
    file.append(content).expect("a disk in memory takes it");
}

/// The bytes with their checksum behind them.
pub fn checked(bytes: &[u8]) -> Vec<u8> {
    [bytes, &crc32c::crc32c(bytes).to_le_bytes()].concat()
}

/// A journal record with the right checksums.
pub fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut head = vec![0x5a, 0x4a, kind, 0];
    head.extend_from_slice(&(body.len() as u32).to_le_bytes());
    head.extend_from_slice(&crc32c::crc32c(body).to_le_bytes());
    [checked(&head).as_slice(), body].concat()
}
