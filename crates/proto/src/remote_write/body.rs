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
    let mut out = Vec::new();
    let len = unpack_into(body, &mut out)?;
    out.truncate(len);
    Ok(out)
}

/// Unpacks a snappy block to the front of a buffer, which grows where that is necessary; how long it is.
pub fn unpack_into(body: &[u8], out: &mut Vec<u8>) -> Result<usize, Malformed> {
    let len = unpacked_len(body)?;
    if out.len() < len {
        out.resize(len, 0);
    }
    Ok(snap::raw::Decoder::new().decompress(body, out)?)
}
