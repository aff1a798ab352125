//! Unpacking gzip within a limit: what is longer is refused before it is held.

use std::io::Read;

use flate2::read::MultiGzDecoder;

/// Bytes that could not be unpacked. The sender's fault.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GunzipError {
    /// No gzip, or a part of it is missing.
    #[error("the body is no gzip: {0}")]
    Broken(#[from] std::io::Error),
    /// Too much.
    #[error("the unpacked body is over the limit of {0} bytes")]
    TooLong(usize),
}

/// The unpacked bytes, at most `bytes_max` of them.
pub(crate) fn gunzip(packed: &[u8], bytes_max: usize) -> Result<Vec<u8>, GunzipError> {
    let mut bytes = Vec::new();
    let limit = (bytes_max as u64).saturating_add(1);
    MultiGzDecoder::new(packed).take(limit).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max { Err(GunzipError::TooLong(bytes_max)) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_bomb_is_refused_at_the_limit() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&[0; 1_000_000]).unwrap();
        let packed = encoder.finish().unwrap();
        assert_eq!(gunzip(&packed, 1_000_000).unwrap().len(), 1_000_000);
        assert!(matches!(gunzip(&packed, 999_999), Err(GunzipError::TooLong(999_999))));
        assert!(matches!(gunzip(&packed[..packed.len() / 2], 1_000_000), Err(GunzipError::Broken(_))));
        assert!(matches!(gunzip(b"plain", 10), Err(GunzipError::Broken(_))));
    }
}
