//! The labels of a result: a sorted set of pairs that, unlike a stored series' labels, may have no metric name
//! or no label at all. Pairs are shared, so that grouping thousands of series copies no text.

use std::fmt;
use std::sync::Arc;

use shoal_model::Labels;
use shoal_model::labels::METRIC_NAME;

/// A label set: sorted by name, no name twice, no empty value. Ordered by its pairs, as Prometheus orders series.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LabelSet(Arc<[(Arc<str>, Arc<str>)]>);

impl LabelSet {
    /// Sorts pairs and leaves out empty values; of one name twice the first stays.
    pub fn new<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let shared =
            pairs.into_iter().map(|(name, value)| (Arc::from(name.as_ref()), Arc::from(value.as_ref())));
        let mut kept: Vec<(Arc<str>, Arc<str>)> =
            shared.filter(|(_, value): &(_, Arc<str>)| !value.is_empty()).collect();
        kept.sort_by(|a, b| a.0.cmp(&b.0));
        kept.dedup_by(|later, earlier| later.0 == earlier.0);
        Self(kept.into())
    }

    /// The set without labels.
    pub fn empty() -> Self {
        Self(Arc::from([]))
    }

    /// The value of a label; empty where it is absent.
    pub fn value(&self, name: &str) -> &str {
        self.0.binary_search_by(|pair| pair.0.as_ref().cmp(name)).map_or("", |at| &self.0[at].1)
    }

    /// The pairs in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    /// Whether there is no label.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Only the labels of which the name fits.
    pub(crate) fn filtered(&self, fits: impl Fn(&str) -> bool) -> Self {
        if self.0.iter().all(|(name, _)| fits(name)) {
            return self.clone();
        }
        Self(self.0.iter().filter(|(name, _)| fits(name)).cloned().collect())
    }

    /// The labels without the metric name.
    pub(crate) fn without_name(&self) -> Self {
        self.filtered(|name| name != METRIC_NAME)
    }

    /// The labels with one set, or taken away where the value is empty.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut pairs: Vec<_> = self.0.iter().filter(|pair| pair.0.as_ref() != name).cloned().collect();
        if !value.is_empty() {
            let at = pairs.partition_point(|pair| pair.0.as_ref() < name);
            pairs.insert(at, (Arc::from(name), Arc::from(value)));
        }
        Self(pairs.into())
    }
}

impl From<&Labels> for LabelSet {
    fn from(labels: &Labels) -> Self {
        Self(labels.iter().map(|(name, value)| (Arc::from(name), Arc::from(value))).collect())
    }
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
    }
}
