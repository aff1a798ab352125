//! Names of nodes, origins and writers: 128 random bits each, printed as 32 hexadecimal digits.
//! They are separate types so that one can never stand in for another.

use std::fmt;
use std::str::FromStr;

use rand::RngCore;

/// A text that was to name a node, origin or writer is not 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is 32 hexadecimal digits")]
pub struct ParseIdError;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub [u8; 16]);

        impl $name {
            /// Draws a new one; the generator must be a secure one where the name must be unique.
            pub fn random(rng: &mut impl RngCore) -> Self {
                let mut bytes = [0; 16];
                rng.fill_bytes(&mut bytes);
                Self(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                parse_hex(text).map(Self)
            }
        }
    };
}

id! {
    /// A node: drawn with its data directory, so a wiped directory is a new node.
    NodeId
}

id! {
    /// One life of a node: drawn at each start, never used twice. `(Origin, seq)` names a frame for ever.
    Origin
}

id! {
    /// Who counts: an SDK session, an OTLP stream, one of two redundant Prometheus servers, a scraping node.
    Writer
}

impl Writer {
    /// The writer of data whose labels already name a single writer (plain remote write, text).
    pub const NONE: Writer = Writer([0; 16]);
}

/// Which start of a node this is, growing by one each time. It orders a node's lives for gossip only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Incarnation(pub u64);

fn parse_hex(text: &str) -> Result<[u8; 16], ParseIdError> {
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(ParseIdError);
    }
    let number = u128::from_str_radix(text, 16).map_err(|_| ParseIdError)?;
    Ok(number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_prints_as_hex_and_parses_back() {
        let node = NodeId([0xab; 16]);
        assert_eq!(node.to_string(), "ab".repeat(16));
        assert_eq!(node.to_string().parse(), Ok(node));
    }

    #[test]
    fn other_texts_are_no_ids() {
        for text in ["", "ab", &"g".repeat(32), &"+".repeat(32), &"a".repeat(33)] {
            assert_eq!(text.parse::<Origin>(), Err(ParseIdError), "{text}");
        }
    }
}
