//! What a text says of families of samples in `# TYPE`, `# HELP` and `# UNIT` lines: which samples add up, and what
//! each family means.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Format, LineError, line};
use crate::engine::Notes;

/// Families that one text may describe; what more there is has no description.
const DESCRIBED_MAX: usize = 10_000;

/// What an exposition may call its families, how they read, and how remote write numbers them.
const TYPES: [(&str, Type, u8); 9] = [
    ("counter", Type::Counter, 1),
    ("gauge", Type::Reading, 2),
    ("histogram", Type::Histogram, 3),
    ("summary", Type::Summary, 5),
    ("untyped", Type::Reading, 0),
    ("unknown", Type::Reading, 0),
    ("info", Type::Reading, 6),
    ("stateset", Type::Reading, 7),
    ("gaugehistogram", Type::Reading, 4),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Counter,
    Histogram,
    Summary,
    Reading,
}

/// What a text has said so far.
#[derive(Debug, Default)]
pub(super) struct Families<'a> {
    /// The family that the lines are in. A sample belongs to the newest `# TYPE` line or to none.
    newest: Option<(Cow<'a, str>, Type)>,
    described: BTreeMap<Cow<'a, str>, Family<'a>>,
}

#[derive(Debug, Default)]
struct Family<'a> {
    kind: u8,
    help: Cow<'a, str>,
    unit: &'a str,
}

impl<'a> Families<'a> {
    /// Takes the text after a `#`. A type that does not exist says that the text is of another format.
    pub(super) fn take_comment(&mut self, comment: &'a str, format: Format) -> Result<(), LineError> {
        let comment = comment.trim_start_matches([' ', '\t']);
        let (keyword, rest) = comment.split_once([' ', '\t']).unwrap_or((comment, ""));
        if !matches!(keyword, "TYPE" | "HELP" | "UNIT") {
            return Ok(());
        }
        let (name, rest) = line::family_name(rest);
        match keyword {
            "TYPE" => {
                let word = rest.split_ascii_whitespace().next_back().unwrap_or_default();
                let known = TYPES.iter().find(|(known, ..)| *known == word);
                let (_, sort, kind) = known.ok_or_else(|| LineError::UnknownType(word.to_owned()))?;
                self.newest = Some((name.clone(), *sort));
                self.describe(name, |family| family.kind = *kind);
            }
            "HELP" => self.describe(name, |family| family.help = line::unescaped(rest, format)),
            _ => self.describe(name, |family| family.unit = rest.trim()),
        }
        Ok(())
    }

    fn describe(&mut self, name: Cow<'a, str>, put: impl FnOnce(&mut Family<'a>)) {
        if self.described.len() < DESCRIBED_MAX || self.described.contains_key(&name) {
            put(self.described.entry(name).or_default());
        }
    }

    /// Whether a sample of that name adds up.
    pub(super) fn is_total(&self, name: &str) -> bool {
        let Some((family, sort)) = &self.newest else { return false };
        let Some(suffix) = name.strip_prefix(family.as_ref()) else { return false };
        match sort {
            Type::Counter => matches!(suffix, "" | "_total"),
            Type::Histogram => matches!(suffix, "_bucket" | "_sum" | "_count"),
            Type::Summary => matches!(suffix, "_sum" | "_count"),
            Type::Reading => false,
        }
    }

    /// Notes what the families mean.
    pub(super) fn note(&self, notes: &mut Notes, now_ms: i64) {
        for (name, Family { kind, help, unit }) in &self.described {
            notes.describe(name, *kind, help, unit, now_ms);
        }
    }
}
