//! A message between peers; one that can be read comes back as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shoal_replication::wire::Message;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = Message::decode(&bytes.to_vec().into()) {
        assert_eq!(Message::decode(&message.encode()).ok(), Some(message));
    }
});
