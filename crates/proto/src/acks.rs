//! How many synced copies a write waits for, as it is written in requests, headers and on the command line.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

/// How many synced copies a write waits for, counted among the members, reachable or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Acks {
    /// Two when a peer answers within a second, else one; the reply says how many were made.
    #[default]
    Auto,
    /// More than half of the members.
    Majority,
    /// Every member.
    All,
    /// This many.
    Count(NonZeroU32),
}

/// A text that names no number of copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("acks is auto, majority, all or a number of nodes from 1 on")]
pub struct ParseAcksError;

impl FromStr for Acks {
    type Err = ParseAcksError;

    fn from_str(text: &str) -> Result<Self, ParseAcksError> {
        match text {
            "" | "auto" => Ok(Acks::Auto),
            "majority" => Ok(Acks::Majority),
            "all" => Ok(Acks::All),
            number => number.parse().map(Acks::Count).map_err(|_| ParseAcksError),
        }
    }
}

impl fmt::Display for Acks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Acks::Auto => f.write_str("auto"),
            Acks::Majority => f.write_str("majority"),
            Acks::All => f.write_str("all"),
            Acks::Count(count) => count.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acks_print_as_they_parse() {
        for text in ["auto", "majority", "all", "1", "4294967295"] {
            assert_eq!(text.parse::<Acks>().unwrap().to_string(), text);
        }
        assert_eq!("".parse(), Ok(Acks::Auto));
    }

    #[test]
    fn other_texts_are_no_acks() {
        for text in ["0", "-1", "AUTO", " 1", "4294967296", "one"] {
            assert_eq!(text.parse::<Acks>(), Err(ParseAcksError), "{text}");
        }
    }
}
