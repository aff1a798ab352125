//! What a door tells beside points: what metrics mean, and exemplars. A description that every node has heard within
//! the hour is not told again: senders repeat them all the time. All of it is bounded, so that it fits a frame with
//! the points of its request; what is over a bound is counted, and told with a later request.

use shoal_store::annotations::{encode_descriptions, encode_exemplars};
use shoal_store::{Described, Description, Exemplar, SharedAnnotations, Tag};

use super::Records;
use crate::admission::Rules;

/// How long a description stays told.
const HEARD_MS: i64 = 3_600_000;
/// Bytes of a help text or unit that are kept.
const TEXT_BYTES_MAX: usize = 1024;
/// Bytes of a family's name: longer ones are always a mistake of the sender.
const FAMILY_BYTES_MAX: usize = 1024;
/// Characters of an exemplar's labels, as OpenMetrics bounds them.
const EXEMPLAR_CHARS_MAX: usize = 128;
/// Exemplars of one request; a node keeps twice as many in all.
const EXEMPLARS_MAX: usize = 10_000;
/// Descriptions that one request tells: a frame has room for them beside its points, and the others are told with the
/// next requests.
const DESCRIPTIONS_MAX: usize = 1_000;

/// Notes to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    descriptions: Vec<Described>,
    exemplars: Vec<Exemplar>,
    refused: u64,
}

impl Notes {
    /// A metric family means this, a node says at a time.
    pub fn describe(&mut self, family: &str, kind: u8, help: &str, unit: &str, now_ms: i64) {
        if family.is_empty() || family.len() > FAMILY_BYTES_MAX {
            return;
        }
        let (help, unit) = (shortened(help), shortened(unit));
        self.descriptions.push((family.to_owned(), Description { kind, help, unit }, now_ms));
    }

    /// Adds an exemplar; one that is too long, or of too many, is refused.
    pub fn exemplify(&mut self, exemplar: Exemplar) {
        let texts = exemplar.labels.iter().flat_map(|(name, value)| [name, value]);
        let is_short = texts.map(|text| text.chars().count()).sum::<usize>() <= EXEMPLAR_CHARS_MAX;
        if is_short && self.exemplars.len() < EXEMPLARS_MAX {
            self.exemplars.push(exemplar);
        } else {
            self.refuse();
        }
    }

    /// An exemplar could not even be read.
    pub fn refuse(&mut self) {
        self.refused += 1;
    }

    /// Refuses the exemplars whose times no point may have: the newest are kept, so one of the year 2100 would stay
    /// for ever. How many were refused in all.
    pub fn admit(&mut self, rules: &Rules) -> u64 {
        let before = self.exemplars.len();
        self.exemplars.retain(|exemplar| rules.judge_time(exemplar.time_ms).is_none());
        self.refused + (before - self.exemplars.len()) as u64
    }

    /// The exemplars.
    pub fn exemplars(&self) -> &[Exemplar] {
        &self.exemplars
    }

    /// Leaves exemplars out.
    pub fn retain_exemplars(&mut self, is_kept: impl FnMut(&Exemplar) -> bool) {
        self.exemplars.retain(is_kept);
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
            self.descriptions.truncate(DESCRIPTIONS_MAX);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use shoal_model::SeriesId;
    use shoal_model::limits::FRAME_BYTES_MAX;

    const RULES: Rules =
        Rules { now_ms: 1_000_000, retention: Duration::from_secs(900), future: Duration::from_secs(60) };

    fn exemplar(time_ms: i64, trace: &str) -> Exemplar {
        let labels = vec![("trace_id".to_owned(), trace.to_owned())];
        Exemplar { time_ms, series: SeriesId([1; 16]), value_bits: 0, labels }
    }

    #[test]
    fn exemplars_are_bounded_in_length_number_and_time() {
        let mut notes = Notes::default();
        notes.exemplify(exemplar(1_000_000, &"x".repeat(121)));
        notes.exemplify(exemplar(1_060_001, "ahead"));
        notes.exemplify(exemplar(99_999, "old"));
        notes.exemplify(exemplar(1_060_000, "good"));
        assert_eq!(notes.admit(&RULES), 3);
        assert_eq!(notes.exemplars(), [exemplar(1_060_000, "good")]);
        (0..EXEMPLARS_MAX).for_each(|_| notes.exemplify(exemplar(1_000_000, "many")));
        assert_eq!((notes.exemplars().len(), notes.admit(&RULES)), (EXEMPLARS_MAX, 2));
    }

    #[test]
    fn descriptions_fit_a_frame_whatever_a_request_holds() {
        let mut notes = Notes::default();
        let help = "h".repeat(2 * TEXT_BYTES_MAX);
        (0..50_000).for_each(|n| notes.describe(&format!("family_{n}"), 1, &help, "s", 0));
        notes.describe(&"f".repeat(FAMILY_BYTES_MAX + 1), 1, "", "", 0);
        notes.describe("", 1, "", "", 0);
        let records = notes.into_records(&SharedAnnotations::default());
        let bytes: usize = records.iter().map(|(_, body)| body.len()).sum();
        assert!((DESCRIPTIONS_MAX..FRAME_BYTES_MAX / 4).contains(&bytes), "{bytes}");
    }
}
