//! A base file: as it is, and with its magic number and checksum.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shoal_store::base::Base;

const PATH: &str = "base/0000000000000001.base";

fuzz_target!(|bytes: &[u8]| {
    let _ = Base::load(&*shoal_fuzz::disk_with(PATH, bytes), 1);
    let whole = shoal_fuzz::checked(&[b"SHT\x01\0\0\0\0", bytes].concat());
    if let Ok(base) = Base::load(&*shoal_fuzz::disk_with(PATH, &whole), 1) {
        base.places().for_each(|place| assert!(base.get(place).is_some()));
    }
});
