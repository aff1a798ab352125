//! Buffers that requests are unpacked into, used again and again: memory that is new to the process costs more than
//! the unpacking.

use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

use shoal_proto::remote_write::{self, Malformed};

/// Buffers that are kept: more requests than that are rarely unpacked at once.
const KEPT_MAX: usize = 8;
/// Bytes of a buffer that is kept: senders' usual requests fit.
const KEPT_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The buffers that nobody uses now.
#[derive(Default)]
pub struct Buffers(Mutex<Vec<Vec<u8>>>);

/// An unpacked request; dropped, its buffer is used again.
pub(super) struct Unpacked<'a> {
    home: &'a Buffers,
    buffer: Vec<u8>,
    len: usize,
}

impl Buffers {
    /// Unpacks a snappy block.
    pub(super) fn unpack(&self, body: &[u8]) -> Result<Unpacked<'_>, Malformed> {
        let buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        let mut unpacked = Unpacked { home: self, buffer, len: 0 };
        unpacked.len = remote_write::unpack_into(body, &mut unpacked.buffer)?;
        Ok(unpacked)
    }
}

impl Deref for Unpacked<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }
}

impl Drop for Unpacked<'_> {
    fn drop(&mut self) {
        let mut kept = self.home.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_MAX && self.buffer.len() <= KEPT_BYTES_MAX {
            kept.push(std::mem::take(&mut self.buffer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        snap::raw::Encoder::new().compress_vec(bytes).unwrap()
    }

    #[test]
    fn a_buffer_used_again_shows_nothing_of_what_it_held() {
        let buffers = Buffers::default();
        assert_eq!(*buffers.unpack(&packed(b"a long request")).unwrap(), *b"a long request");
        assert_eq!(*buffers.unpack(&packed(b"short")).unwrap(), *b"short");
        assert!(buffers.unpack(&packed(b"cut off")[..4]).is_err());
        assert_eq!(*buffers.unpack(&packed(b"")).unwrap(), *b"");
        assert_eq!(buffers.0.lock().unwrap().len(), 1);
    }

    #[test]
    fn few_buffers_of_usual_length_are_kept() {
        let buffers = Buffers::default();
        drop(buffers.unpack(&packed(&vec![0; KEPT_BYTES_MAX + 1])).unwrap());
        assert_eq!(buffers.0.lock().unwrap().len(), 0);
        let many: Vec<_> = (0..2 * KEPT_MAX).map(|_| buffers.unpack(&packed(b"x")).unwrap()).collect();
        drop(many);
        assert_eq!(buffers.0.lock().unwrap().len(), KEPT_MAX);
    }
}
