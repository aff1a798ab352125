//! The grammar of one sample line, quoted UTF-8 names included. It borrows from the line, except where an
//! escape forces a copy, and leaves it to the canonical label set to judge names and sizes.
//!
//! ```text
//!  name {label="value", …} value [time]        {"any name", "any label"="value"} value
//! ```
//!
//! The time is in milliseconds in Prometheus' text and in seconds in OpenMetrics, where an exemplar may follow
//! (`# {label="value"} value [time]`).

use std::borrow::Cow;

use shoal_model::labels::METRIC_NAME;

use super::Format;

/// A label's name and value.
pub(crate) type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// A line that does not follow the grammar.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SyntaxError {
    #[error("a metric name is expected")]
    NoName,
    #[error("the metric name is given twice")]
    TwoNames,
    #[error("a label name is expected at {0:?}")]
    NoLabelName(String),
    #[error("= and a quoted value are expected after label {0:?}")]
    NoLabelValue(String),
    #[error("a quotation mark is not closed")]
    OpenQuote,
    #[error(", or }} is expected at {0:?}")]
    OpenBrace(String),
    #[error("{0:?} is no value")]
    BadValue(String),
    #[error("{0:?} is no timestamp in milliseconds")]
    BadTime(String),
    #[error("{0:?} is no timestamp in seconds")]
    BadSeconds(String),
    #[error("{0:?} is left over after the timestamp")]
    LeftOver(String),
    #[error("an exemplar has labels in braces")]
    NoExemplar,
}

/// What a line says of its series.
#[derive(Debug, PartialEq)]
pub(super) struct Said<'a> {
    pub(super) value: f64,
    pub(super) time_ms: Option<i64>,
    /// What follows a `#`, read or not: a bad exemplar does not spoil the sample.
    pub(super) exemplar: Option<Result<Example<'a>, SyntaxError>>,
}

/// An exemplar as it stands in a line.
#[derive(Debug, PartialEq)]
pub(super) struct Example<'a> {
    pub(super) pairs: Vec<Pair<'a>>,
    pub(super) value: f64,
    pub(super) time_ms: Option<i64>,
}

/// Reads a trimmed line, adds its labels (the metric name as `__name__`) to `pairs` and gives the rest.
pub(super) fn parse_sample<'a>(
    line: &'a str,
    format: Format,
    pairs: &mut Vec<Pair<'a>>,
) -> Result<Said<'a>, SyntaxError> {
    let mut cursor = Cursor { rest: line };
    let name = cursor.word(Bare::Metric);
    if !name.is_empty() {
        pairs.push((Cow::Borrowed(METRIC_NAME), Cow::Borrowed(name)));
    }
    cursor.skip_blanks();
    if cursor.take('{') {
        cursor.labels(pairs)?;
    }
    if !pairs.iter().any(|(label, _)| label == METRIC_NAME) {
        return Err(SyntaxError::NoName);
    }
    let value = parse_value(cursor.number())?;
    let begins_exemplar = |cursor: &Cursor<'_>| format == Format::OpenMetrics && cursor.rest.starts_with('#');
    let time_ms = cursor.time(format, begins_exemplar)?;
    let exemplar = begins_exemplar(&cursor).then(|| cursor.exemplar(format));
    if exemplar.is_none() && !cursor.rest.is_empty() {
        return Err(SyntaxError::LeftOver(shorten(cursor.number())));
    }
    Ok(Said { value, time_ms, exemplar })
}

/// The name that a comment on a family begins with, and what it says of it.
pub(super) fn family_name(text: &str) -> (Cow<'_, str>, &str) {
    let mut cursor = Cursor { rest: text };
    cursor.skip_blanks();
    if cursor.take('"')
        && let Ok(name) = cursor.quoted()
    {
        return (name, cursor.rest.trim_start_matches([' ', '\t']));
    }
    let text = text.trim_start_matches([' ', '\t']);
    let (name, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    (Cow::Borrowed(name), rest.trim_start_matches([' ', '\t']))
}

/// A help text as it is meant. OpenMetrics escapes quotation marks too.
pub(super) fn unescaped(text: &str, format: Format) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let (mut meant, mut chars) = (String::with_capacity(text.len()), text.chars());
    while let Some(char) = chars.next() {
        match if char == '\\' { chars.clone().next() } else { None } {
            Some('n') => meant.push('\n'),
            Some('\\') => meant.push('\\'),
            Some('"') if format == Format::OpenMetrics => meant.push('"'),
            _ => {
                meant.push(char);
                continue;
            }
        }
        chars.next();
    }
    Cow::Owned(meant)
}

fn parse_value(word: &str) -> Result<f64, SyntaxError> {
    match word.parse::<f64>() {
        // One NaN: its sign and payload are an accident of the parser, and the stale marker is none of text's.
        Ok(value) if value.is_nan() => Ok(f64::NAN),
        Ok(value) => Ok(value),
        Err(_) => Err(SyntaxError::BadValue(shorten(word))),
    }
}

fn parse_time(word: &str, format: Format) -> Result<i64, SyntaxError> {
    match format {
        Format::Text => word.parse().map_err(|_| SyntaxError::BadTime(shorten(word))),
        Format::OpenMetrics => {
            let millis = word.parse::<f64>().ok().map(|seconds| (seconds * 1_000.0).round());
            let fits = |millis: &f64| millis.abs() <= i64::MAX as f64 / 2.0;
            Ok(millis.filter(fits).ok_or_else(|| SyntaxError::BadSeconds(shorten(word)))? as i64)
        }
    }
}

/// Enough of a text to find it again.
fn shorten(text: &str) -> String {
    text.chars().take(40).collect()
}

struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    /// The time that may follow a value, unless something else begins here.
    fn time(
        &mut self,
        format: Format,
        begins_other: impl Fn(&Self) -> bool,
    ) -> Result<Option<i64>, SyntaxError> {
        if self.rest.is_empty() || begins_other(self) {
            return Ok(None);
        }
        parse_time(self.number(), format).map(Some)
    }

    /// What follows a sample behind a `#`.
    fn exemplar(&mut self, format: Format) -> Result<Example<'a>, SyntaxError> {
        self.take('#');
        self.skip_blanks();
        let mut pairs = Vec::new();
        if !self.take('{') {
            return Err(SyntaxError::NoExemplar);
        }
        self.labels(&mut pairs)?;
        let value = parse_value(self.number())?;
        let time_ms = self.time(format, |_| false)?;
        if !self.rest.is_empty() {
            return Err(SyntaxError::LeftOver(shorten(self.rest)));
        }
        Ok(Example { pairs, value, time_ms })
    }

    /// A word up to the next blank, and past the blanks behind it.
    fn number(&mut self) -> &'a str {
        self.skip_blanks();
        let end = self.rest.find([' ', '\t']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.skip_blanks();
        word
    }

    /// The labels up to and with the closing brace.
    fn labels(&mut self, pairs: &mut Vec<Pair<'a>>) -> Result<(), SyntaxError> {
        loop {
            self.skip_blanks();
            if self.take('}') {
                return Ok(());
            }
            self.label(pairs)?;
            self.skip_blanks();
            if !self.take(',') && !self.rest.starts_with('}') {
                return Err(SyntaxError::OpenBrace(shorten(self.rest)));
            }
        }
    }

    /// One label; a quoted text without a value is the metric name.
    fn label(&mut self, pairs: &mut Vec<Pair<'a>>) -> Result<(), SyntaxError> {
        let quoted = self.take('"');
        let name = if quoted { self.quoted()? } else { Cow::Borrowed(self.word(Bare::Label)) };
        if !quoted && name.is_empty() {
            return Err(SyntaxError::NoLabelName(shorten(self.rest)));
        }
        self.skip_blanks();
        if self.take('=') {
            self.skip_blanks();
            if !self.take('"') {
                return Err(SyntaxError::NoLabelValue(shorten(&name)));
            }
            pairs.push((name, self.quoted()?));
            return Ok(());
        }
        if !quoted {
            return Err(SyntaxError::NoLabelValue(shorten(&name)));
        }
        if pairs.iter().any(|(label, _)| label == METRIC_NAME) {
            return Err(SyntaxError::TwoNames);
        }
        pairs.push((Cow::Borrowed(METRIC_NAME), name));
        Ok(())
    }

    /// The text up to the closing quotation mark, of which the opening one was taken. As in Prometheus, a
    /// backslash before anything but `\`, `"` and `n` stands for itself.
    fn quoted(&mut self) -> Result<Cow<'a, str>, SyntaxError> {
        let mut text = Cow::Borrowed("");
        loop {
            let end = self.rest.find(['"', '\\']).ok_or(SyntaxError::OpenQuote)?;
            let (plain, special) = self.rest.split_at(end);
            if text.is_empty() {
                text = Cow::Borrowed(plain);
            } else {
                text.to_mut().push_str(plain);
            }
            let mut chars = special.chars();
            if chars.next() == Some('"') {
                self.rest = chars.as_str();
                return Ok(text);
            }
            match chars.next().ok_or(SyntaxError::OpenQuote)? {
                'n' => text.to_mut().push('\n'),
                same @ ('\\' | '"') => text.to_mut().push(same),
                other => text.to_mut().extend(['\\', other]),
            }
            self.rest = chars.as_str();
        }
    }

    /// A name without quotation marks; empty where none stands here.
    fn word(&mut self, sort: Bare) -> &'a str {
        let (word, rest) = self.rest.split_at(sort.len_at(self.rest));
        self.rest = rest;
        word
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn take(&mut self, expected: char) -> bool {
        let rest = self.rest.strip_prefix(expected);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
}

/// The two sorts of names that need no quotation marks.
#[derive(Clone, Copy)]
pub(super) enum Bare {
    /// Letters, digits, underscores and colons.
    Metric,
    /// The same without colons.
    Label,
}

impl Bare {
    /// Bytes at the start of `text` that are such a name.
    pub(super) fn len_at(self, text: &str) -> usize {
        let colon = matches!(self, Bare::Metric);
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || (colon && byte == b':');
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            return 0;
        }
        text.bytes().take_while(|&byte| fits(byte)).count()
    }
}
