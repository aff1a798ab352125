//! The compressed body: its declared length is judged before any memory is given to it.

use shoal_model::limits::REQUEST_BYTES_MAX;

use super::Malformed;

/// Unpacks a snappy block into `out`, which keeps its memory for the next one.
pub fn unpack(body: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let length = snap::raw::decompress_len(body)?;
    if length > REQUEST_BYTES_MAX {
        return Err(Malformed::TooLong(length));
    }
    out.resize(length, 0);
    let written = snap::raw::Decoder::new().decompress(body, out)?;
    out.truncate(written);
    Ok(())
}
