//! What a door tells beside points: what metrics mean, and exemplars. A description that every node has heard within
//! the hour is not told again: senders repeat them all the time.

use shoal_store::annotations::{encode_descriptions, encode_exemplars};
use shoal_store::{Described, Description, Exemplar, SharedAnnotations, Tag};

use super::Records;

/// How long a description stays told.
const HEARD_MS: i64 = 3_600_000;
/// Bytes of a help text or unit that are kept.
const TEXT_BYTES_MAX: usize = 1024;
/// Characters of an exemplar's labels, as OpenMetrics bounds them.
const EXEMPLAR_CHARS_MAX: usize = 128;

/// Notes to be written.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    descriptions: Vec<Described>,
    exemplars: Vec<Exemplar>,
}

impl Notes {
    /// A metric family means this, a node says at a time.
    pub fn describe(&mut self, family: &str, kind: u8, help: &str, unit: &str, now_ms: i64) {
        let (help, unit) = (shortened(help), shortened(unit));
        self.descriptions.push((family.to_owned(), Description { kind, help, unit }, now_ms));
    }

    /// Adds an exemplar; false for one that is too long.
    pub fn exemplify(&mut self, exemplar: Exemplar) -> bool {
        let texts = exemplar.labels.iter().flat_map(|(name, value)| [name, value]);
        let fits = texts.map(|text| text.chars().count()).sum::<usize>() <= EXEMPLAR_CHARS_MAX;
        if fits {
            self.exemplars.push(exemplar);
        }
        fits
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.descriptions.is_empty() && self.exemplars.is_empty()
    }

    /// The records of what is new.
    pub(super) fn into_records(mut self, known: &SharedAnnotations) -> Records {
        let mut records = Vec::new();
        if !self.descriptions.is_empty() {
            let known = known.read();
            self.descriptions.retain(|(family, description, now_ms)| {
                known.heard_ms(family, description).is_none_or(|heard| now_ms - heard > HEARD_MS)
            });
        }
        if !self.descriptions.is_empty() {
            records.push((Tag::METADATA, encode_descriptions(&self.descriptions)));
        }
        if !self.exemplars.is_empty() {
            records.push((Tag::EXEMPLARS, encode_exemplars(self.exemplars.iter())));
        }
        records
    }
}

fn shortened(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned()
}
