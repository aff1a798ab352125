//! The labels of a result: a sorted set of pairs that, unlike a stored series' labels, may have no metric name
//! or no label at all. A set is one shared run of text, so that a copy is a count and grouping costs one
//! allocation a series.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use shoal_model::Labels;
use shoal_model::labels::METRIC_NAME;

/// The label that holds a metric's type, where there is one.
const METRIC_TYPE: &str = "__type__";
/// The label that holds a metric's unit, where there is one.
const METRIC_UNIT: &str = "__unit__";

/// A label set: sorted by name, no name twice, no empty value. Ordered by its pairs, as Prometheus orders series.
///
/// Name and value of each pair stand one after the other, each behind its length: digits of base 64, the least
/// first, all but the last with bit 6 set. So the whole is text, and equal sets are equal texts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LabelSet(Arc<str>);

impl LabelSet {
    /// Sorts pairs and leaves out empty values; of one name twice the first stays.
    pub fn new<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut kept: Vec<(N, V)> =
            pairs.into_iter().filter(|(_, value)| !value.as_ref().is_empty()).collect();
        kept.sort_by(|a, b| a.0.as_ref().cmp(b.0.as_ref()));
        kept.dedup_by(|later, earlier| later.0.as_ref() == earlier.0.as_ref());
        Self::of_sorted(kept.iter().map(|(name, value)| (name.as_ref(), value.as_ref())))
    }

    /// The set without labels.
    pub fn empty() -> Self {
        Self(Arc::from(""))
    }

    /// The value of a label; empty where it is absent.
    pub fn value(&self, name: &str) -> &str {
        self.iter().find(|pair| pair.0 == name).map_or("", |(_, value)| value)
    }

    /// The pairs in order of name.
    pub fn iter(&self) -> Pairs<'_> {
        Pairs(&self.0)
    }

    /// Whether there is no label.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Only the labels of which the name fits.
    pub(crate) fn filtered(&self, fits: impl Fn(&str) -> bool) -> Self {
        let mut text = String::with_capacity(self.0.len());
        self.iter().filter(|(name, _)| fits(name)).for_each(|pair| put_pair(&mut text, pair));
        if text.len() == self.0.len() { self.clone() } else { Self(text.into()) }
    }

    /// The labels without the metric name, and without what else belongs to the metric and not to a value
    /// computed from it: its type and unit, where a sender writes them as labels.
    pub(crate) fn without_name(&self) -> Self {
        self.filtered(|name| ![METRIC_NAME, METRIC_TYPE, METRIC_UNIT].contains(&name))
    }

    /// The labels with one set, or taken away where the value is empty.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let own = [(name, value)];
        let own = own.into_iter().filter(|(_, value)| !value.is_empty());
        let before = self.iter().take_while(|pair| pair.0 < name);
        let after = self.iter().skip_while(|pair| pair.0 <= name);
        Self::of_sorted(before.chain(own).chain(after))
    }

    fn of_sorted<'p>(pairs: impl Iterator<Item = (&'p str, &'p str)>) -> Self {
        let mut text = String::with_capacity(256);
        pairs.for_each(|pair| put_pair(&mut text, pair));
        Self(text.into())
    }
}

impl From<&Labels> for LabelSet {
    fn from(labels: &Labels) -> Self {
        Self::of_sorted(labels.iter())
    }
}

impl PartialOrd for LabelSet {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for LabelSet {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

/// The pairs of a set in order of name.
#[derive(Clone, Debug)]
pub struct Pairs<'l>(&'l str);

impl<'l> Iterator for Pairs<'l> {
    type Item = (&'l str, &'l str);

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() { None } else { Some((take_text(&mut self.0), take_text(&mut self.0))) }
    }
}

/// Bits of a length in one digit.
const DIGIT_BITS: u32 = 6;
/// Set in every digit of a length but the last.
const MORE: u8 = 1 << DIGIT_BITS;

fn put_pair(text: &mut String, (name, value): (&str, &str)) {
    for part in [name, value] {
        let mut length = part.len();
        while length >> DIGIT_BITS > 0 {
            text.push(char::from((length as u8 % MORE) | MORE));
            length >>= DIGIT_BITS;
        }
        text.push(char::from(length as u8));
        text.push_str(part);
    }
}

fn take_text<'l>(rest: &mut &'l str) -> &'l str {
    let (mut length, mut digits) = (0, 0);
    for digit in rest.bytes() {
        length |= usize::from(digit % MORE) << (DIGIT_BITS * digits);
        digits += 1;
        if digit & MORE == 0 {
            break;
        }
    }
    let (text, after) = rest[digits as usize..].split_at(length);
    *rest = after;
    text
}

/// Prometheus' notation for messages: `{__name__="up", job="x"}`.
impl fmt::Display for LabelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (at, (name, value)) in self.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            if is_plain(name) {
                write!(f, "{comma}{name}={value:?}")?;
            } else {
                write!(f, "{comma}{name:?}={value:?}")?;
            }
        }
        f.write_str("}")
    }
}

fn is_plain(name: &str) -> bool {
    let fits = |byte: u8| byte == b'_' || byte.is_ascii_alphanumeric();
    name.bytes().all(fits) && !name.starts_with(|first: char| first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sorted_and_edited_in_place() {
        let labels = LabelSet::new([("b", "2"), ("a", "1"), ("empty", ""), (METRIC_NAME, "m")]);
        assert_eq!(labels.to_string(), r#"{__name__="m", a="1", b="2"}"#);
        assert_eq!(labels.with("a", "").without_name().to_string(), r#"{b="2"}"#);
        assert_eq!(labels.with("c.d", "3").value("c.d"), "3");
        assert_eq!(LabelSet::empty().to_string(), "{}");
        assert_eq!(labels.with("b", "x").to_string(), r#"{__name__="m", a="1", b="x"}"#);
    }

    #[test]
    fn texts_of_any_length_are_kept() {
        for length in [1, 63, 64, 65, 4095, 4096, 300_000] {
            let (name, value) = ("n".repeat(length), "\u{10ffff}é".repeat(length));
            let labels = LabelSet::new([("a", "1"), (name.as_str(), value.as_str())]);
            assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "1"), (name.as_str(), value.as_str())]);
        }
    }

    #[test]
    fn sets_are_ordered_by_their_pairs_and_not_by_their_length() {
        let set = |pairs: &[(&str, &str)]| LabelSet::new(pairs.iter().copied());
        assert!(set(&[("a", "10")]) < set(&[("a", "9")]));
        assert!(set(&[("a", "1")]) < set(&[("a", "1"), ("b", "1")]));
        assert!(set(&[("aa", "1")]) < set(&[("b", "1")]));
    }
}
