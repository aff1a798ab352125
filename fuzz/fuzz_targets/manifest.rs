//! The manifest: as it is, and with its magic number and checksum.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shoal_store::manifest::Manifest;

fuzz_target!(|bytes: &[u8]| {
    let _ = Manifest::load(&*shoal_fuzz::disk_with("MANIFEST", bytes));
    let whole = shoal_fuzz::checked(&[b"SHM\x01\0\0\0\0", bytes].concat());
    if let Ok(manifest) = Manifest::load(&*shoal_fuzz::disk_with("MANIFEST", &whole)) {
        let again = Manifest::load(&*shoal_fuzz::disk_with("MANIFEST", &manifest.encode()));
        assert_eq!(again.ok(), Some(manifest));
    }
});
