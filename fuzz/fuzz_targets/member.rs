//! A member's record; one that can be read comes back as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shoal_replication::member::Member;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(member) = Member::decode(bytes) {
        assert_eq!(Member::decode(&member.encode()), Ok(member));
    }
});
