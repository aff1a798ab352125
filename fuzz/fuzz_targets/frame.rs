//! A frame from a peer or a disk: as it is, and with its checksums made right so that its records are read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shoal_store::Frame;

fuzz_target!(|bytes: &[u8]| {
    let _ = Frame::decode(bytes.to_vec().into());
    let _ = Frame::peek(bytes);
    let (Some(head), Some(section)) = (bytes.get(..32), bytes.get(32..)) else { return };
    let mut frame = b"SHF\x01".to_vec();
    frame.extend_from_slice(head);
    frame.extend_from_slice(&[1, 0, 0, 0]);
    frame.extend_from_slice(&(section.len() as u32).to_le_bytes());
    frame.extend_from_slice(&crc32c::crc32c(section).to_le_bytes());
    let mut frame = shoal_fuzz::checked(&frame);
    frame.extend_from_slice(section);
    if let Ok(frame) = Frame::decode(frame.into()) {
        frame.records().for_each(drop);
    }
});
