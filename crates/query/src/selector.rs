//! Selectors and series as people type them: `up{job="x"}`, `{"http.requests", job=~"a|b"}`. Only the bare
//! vector selector is taken; whatever says *when* (offset, @, a range) or *computes* is refused by name,
//! because the callers read raw points and would silently do something else.

use promql_parser::label::{MatchOp, Matcher as ParsedMatcher};
use promql_parser::parser::{Expr, VectorSelector};
use promql_parser::util::{ExprVisitor, walk_expr};
use shoal_model::labels::METRIC_NAME;
use shoal_model::{LabelError, Labels, Matcher, MatcherError, MatcherOp};

use crate::front;

/// Bytes of one selector: far more than anyone types, and small enough that nesting cannot exhaust a stack.
pub const SELECTOR_BYTES_MAX: usize = 16 * 1024;

/// Why a text was no selector or no series. It is the caller's fault; the same text fails again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// The text is over [`SELECTOR_BYTES_MAX`].
    #[error("a selector of {0} bytes is over the limit of {SELECTOR_BYTES_MAX}")]
    TooLong(usize),
    /// The text is no PromQL, or selects all series; in the parser's own words.
    #[error("not a selector: {0}")]
    Syntax(String),
    /// PromQL, but not a bare vector selector.
    #[error("a bare selector is wanted here, without {0}")]
    NotBare(&'static str),
    /// A regular expression that does not compile.
    #[error(transparent)]
    Matcher(#[from] MatcherError),
    /// A series whose label is not given by `=`.
    #[error("a series names its labels with = only: {0}")]
    NotEqual(String),
    /// Labels that name no series.
    #[error(transparent)]
    Labels(#[from] LabelError),
}

/// The matchers of a PromQL vector selector, the metric name among them as `__name__`. Regular expressions
/// match whole values, and a selector of which every matcher takes the empty string is refused (by the
/// parser), as in Prometheus.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, SelectorError> {
    let selector = parse_bare(text)?;
    Ok(matchers_of(&selector)?)
}

/// The matchers of a parsed selector, the metric name among them as `__name__`.
pub(crate) fn matchers_of(selector: &VectorSelector) -> Result<Vec<Matcher>, MatcherError> {
    let name = selector.name.iter().map(|name| Matcher::new(METRIC_NAME, MatcherOp::Equal, name));
    name.chain(selector.matchers.matchers.iter().map(to_matcher)).collect()
}

/// The matchers of every selector of an expression, in order.
pub fn selectors_of(expr: &Expr) -> Result<Vec<Vec<Matcher>>, MatcherError> {
    struct Found(Result<Vec<Vec<Matcher>>, MatcherError>);
    impl ExprVisitor for Found {
        type Error = std::convert::Infallible;

        fn pre_visit(&mut self, expr: &Expr) -> Result<bool, Self::Error> {
            let selector = match expr {
                Expr::VectorSelector(selector) => selector,
                Expr::MatrixSelector(matrix) => &matrix.vs,
                _ => return Ok(true),
            };
            match (matchers_of(selector), &mut self.0) {
                (Ok(matchers), Ok(found)) => found.push(matchers),
                (Err(error), found) => *found = Err(error),
                (Ok(_), Err(_)) => {}
            }
            Ok(true)
        }
    }
    let mut found = Found(Ok(Vec::new()));
    match walk_expr(&mut found, expr) {
        Ok(_) => found.0,
        Err(never) => match never {},
    }
}

/// The labels of one series, in the notation of a selector with `=` only.
pub fn parse_series(text: &str) -> Result<Labels, SelectorError> {
    let matchers = parse_selector(text)?;
    if let Some(other) = matchers.iter().find(|matcher| matcher.op() != MatcherOp::Equal) {
        return Err(SelectorError::NotEqual(other.to_string()));
    }
    Ok(Labels::new(matchers.iter().map(|matcher| (matcher.name(), matcher.value())))?)
}

fn parse_bare(text: &str) -> Result<VectorSelector, SelectorError> {
    if text.len() > SELECTOR_BYTES_MAX {
        return Err(SelectorError::TooLong(text.len()));
    }
    let selector = match front::parse(text).map_err(SelectorError::Syntax)? {
        Expr::VectorSelector(selector) => selector,
        other => return Err(SelectorError::NotBare(part_name(&other))),
    };
    if selector.offset.is_some() {
        return Err(SelectorError::NotBare("an offset"));
    }
    if selector.at.is_some() {
        return Err(SelectorError::NotBare("an @ modifier"));
    }
    if !selector.matchers.or_matchers.is_empty() {
        return Err(SelectorError::NotBare("\"or\" between matchers"));
    }
    Ok(selector)
}

fn part_name(expr: &Expr) -> &'static str {
    match expr {
        Expr::Aggregate(_) => "an aggregation",
        Expr::Unary(_) => "a sign",
        Expr::Binary(_) => "an operator",
        Expr::Paren(_) => "parentheses",
        Expr::Subquery(_) => "a subquery",
        Expr::NumberLiteral(_) => "a number",
        Expr::StringLiteral(_) => "a lone string",
        Expr::VectorSelector(_) => "a selector",
        Expr::MatrixSelector(_) => "a range",
        Expr::Call(_) => "a function",
        Expr::Extension(_) => "an extension",
    }
}

fn to_matcher(parsed: &ParsedMatcher) -> Result<Matcher, MatcherError> {
    let (op, value) = match &parsed.op {
        MatchOp::Equal => (MatcherOp::Equal, parsed.value.as_str()),
        MatchOp::NotEqual => (MatcherOp::NotEqual, parsed.value.as_str()),
        MatchOp::Re(regex) => (MatcherOp::Regex, unanchored(regex.as_str())),
        MatchOp::NotRe(regex) => (MatcherOp::NotRegex, unanchored(regex.as_str())),
    };
    Matcher::new(&parsed.name, op, value)
}

/// The parser's regular expression without its anchors. It is taken in place of the text typed because the
/// parser has put the braces right that Go takes literally and Rust refuses (`a{b}`).
fn unanchored(regex: &str) -> &str {
    regex.strip_prefix("^(?:").and_then(|rest| rest.strip_suffix(")$")).unwrap_or(regex)
}

#[cfg(test)]
mod tests;
