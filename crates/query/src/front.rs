//! What stands between a query's text and the parser: PromQL that Prometheus takes and `promql-parser` does not.
//! It refuses an offset of zero (`x offset 0s`), which dashboards with a variable in that place do send.

use std::borrow::Cow;

/// The text with offsets of zero blanked out; they mean nothing.
pub(crate) fn accepted(text: &str) -> Cow<'_, str> {
    let mut accepted = Cow::Borrowed(text);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let at = text.len() - rest.len();
        let taken = match first {
            '"' | '\'' | '`' => quoted_len(rest, first),
            '#' => rest.find('\n').unwrap_or(rest.len()),
            _ if is_word(first) => {
                let word = word_len(rest);
                let zero = zero_offset_len(rest, word).unwrap_or(0);
                if zero > 0 {
                    accepted.to_mut().replace_range(at..at + zero, &" ".repeat(zero));
                }
                word.max(zero)
            }
            _ => first.len_utf8(),
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    accepted
}

/// How long `offset 0s` at the beginning of the text is, if it is that.
fn zero_offset_len(text: &str, word: usize) -> Option<usize> {
    let (offset, after) = text.split_at(word);
    if !offset.eq_ignore_ascii_case("offset") {
        return None;
    }
    let number = after.trim_start().trim_start_matches(['-', '+']).trim_start();
    let length = word_len(number);
    let literal = &number[..length];
    let is_duration = literal.bytes().all(|byte| byte == b'0' || byte.is_ascii_lowercase());
    let is_zero = literal.starts_with('0') && (literal.parse() == Ok(0.0) || is_duration);
    is_zero.then(|| text.len() - number.len() + length)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | ':' | '.')
}

fn word_len(text: &str) -> usize {
    text.find(|c: char| !is_word(c)).unwrap_or(text.len())
}

/// The length of a quoted text with its quotes; all that is left if it does not end.
fn quoted_len(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == quote && !is_escaped;
        is_escaped = *c == '\\' && !is_escaped && quote != '`';
        ends
    });
    end.map_or(text.len(), |(at, _)| at + quote.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_offsets_of_zero_are_blanked() {
        let check = |text: &str, expected: &str| {
            let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(words(&accepted(text)), words(expected), "{text}");
        };
        check("x offset 0s", "x");
        check("sum(x OFFSET -0m)", "sum(x )");
        check("x[5m] offset 0 + y", "x[5m] + y");
        check("x offset 1s", "x offset 1s");
        check("x offset 0.5", "x offset 0.5");
        check("x offset 0h5m", "x offset 0h5m");
        check("x{l=\"a\\\" offset 0s\"} # offset 0s", "x{l=\"a\\\" offset 0s\"} # offset 0s");
        check("`offset 0s", "`offset 0s");
        check("my_offset 0s", "my_offset 0s");
    }
}
