//! The token of a write: a query that carries it reads what was written, on any node.

use std::fmt;
use std::str::FromStr;

use shoal_model::Origin;

/// Names the frame that one write became. As a text, `ORIGIN:SEQ`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Token {
    /// The life of the node that took the write.
    pub origin: Origin,
    /// The frame's number in that life.
    pub seq: u64,
}

/// A text that names no write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token is 32 hexadecimal digits, a colon and a number")]
pub struct ParseTokenError;

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.origin, self.seq)
    }
}

impl FromStr for Token {
    type Err = ParseTokenError;

    fn from_str(text: &str) -> Result<Self, ParseTokenError> {
        let (origin, seq) = text.split_once(':').ok_or(ParseTokenError)?;
        Ok(Self {
            origin: origin.parse().map_err(|_| ParseTokenError)?,
            seq: seq.parse().map_err(|_| ParseTokenError)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_prints_as_it_parses() {
        let token = Token { origin: Origin([7; 16]), seq: u64::MAX };
        assert_eq!(token.to_string().parse(), Ok(token));
    }

    #[test]
    fn other_texts_are_no_tokens() {
        for text in ["", ":", "07:1", &format!("{}:", "0".repeat(32)), &format!("{}:-1", "0".repeat(32))] {
            assert_eq!(text.parse::<Token>(), Err(ParseTokenError), "{text}");
        }
    }
}
