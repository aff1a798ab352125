//! The types that `# TYPE` lines give to families of samples, as far as it matters here: which samples add up.

use super::LineError;

/// What an exposition may call its families, and how they read.
const TYPES: [(&str, Type); 9] = [
    ("counter", Type::Counter),
    ("gauge", Type::Reading),
    ("histogram", Type::Histogram),
    ("summary", Type::Summary),
    ("untyped", Type::Reading),
    ("unknown", Type::Reading),
    ("info", Type::Reading),
    ("stateset", Type::Reading),
    ("gaugehistogram", Type::Reading),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Counter,
    Histogram,
    Summary,
    Reading,
}

/// The family that the lines are in. A sample belongs to the newest `# TYPE` line or to none.
#[derive(Debug, Default)]
pub(super) struct Families<'a> {
    newest: Option<(&'a str, Type)>,
}

impl<'a> Families<'a> {
    /// Takes the text after a `#`. A type that does not exist says that the text is of another format.
    pub(super) fn take_comment(&mut self, comment: &'a str) -> Result<(), LineError> {
        let mut words = comment.split_ascii_whitespace();
        if words.next() != Some("TYPE") {
            return Ok(());
        }
        let word = words.next_back().unwrap_or_default();
        let known = TYPES.iter().find(|(name, _)| *name == word);
        let (_, sort) = known.ok_or_else(|| LineError::UnknownType(word.to_owned()))?;
        let name = words.next().unwrap_or_default().trim_matches('"');
        self.newest = Some((name, *sort));
        Ok(())
    }

    /// Whether a sample of that name adds up.
    pub(super) fn is_total(&self, name: &str) -> bool {
        let Some((family, sort)) = self.newest else { return false };
        let Some(suffix) = name.strip_prefix(family) else { return false };
        match sort {
            Type::Counter => matches!(suffix, "" | "_total"),
            Type::Histogram => matches!(suffix, "_bucket" | "_sum" | "_count"),
            Type::Summary => matches!(suffix, "_sum" | "_count"),
            Type::Reading => false,
        }
    }
}
