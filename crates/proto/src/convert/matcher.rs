//! Label matchers.

use shoal_model::{Matcher, MatcherOp};

use super::FieldError;
use crate::v1;

/// All matchers of a request; the error names the first bad one by its place in the request.
pub fn matchers(messages: Vec<v1::Matcher>) -> Result<Vec<Matcher>, FieldError> {
    let named = |(index, message)| {
        matcher(message).map_err(|FieldError { path, reason }| FieldError {
            path: format!("matchers[{index}].{path}"),
            reason,
        })
    };
    messages.into_iter().enumerate().map(named).collect()
}

/// One matcher; the error's path begins inside the matcher.
pub fn matcher(message: v1::Matcher) -> Result<Matcher, FieldError> {
    let v1::Matcher { name, op, value } = message;
    let bad = |path: &str, reason: String| FieldError { path: path.to_owned(), reason };
    if name.is_empty() {
        return Err(bad("name", "a label has an empty name".to_owned()));
    }
    let op = match v1::MatcherOp::try_from(op) {
        Ok(v1::MatcherOp::Equal) => MatcherOp::Equal,
        Ok(v1::MatcherOp::NotEqual) => MatcherOp::NotEqual,
        Ok(v1::MatcherOp::Regex) => MatcherOp::Regex,
        Ok(v1::MatcherOp::NotRegex) => MatcherOp::NotRegex,
        Err(_) => return Err(bad("op", format!("there is no matcher operation {op}"))),
    };
    Matcher::new(name, op, value).map_err(|error| bad("value", error.reason))
}

/// A matcher as it travels.
pub fn matcher_message(matcher: &Matcher) -> v1::Matcher {
    let op = match matcher.op() {
        MatcherOp::Equal => v1::MatcherOp::Equal,
        MatcherOp::NotEqual => v1::MatcherOp::NotEqual,
        MatcherOp::Regex => v1::MatcherOp::Regex,
        MatcherOp::NotRegex => v1::MatcherOp::NotRegex,
    };
    v1::Matcher { name: matcher.name().to_owned(), op: op.into(), value: matcher.value().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matchers_round_trip() {
        for op in [MatcherOp::Equal, MatcherOp::NotEqual, MatcherOp::Regex, MatcherOp::NotRegex] {
            let sent = matcher_message(&Matcher::new("job", op, "a|b").unwrap());
            assert_eq!(matcher_message(&matcher(sent.clone()).unwrap()), sent);
        }
    }

    #[test]
    fn a_bad_matcher_is_named_by_its_place() {
        let good = || v1::Matcher { name: "job".into(), op: 0, value: "(".into() };
        let check = |bad, path: &str| assert_eq!(matchers(vec![good(), bad]).unwrap_err().path, path);
        check(v1::Matcher { name: String::new(), ..good() }, "matchers[1].name");
        check(v1::Matcher { op: 9, ..good() }, "matchers[1].op");
        check(v1::Matcher { op: 2, ..good() }, "matchers[1].value");
    }
}
