//! Durations as Prometheus writes them: `15d`, `1h30m`, `250ms`. A number and a unit, larger units first,
//! each once; a year has 365 days.

use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

/// Units from large to small, in milliseconds.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// A text that names no length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a duration is written like 15d, 1h30m or 500ms (y w d h m s ms, larger units first)")]
pub(crate) struct ParseSpanError;

/// A length of time above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Span(pub(crate) Duration);

impl FromStr for Span {
    type Err = ParseSpanError;

    fn from_str(text: &str) -> Result<Self, ParseSpanError> {
        let mut rest = text;
        let mut units = UNITS.iter();
        let mut total_ms = 0_u64;
        while !rest.is_empty() {
            let (number, after) = split(rest, |byte| byte.is_ascii_digit());
            let (unit, after) = split(after, |byte| byte.is_ascii_alphabetic());
            let (_, unit_ms) = units.find(|(name, _)| *name == unit).ok_or(ParseSpanError)?;
            let number: u64 = number.parse().map_err(|_| ParseSpanError)?;
            let part_ms = number.checked_mul(*unit_ms).ok_or(ParseSpanError)?;
            total_ms = total_ms.checked_add(part_ms).ok_or(ParseSpanError)?;
            rest = after;
        }
        if total_ms == 0 { Err(ParseSpanError) } else { Ok(Self(Duration::from_millis(total_ms))) }
    }
}

impl TryFrom<String> for Span {
    type Error = ParseSpanError;

    fn try_from(text: String) -> Result<Self, ParseSpanError> {
        text.parse()
    }
}

/// How often something is done, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Every {
    /// Never.
    Off,
    /// At this interval.
    Interval(Duration),
}

impl FromStr for Every {
    type Err = ParseSpanError;

    fn from_str(text: &str) -> Result<Self, ParseSpanError> {
        if text == "off" {
            Ok(Every::Off)
        } else {
            text.parse().map(|Span(interval)| Every::Interval(interval))
        }
    }
}

impl TryFrom<String> for Every {
    type Error = ParseSpanError;

    fn try_from(text: String) -> Result<Self, ParseSpanError> {
        text.parse()
    }
}

/// The leading bytes that fit, and the rest.
fn split(text: &str, fits: impl Fn(&u8) -> bool) -> (&str, &str) {
    let len = text.bytes().take_while(|byte| fits(byte)).count();
    text.split_at(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_prometheus_reads_them() {
        let check = |text: &str, secs: f64| {
            assert_eq!(text.parse::<Span>(), Ok(Span(Duration::from_secs_f64(secs))), "{text}");
        };
        check("15d", 15.0 * 86_400.0);
        check("100y", 100.0 * 365.0 * 86_400.0);
        check("1h30m", 5_400.0);
        check("1w2d3h4m5s6ms", 788_645.006);
        check("250ms", 0.25);
        check("90s", 90.0);
    }

    #[test]
    fn other_texts_are_no_durations() {
        for text in
            ["", "0s", "15", "d", "-1d", "1.5h", "1m1h", "1h1h", "1H", "1 h", "1d ", "é", "9999999999999y"]
        {
            assert_eq!(text.parse::<Span>(), Err(ParseSpanError), "{text}");
        }
    }

    #[test]
    fn an_interval_may_be_off() {
        assert_eq!("off".parse(), Ok(Every::Off));
        assert_eq!("15s".parse(), Ok(Every::Interval(Duration::from_secs(15))));
        assert_eq!("never".parse::<Every>(), Err(ParseSpanError));
    }
}
