//! The cluster's keys: 32 secret bytes each, from which certificate authorities are derived. The first
//! issues, all are trusted, so that a key is changed by adding the new one everywhere, then putting it first.
//!
//! A key file holds one key a line, `shoal-key-1:` and 64 hexadecimal digits, and nothing else; white space
//! around a line and empty lines are passed over.

use std::fmt;

use ring::rand::{SecureRandom, SystemRandom};

/// What a line of a key file starts with.
const PREFIX: &str = "shoal-key-1:";
/// Published on purpose: whoever holds it gets nothing but access to nodes that listen to loopback only.
const DEVELOPMENT: [u8; KEY_BYTES] = *b"shoal: not a secret, for testing";
/// More keys than a rotation needs are a mistake, and each is one more authority to try.
const KEYS_MAX: usize = 16;

pub(crate) const KEY_BYTES: usize = 32;

/// The keys of a cluster, at least one.
#[derive(Clone, PartialEq, Eq)]
pub struct ClusterKeys {
    keys: Vec<[u8; KEY_BYTES]>,
}

/// A key file that cannot be used; the operator must correct it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No line holds a key.
    #[error("the key file holds no key; `shoal keygen` makes one")]
    Empty,
    /// A line does not start as a key does.
    #[error("line {line} of the key file does not start with `shoal-key-1:`")]
    Prefix {
        /// Counted from one.
        line: usize,
    },
    /// What follows the prefix is no key.
    #[error("line {line} of the key file needs 64 hexadecimal digits after `shoal-key-1:`")]
    Digits {
        /// Counted from one.
        line: usize,
    },
    /// The file is longer than any rotation needs.
    #[error("the key file holds more than {KEYS_MAX} keys")]
    TooMany,
}

impl ClusterKeys {
    /// Reads the text of a key file.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut keys = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            if keys.len() == KEYS_MAX {
                return Err(KeyError::TooMany);
            }
            let digits = line.strip_prefix(PREFIX).ok_or(KeyError::Prefix { line: index + 1 })?;
            keys.push(parse_hex(digits).ok_or(KeyError::Digits { line: index + 1 })?);
        }
        if keys.is_empty() { Err(KeyError::Empty) } else { Ok(Self { keys }) }
    }

    /// The text of a key file with one new key.
    pub fn generate() -> String {
        let mut key = [0; KEY_BYTES];
        SystemRandom::new().fill(&mut key).expect("the system has a source of randomness");
        let digits: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{PREFIX}{digits}\n")
    }

    /// The fixed public key for trying Shoal out; a mesh that trusts it keeps to loopback.
    pub fn development() -> Self {
        Self { keys: vec![DEVELOPMENT] }
    }

    /// Whether the public development key is among those trusted: then anybody is.
    pub fn is_development(&self) -> bool {
        self.keys.contains(&DEVELOPMENT)
    }

    /// All keys, the issuing one first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8; KEY_BYTES]> {
        self.keys.iter()
    }

    /// The key that issues.
    pub(crate) fn issuing(&self) -> &[u8; KEY_BYTES] {
        self.keys.first().expect("there is at least one key")
    }
}

impl fmt::Debug for ClusterKeys {
    /// Keys never reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterKeys({} of them)", self.keys.len())
    }
}

fn parse_hex(digits: &str) -> Option<[u8; KEY_BYTES]> {
    let digits = digits.as_bytes();
    if digits.len() != 2 * KEY_BYTES {
        return None;
    }
    let mut key = [0; KEY_BYTES];
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        let nibble = |digit: &u8| char::from(*digit).to_digit(16);
        let &[high, low] = pair else { return None };
        *byte = u8::try_from(nibble(&high)? << 4 | nibble(&low)?).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_parses_and_is_new_each_time() {
        let text = ClusterKeys::generate();
        let keys = ClusterKeys::parse(&text).unwrap();
        assert!(!keys.is_development());
        assert_ne!(text, ClusterKeys::generate());
        assert!(!format!("{keys:?}").contains(&text[12..20]));
    }

    #[test]
    fn the_first_of_several_keys_issues() {
        let (one, two) = (ClusterKeys::generate(), ClusterKeys::generate());
        let both = ClusterKeys::parse(&format!("{one}\n  {two}")).unwrap();
        assert_eq!(both.issuing(), ClusterKeys::parse(&one).unwrap().issuing());
        assert_eq!(both.iter().count(), 2);
    }

    #[test]
    fn nothing_but_keys_is_accepted() {
        let good = format!("{PREFIX}{}", "0a".repeat(32));
        let cases = [
            (String::new(), KeyError::Empty),
            (" \n\n".to_owned(), KeyError::Empty),
            (format!("{good}\nsecret"), KeyError::Prefix { line: 2 }),
            (format!("# my key\n{good}"), KeyError::Prefix { line: 1 }),
            ("shoal-key-2:00".to_owned(), KeyError::Prefix { line: 1 }),
            (PREFIX.to_owned(), KeyError::Digits { line: 1 }),
            (format!("{good}00"), KeyError::Digits { line: 1 }),
            (format!("{PREFIX}{}", "0g".repeat(32)), KeyError::Digits { line: 1 }),
            (format!("{PREFIX}{}", "é".repeat(32)), KeyError::Digits { line: 1 }),
            (format!("{good}\n").repeat(17), KeyError::TooMany),
        ];
        for (text, expected) in cases {
            assert_eq!(ClusterKeys::parse(&text), Err(expected), "{text}");
        }
        assert!(ClusterKeys::parse(&good.to_uppercase().replace("SHOAL-KEY", "shoal-key")).is_ok());
    }

    #[test]
    fn trusting_the_public_key_beside_another_is_still_trusting_everybody() {
        let digits: String = DEVELOPMENT.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = format!("{}{PREFIX}{digits}\n", ClusterKeys::generate());
        assert!(ClusterKeys::parse(&text).unwrap().is_development());
        assert!(ClusterKeys::development().is_development());
    }
}
