//! The grammar of one StatsD line, DogStatsD's additions included. It borrows everything from the datagram.
//!
//! ```text
//!  name:value[:value…]|type[|@rate][|#tag[:value],…][|anything else]      type: c g ms h d s
//! ```
//!
//! Sections that are not known (a container's id, a client's time) are passed over: what a line says counts
//! when it arrives.

/// How the values of a line are to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Sort {
    /// `c`: to be added up.
    Counter,
    /// `g`: a reading, or a step from the last one.
    Gauge,
    /// `ms`: how long something took; observed in seconds.
    Timer,
    /// `h` and `d`: observations.
    Histogram,
    /// `s`: names to be counted once each.
    Set,
}

/// Why a line was left out, and for counting under which word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum LineError {
    #[error("NAME:VALUE|TYPE is expected")]
    Syntax,
    #[error("events and service checks are no metrics")]
    NoMetric,
    #[error("the type is none of c, g, ms, h, d and s")]
    Type,
    #[error("the sample rate is no number above 0 and up to 1")]
    Rate,
    #[error("a value is no number, or not finite, or below zero where it counts")]
    Value,
    #[error("name and tags make no series")]
    Labels,
    #[error("there is no room for another series")]
    SeriesLimit,
    #[error("there is no room for another member of the set")]
    SetLimit,
}

impl LineError {
    /// The word under which it is counted.
    pub(super) fn word(self) -> &'static str {
        match self {
            LineError::Syntax => "syntax",
            LineError::NoMetric => "no_metric",
            LineError::Type => "type",
            LineError::Rate => "rate",
            LineError::Value => "value",
            LineError::Labels => "labels",
            LineError::SeriesLimit => "series_limit",
            LineError::SetLimit => "set_limit",
        }
    }
}

/// One line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Line<'a> {
    /// The name as it was sent.
    pub(super) name: &'a [u8],
    /// One value or more, colons between.
    pub(super) values: &'a [u8],
    /// How they are to be taken.
    pub(super) sort: Sort,
    /// How many events each value stands for: 1 / sample rate.
    pub(super) weight: f64,
    /// The tags as they were sent, commas between; empty if none.
    pub(super) tags: &'a [u8],
}

impl<'a> Line<'a> {
    /// Reads a line that is not empty; values and tags are looked into later.
    pub(super) fn parse(line: &'a [u8]) -> Result<Self, LineError> {
        if line.starts_with(b"_e{") || line.starts_with(b"_sc|") {
            return Err(LineError::NoMetric);
        }
        let (name, rest) = split_at(line, b':').ok_or(LineError::Syntax)?;
        let (values, rest) = split_at(rest, b'|').ok_or(LineError::Syntax)?;
        if name.is_empty() || values.is_empty() {
            return Err(LineError::Syntax);
        }
        let (sort, mut rest) = split_at(rest, b'|').unwrap_or((rest, &[]));
        let sort = match sort {
            b"c" => Sort::Counter,
            b"g" => Sort::Gauge,
            b"ms" => Sort::Timer,
            b"h" | b"d" => Sort::Histogram,
            b"s" => Sort::Set,
            _ => return Err(LineError::Type),
        };
        let (mut weight, mut tags): (f64, &[u8]) = (1.0, &[]);
        while !rest.is_empty() {
            let (section, after) = split_at(rest, b'|').unwrap_or((rest, &[]));
            match section.split_first() {
                Some((b'@', rate)) => weight = weight_of(rate)?,
                Some((b'#', given)) => tags = given,
                _ => {}
            }
            rest = after;
        }
        Ok(Self { name, values, sort, weight, tags })
    }
}

fn weight_of(rate: &[u8]) -> Result<f64, LineError> {
    let rate = number(rate).filter(|rate| *rate > 0.0 && *rate <= 1.0).ok_or(LineError::Rate)?;
    // The inverse of the smallest rates is no number any more.
    Some(1.0 / rate).filter(|weight| weight.is_finite()).ok_or(LineError::Rate)
}

/// A finite number; digits alone, which most are, take a short way.
pub(super) fn number(text: &[u8]) -> Option<f64> {
    if (1..=15).contains(&text.len()) && text.iter().all(u8::is_ascii_digit) {
        return Some(text.iter().fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0')) as f64);
    }
    std::str::from_utf8(text).ok()?.parse().ok().filter(|number: &f64| number.is_finite())
}

fn split_at(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| *byte == separator)?;
    Some((&text[..end], &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(line: &str, expected: Result<(&str, &str, Sort, f64, &str), LineError>) {
        let expected = expected.map(|(name, values, sort, weight, tags)| Line {
            name: name.as_bytes(),
            values: values.as_bytes(),
            sort,
            weight,
            tags: tags.as_bytes(),
        });
        assert_eq!(Line::parse(line.as_bytes()), expected, "{line}");
    }

    #[test]
    fn lines_of_both_dialects_are_read() {
        check("a.b:1|c", Ok(("a.b", "1", Sort::Counter, 1.0, "")));
        check("a:1|c|@0.5", Ok(("a", "1", Sort::Counter, 2.0, "")));
        check("a:-3|g", Ok(("a", "-3", Sort::Gauge, 1.0, "")));
        check("a:320|ms|@0.1|#env:x,hot", Ok(("a", "320", Sort::Timer, 10.0, "env:x,hot")));
        check("a:1.5:2:3|h|#k:v:w|c:4f2a|T1656581400", Ok(("a", "1.5:2:3", Sort::Histogram, 1.0, "k:v:w")));
        check("a:1|d|#x:y|@0.25", Ok(("a", "1", Sort::Histogram, 4.0, "x:y")));
        check("users:joe|s", Ok(("users", "joe", Sort::Set, 1.0, "")));
    }

    #[test]
    fn other_lines_are_refused_by_a_word() {
        for line in ["a", "a:1", ":1|c", "a:|c", "|c", ":"] {
            check(line, Err(LineError::Syntax));
        }
        check("a:1|x", Err(LineError::Type));
        check("a:1|", Err(LineError::Type));
        for rate in ["0", "1.5", "-1", "x", "", "nan", "1e-320"] {
            check(&format!("a:1|c|@{rate}"), Err(LineError::Rate));
        }
        check("_e{5,4}:title|text", Err(LineError::NoMetric));
        check("_sc|name|0|m:all well", Err(LineError::NoMetric));
    }

    #[test]
    fn numbers_are_finite() {
        for (text, expected) in [("12", Some(12.0)), ("-1.5e3", Some(-1500.0)), ("+2", Some(2.0))] {
            assert_eq!(number(text.as_bytes()), expected, "{text}");
        }
        for text in ["", "1e999", "nan", "inf", "0x10", "1 "] {
            assert_eq!(number(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_parser(line: Vec<u8>) {
            let _ = Line::parse(&line);
        }

        #[test]
        fn whole_numbers_are_read_as_the_library_reads_them(number in 0_u64..1_000_000_000_000_000) {
            prop_assert_eq!(super::number(number.to_string().as_bytes()), Some(number as f64));
        }
    }
}
