//! Label matchers, as PromQL selectors have them: `=`, `!=`, `=~` and `!~`. An absent label matches as the
//! empty value; regular expressions are anchored at both ends.

use std::fmt;

use regex::Regex;

use crate::labels::Labels;

/// A regular expression that does not compile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("matcher of label {name:?}: {reason}")]
pub struct MatcherError {
    /// The label.
    pub name: String,
    /// What the regular expression's compiler said.
    pub reason: String,
}

/// The regular expression that matches whole values, as Prometheus' RE2 reads the pattern: `.` is any character, and
/// `\d`, `\s` and `\w` are of ASCII only.
pub fn whole_value_regex(pattern: &str) -> Result<Regex, regex::Error> {
    let mut ascii = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        let escaped = if c == '\\' { chars.next() } else { None };
        match escaped {
            None => ascii.push(c),
            Some('d') => ascii.push_str("[0-9]"),
            Some('D') => ascii.push_str("[^0-9]"),
            Some('s') => ascii.push_str(r"[\t\n\f\r ]"),
            Some('S') => ascii.push_str(r"[^\t\n\f\r ]"),
            Some('w') => ascii.push_str("[0-9A-Za-z_]"),
            Some('W') => ascii.push_str("[^0-9A-Za-z_]"),
            Some(other) => ascii.extend(['\\', other]),
        }
    }
    Regex::new(&format!("^(?s:{ascii})$"))
}

/// How a matcher compares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MatcherOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

/// One condition on one label.
#[derive(Clone, Debug)]
pub struct Matcher {
    name: String,
    op: MatcherOp,
    value: String,
    regex: Option<Regex>,
}

impl Matcher {
    /// A matcher; a bad regular expression is the caller's fault and fails here.
    pub fn new(
        name: impl Into<String>,
        op: MatcherOp,
        value: impl Into<String>,
    ) -> Result<Self, MatcherError> {
        let (name, value) = (name.into(), value.into());
        let regex = match op {
            MatcherOp::Equal | MatcherOp::NotEqual => None,
            MatcherOp::Regex | MatcherOp::NotRegex => match whole_value_regex(&value) {
                Ok(regex) => Some(regex),
                Err(error) => return Err(MatcherError { name, reason: error.to_string() }),
            },
        };
        Ok(Self { name, op, value, regex })
    }

    /// The label's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it compares.
    pub fn op(&self) -> MatcherOp {
        self.op
    }

    /// What it compares with.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether a label value fits.
    pub fn matches(&self, value: &str) -> bool {
        let fits = self.regex.as_ref().map_or_else(|| self.value == value, |regex| regex.is_match(value));
        fits == matches!(self.op, MatcherOp::Equal | MatcherOp::Regex)
    }

    /// Whether a whole label set fits.
    pub fn matches_labels(&self, labels: &Labels) -> bool {
        self.matches(labels.value(&self.name))
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let op = match self.op {
            MatcherOp::Equal => "=",
            MatcherOp::NotEqual => "!=",
            MatcherOp::Regex => "=~",
            MatcherOp::NotRegex => "!~",
        };
        write!(f, "{}{op}{:?}", self.name, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matchers_follow_prometheus() {
        let check = |op, pattern: &str, value: &str, expected| {
            assert_eq!(
                Matcher::new("l", op, pattern).unwrap().matches(value),
                expected,
                "{op:?} {pattern} {value}"
            );
        };
        check(MatcherOp::Equal, "a", "a", true);
        check(MatcherOp::Equal, "", "", true);
        check(MatcherOp::NotEqual, "a", "", true);
        check(MatcherOp::Regex, "a|b", "b", true);
        check(MatcherOp::Regex, "a", "ab", false);
        check(MatcherOp::Regex, "a.*", "a\nb", true);
        check(MatcherOp::NotRegex, "a.+", "", true);
        check(MatcherOp::NotRegex, "a.*", "ab", false);
        check(MatcherOp::Regex, r"[\d.]+\s\w", "1.2 x", true);
        check(MatcherOp::Regex, r"\w", "é", false);
        check(MatcherOp::Regex, r"\W[^\d]\D\S", "é٣٣\u{a0}", true);
        check(MatcherOp::Regex, r"\\d", r"\d", true);
        assert!(Matcher::new("l", MatcherOp::Regex, "(").is_err());
        assert!(Matcher::new("l", MatcherOp::Regex, "a\\").is_err());
    }
}
