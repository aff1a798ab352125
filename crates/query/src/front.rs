//! What stands between a query's text and the parser: PromQL that Prometheus takes and `promql-parser` does not.
//! It refuses an offset of zero (`x offset 0s`), which dashboards with a variable in that place do send, and
//! underscores between digits (`1_000`); and it takes a byte that a string spells out (`\xc3`) for a character.

use std::borrow::Cow;

use promql_parser::parser::Expr;

/// Parses PromQL; what is wrong with it otherwise.
pub(crate) fn parse(text: &str) -> Result<Expr, String> {
    let text = accepted(text)?;
    // The parser panics where a number that stands for a duration is too large or too small for one.
    let result = std::panic::catch_unwind(|| promql_parser::parser::parse(&text));
    result.unwrap_or_else(|_| Err("a duration is out of range".to_owned()))
}

/// The text with offsets of zero and underscores between digits blanked out, and with bytes in strings as the
/// characters that they make up.
fn accepted(text: &str) -> Result<Cow<'_, str>, String> {
    let mut accepted = String::new();
    let mut kept = 0;
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let (taken, instead) = match first {
            '"' | '\'' => {
                let length = quoted_len(rest, first);
                (length, with_characters(&rest[..length])?)
            }
            '`' => (quoted_len(rest, first), None),
            '#' => (rest.find('\n').unwrap_or(rest.len()), None),
            _ if is_word(first) => word(rest),
            _ => (first.len_utf8(), None),
        };
        if let Some(instead) = instead {
            accepted.push_str(&text[kept..at]);
            accepted.push_str(&instead);
            kept = at + taken;
        }
        at += taken;
    }
    if kept == 0 {
        return Ok(Cow::Borrowed(text));
    }
    accepted.push_str(&text[kept..]);
    Ok(Cow::Owned(accepted))
}

/// The length of the word at the beginning of the text, with its offset if that is zero, and what stands for it.
/// Blanks keep the place of what is left out, so that the parser's errors name the right one.
fn word(text: &str) -> (usize, Option<String>) {
    let length = word_len(text);
    match zero_offset_len(text, length) {
        Some(zero) => (zero, Some(" ".repeat(zero))),
        None => (length, without_underscores(&text[..length])),
    }
}

/// A number without the underscores that stand between its digits; nothing if it has none, or is no such number.
fn without_underscores(word: &str) -> Option<String> {
    let hex = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"));
    let digits = hex.unwrap_or(word);
    let is_digit = |c: char| if hex.is_some() { c.is_ascii_hexdigit() } else { c.is_ascii_digit() };
    let is_number = word.trim_start_matches('.').starts_with(|c: char| c.is_ascii_digit());
    let mut parts = digits.split('_').enumerate();
    // An underscore may also follow the prefix of a hexadecimal number.
    let is_spaced = parts.clone().count() > 1
        && parts.clone().skip(1).all(|(_, part)| part.starts_with(is_digit))
        && parts.all(|(at, part)| part.ends_with(is_digit) || (at == 0 && hex.is_some() && part.is_empty()));
    (is_number && is_spaced).then(|| format!("{:<1$}", word.replace('_', ""), word.len()))
}

/// A quoted text with the characters that bytes spelt out in it make up; nothing if it spells out none above ASCII.
/// What is then no UTF-8 is refused: no name and no label can be such a text.
fn with_characters(quoted: &str) -> Result<Option<String>, String> {
    let mut bytes = Vec::new();
    let mut is_changed = false;
    let mut rest = quoted.as_bytes();
    while let Some(first) = rest.first() {
        if let Some(spelt) = spelt_byte(rest) {
            bytes.push(spelt);
            rest = &rest[SPELT_LEN..];
            is_changed = true;
        } else {
            let length = if *first == b'\\' { 2.min(rest.len()) } else { 1 };
            bytes.extend(&rest[..length]);
            rest = &rest[length..];
        }
    }
    if !is_changed {
        return Ok(None);
    }
    let text = String::from_utf8(bytes);
    text.map(Some).map_err(|_| format!("the string {quoted} is no valid UTF-8"))
}

/// The length of `\xc3` and of `\303`.
const SPELT_LEN: usize = 4;

/// The byte above ASCII that is spelt out at the beginning.
fn spelt_byte(text: &[u8]) -> Option<u8> {
    let (digits, radix) = match text {
        [b'\\', b'x', digits @ ..] => (digits.get(..2)?, 16),
        [b'\\', digits @ ..] => (digits.get(..3)?, 8),
        _ => return None,
    };
    let byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()?;
    (!byte.is_ascii()).then_some(byte)
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

    fn check(text: &str, expected: &str) {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words(&accepted(text).unwrap()), words(expected), "{text}");
    }

    #[test]
    fn only_offsets_of_zero_are_blanked() {
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

    #[test]
    fn only_underscores_between_digits_are_blanked() {
        check("1_000 + .1_2 - 0x_f_F", "1000 + .12 - 0xfF");
        check("1_0.5_0e1_0", "10.50e10");
        check("x_1 + a:1_0 + \"1_0\"", "x_1 + a:1_0 + \"1_0\"");
        for number in ["1_", "1__0", "1_x", "0_x1", "1_.5", "0x_", "0xf_g", "1_e5"] {
            check(number, number);
        }
    }

    #[test]
    fn bytes_in_strings_are_their_characters() {
        check(r#"{a="\xc3\xa9\303\251\x41"}"#, r#"{a="éé\x41"}"#);
        check(r#"'\\xc3' + `\xc3` + "\x4""#, r#"'\\xc3' + `\xc3` + "\x4""#);
        assert!(accepted(r#""\xc3""#).is_err());
        assert!(accepted(r#"'a\377b'"#).is_err());
    }
}
