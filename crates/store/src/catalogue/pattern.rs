//! What a matcher asks of a value, as the index can answer it best: some values by name, any value, a prefix,
//! or a regular expression that must be run. Every form says the same as the matcher's own expression.

use shoal_model::{Matcher, MatcherOp};

/// What stands for itself only behind a backslash.
const META: &str = r"\.+*?()|[]{}^$";

/// The values that a matcher names, before it negates.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    /// These and no others.
    OneOf(Vec<String>),
    /// Every value, the empty one included.
    Any,
    /// Every value but the empty one.
    NotEmpty,
    /// Every value that begins so, and goes on where `longer` says.
    Prefix { prefix: String, longer: bool },
    /// Whatever the matcher's expression matches.
    Expression,
}

impl Pattern {
    /// Reads a matcher.
    pub(super) fn new(matcher: &Matcher) -> Self {
        match matcher.op() {
            MatcherOp::Equal | MatcherOp::NotEqual => Self::OneOf(vec![matcher.value().to_owned()]),
            MatcherOp::Regex | MatcherOp::NotRegex => parse(matcher.value()),
        }
    }

    /// Whether a value is among those named.
    pub(super) fn matches(&self, matcher: &Matcher, value: &str) -> bool {
        match self {
            Self::OneOf(values) => values.iter().any(|one| one == value),
            Self::Any => true,
            Self::NotEmpty => !value.is_empty(),
            Self::Prefix { prefix, longer } => {
                value.strip_prefix(prefix.as_str()).is_some_and(|rest| !longer || !rest.is_empty())
            }
            Self::Expression => matcher.matches(value) != negates(matcher),
        }
    }
}

/// Whether a matcher wants the values that its pattern does not name.
pub(super) fn negates(matcher: &Matcher) -> bool {
    matches!(matcher.op(), MatcherOp::NotEqual | MatcherOp::NotRegex)
}

fn parse(expression: &str) -> Pattern {
    let inner = expression.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let alternatives = inner.filter(|inner| !inner.ends_with('\\')).unwrap_or(expression);
    let literals: Option<Vec<String>> = split(alternatives).into_iter().map(literal).collect();
    if let Some(literals) = literals {
        return Pattern::OneOf(literals);
    }
    let tail = |tail| expression.strip_suffix(tail).and_then(literal);
    match (tail(".*"), tail(".+")) {
        (Some(prefix), _) if prefix.is_empty() => Pattern::Any,
        (_, Some(prefix)) if prefix.is_empty() => Pattern::NotEmpty,
        (Some(prefix), _) => Pattern::Prefix { prefix, longer: false },
        (_, Some(prefix)) => Pattern::Prefix { prefix, longer: true },
        (None, None) => Pattern::Expression,
    }
}

/// Cuts at every bar that is not behind a backslash.
fn split(expression: &str) -> Vec<&str> {
    let mut behind_backslash = false;
    let at_bar = |c: char| {
        let is_bar = c == '|' && !behind_backslash;
        behind_backslash = c == '\\' && !behind_backslash;
        is_bar
    };
    expression.split(at_bar).collect()
}

/// The text that an expression without operators stands for.
fn literal(expression: &str) -> Option<String> {
    let mut text = String::with_capacity(expression.len());
    let mut chars = expression.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => text.push(chars.next().filter(|escaped| META.contains(*escaped) || *escaped == '-')?),
            c if META.contains(c) => return None,
            c => text.push(c),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn common_expressions_need_no_engine() {
        let check = |expression: &str, expected| assert_eq!(parse(expression), expected, "{expression}");
        let one_of = |values: &[&str]| Pattern::OneOf(values.iter().map(|v| (*v).to_owned()).collect());
        let prefix = |prefix: &str, longer| Pattern::Prefix { prefix: prefix.to_owned(), longer };
        check("", one_of(&[""]));
        check("a|b|c", one_of(&["a", "b", "c"]));
        check("(a|b)", one_of(&["a", "b"]));
        check("a|", one_of(&["a", ""]));
        check(r"10\.0\.0\.1|a\|b", one_of(&["10.0.0.1", "a|b"]));
        check(".*", Pattern::Any);
        check(".+", Pattern::NotEmpty);
        check("abc.*", prefix("abc", false));
        check(r"a\.b.+", prefix("a.b", true));
        for expression in ["a|b.*", "(a)(b)", "(a", r"(a\)", r"\d", r"a\.*", "[ab]", "(?i)a", "a.*b", "^a"] {
            check(expression, Pattern::Expression);
        }
    }

    proptest! {
        #[test]
        fn a_pattern_says_what_the_expression_says(
            expression in r"[ab.*+|()\\-]{0,7}",
            values in prop::collection::vec(r"[ab.|()\n-]{0,4}", 1..20),
        ) {
            let Ok(matcher) = Matcher::new("l", MatcherOp::Regex, expression) else { return Ok(()) };
            let pattern = Pattern::new(&matcher);
            for value in values.iter().map(String::as_str).chain([""]) {
                prop_assert_eq!(pattern.matches(&matcher, value), matcher.matches(value), "{}", value);
            }
        }
    }
}
