//! Ids travel as 16 bytes; the writer that is none travels as no bytes.

use shoal_model::{NodeId, Origin, Writer};

use crate::token::Token;
use crate::v1;

/// Bytes that were to name a node, origin or writer have another length than 16.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is 16 bytes, not {0}")]
pub struct IdError(pub usize);

/// The node that the bytes name.
pub fn node_id(bytes: &[u8]) -> Result<NodeId, IdError> {
    id(bytes).map(NodeId)
}

/// The origin that the bytes name.
pub fn origin(bytes: &[u8]) -> Result<Origin, IdError> {
    id(bytes).map(Origin)
}

/// The writer that the bytes name; no bytes name [`Writer::NONE`].
pub fn writer(bytes: &[u8]) -> Result<Writer, IdError> {
    if bytes.is_empty() { Ok(Writer::NONE) } else { id(bytes).map(Writer) }
}

/// A writer as it travels.
pub fn writer_bytes(writer: Writer) -> Vec<u8> {
    if writer == Writer::NONE { Vec::new() } else { writer.0.to_vec() }
}

/// The write that a token names.
pub fn token(message: &v1::Token) -> Result<Token, IdError> {
    let v1::Token { origin: bytes, seq } = message;
    Ok(Token { origin: origin(bytes)?, seq: *seq })
}

/// A token as it travels.
pub fn token_message(token: Token) -> v1::Token {
    let Token { origin, seq } = token;
    v1::Token { origin: origin.0.to_vec(), seq }
}

fn id(bytes: &[u8]) -> Result<[u8; 16], IdError> {
    bytes.try_into().map_err(|_| IdError(bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip() {
        let name = Writer([9; 16]);
        assert_eq!(writer(&writer_bytes(name)), Ok(name));
        assert_eq!(writer(&writer_bytes(Writer::NONE)), Ok(Writer::NONE));
        let write = Token { origin: Origin([3; 16]), seq: 4 };
        assert_eq!(token(&token_message(write)), Ok(write));
    }

    #[test]
    fn other_lengths_name_nothing() {
        for len in [1, 15, 17, 32] {
            let bytes = vec![1; len];
            assert_eq!(writer(&bytes), Err(IdError(len)));
            assert_eq!(node_id(&bytes), Err(IdError(len)));
            assert_eq!(origin(&bytes), Err(IdError(len)));
        }
        assert_eq!(node_id(&[]), Err(IdError(0)));
    }
}
