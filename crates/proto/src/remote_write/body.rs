//! The compressed body: its declared length is judged before any memory is given to it.

use shoal_model::limits::REQUEST_BYTES_MAX;

use super::Malformed;

/// How long a snappy block says that it is once it is unpacked; it cannot become longer.
pub fn unpacked_len(body: &[u8]) -> Result<usize, Malformed> {
    match snap::raw::decompress_len(body)? {
        length @ ..=REQUEST_BYTES_MAX => Ok(length),
        length => Err(Malformed::TooLong(length)),
    }
}

/// Unpacks a snappy block.
pub fn unpack(body: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut out = vec![0; unpacked_len(body)?];
    let written = snap::raw::Decoder::new().decompress(body, &mut out)?;
    out.truncate(written);
    Ok(out)
}
