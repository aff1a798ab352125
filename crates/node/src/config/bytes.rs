//! Numbers of bytes as people write them: `64M`, `1G`, or just a number.

use std::str::FromStr;

use serde::{Deserialize, Deserializer};

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) u64);

impl FromStr for Bytes {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WANTED: &str = "a number of bytes such as 64M or 1G is wanted";
        let (number, shift) = match text.char_indices().last() {
            Some((at, 'k' | 'K')) => (&text[..at], 10),
            Some((at, 'M')) => (&text[..at], 20),
            Some((at, 'G')) => (&text[..at], 30),
            _ => (text, 0),
        };
        let number: u64 = number.parse().map_err(|_| WANTED)?;
        number.checked_mul(1 << shift).map(Self).ok_or(WANTED)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_powers_of_two() {
        assert_eq!(
            ["0", "7", "2k", "64M", "1G"].map(str::parse),
            [0, 7, 2048, 64 << 20, 1 << 30].map(|n| Ok(Bytes(n)))
        );
        for wrong in ["", "G", "1T", "-1", "1.5G", "99999999999999G"] {
            assert!(wrong.parse::<Bytes>().is_err(), "{wrong}");
        }
    }
}
