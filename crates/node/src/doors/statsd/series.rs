//! What a line's name and tags are called in the cluster: Prometheus' names, as statsd_exporter makes them.

use std::borrow::Cow;

use shoal_model::{LabelError, Labels};

use super::line::{LineError, Sort};

/// The label of what only one node can count.
const INSTANCE: &str = "instance";
/// What a tag of that name is then called, as Prometheus calls it.
const EXPORTED_INSTANCE: &str = "exported_instance";

/// The base name and the labels of a line's series.
pub(super) struct Base {
    name: String,
    pairs: Vec<(String, String)>,
}

impl Base {
    /// Reads name and tags; `instance` is this node's, for sorts that only one node can count.
    pub(super) fn new(sort: Sort, name: &[u8], tags: &[u8], instance: &str) -> Result<Self, LineError> {
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| LineError::Labels);
        let mut pairs = Vec::new();
        for tag in text(tags)?.split(',').filter(|tag| !tag.is_empty()) {
            let (name, value) = tag.split_once(':').unwrap_or((tag, "true"));
            pairs.push((legal(name).into_owned(), value.to_owned()));
        }
        if matches!(sort, Sort::Gauge | Sort::Set) {
            pairs
                .iter_mut()
                .filter(|(name, _)| name == INSTANCE)
                .for_each(|pair| pair.0 = EXPORTED_INSTANCE.into());
            pairs.push((INSTANCE.to_owned(), instance.to_owned()));
        }
        Ok(Self { name: legal(text(name)?).into_owned(), pairs })
    }

    /// The series of that name.
    pub(super) fn plain(&self) -> Result<Labels, LabelError> {
        self.labels("", None)
    }

    /// The series of a classic histogram: a bucket for each bound, the last one for everything, sum and count.
    pub(super) fn histogram(&self, bounds: &[f64]) -> Result<Vec<Labels>, LabelError> {
        let bounds = bounds.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        let buckets = bounds.map(|bound| self.labels("_bucket", Some(&bound)));
        buckets.chain([self.labels("_sum", None), self.labels("_count", None)]).collect()
    }

    fn labels(&self, suffix: &str, bound: Option<&str>) -> Result<Labels, LabelError> {
        let name = format!("{}{suffix}", self.name);
        let pairs = self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let bound = bound.map(|bound| ("le", bound));
        Labels::new(pairs.chain([("__name__", name.as_str())]).chain(bound))
    }
}

/// A name of letters, digits and underscores: everything else becomes an underscore.
fn legal(name: &str) -> Cow<'_, str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let digit = name.starts_with(|first: char| first.is_ascii_digit());
    if !digit && name.bytes().all(fits) {
        return Cow::Borrowed(name);
    }
    let fitting = name.chars().map(|char| if char.is_ascii() && fits(char as u8) { char } else { '_' });
    Cow::Owned(digit.then_some('_').into_iter().chain(fitting).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(sort: Sort, name: &str, tags: &str) -> String {
        let base = Base::new(sort, name.as_bytes(), tags.as_bytes(), "n:1").unwrap();
        base.plain().map_or_else(|error| error.to_string(), |labels| labels.to_string())
    }

    #[test]
    fn names_are_made_legal_and_tags_become_labels() {
        assert_eq!(shown(Sort::Counter, "web.hits-5xx", ""), "web_hits_5xx");
        assert_eq!(
            shown(Sort::Counter, "5.é", "a.b:x:y,hot,,instance:i"),
            r#"_5__{a_b="x:y",hot="true",instance="i"}"#
        );
        assert_eq!(shown(Sort::Gauge, "g", "instance:i"), r#"g{exported_instance="i",instance="n:1"}"#);
        assert!(shown(Sort::Counter, "c", "a:1,a:2").contains("twice"));
    }

    #[test]
    fn a_histogram_has_buckets_sum_and_count() {
        let base = Base::new(Sort::Timer, b"t", b"k:v", "").unwrap();
        let shown: Vec<_> = base.histogram(&[0.5, 10.0]).unwrap().iter().map(Labels::to_string).collect();
        assert_eq!(
            shown,
            [
                r#"t_bucket{k="v",le="0.5"}"#,
                r#"t_bucket{k="v",le="10"}"#,
                r#"t_bucket{k="v",le="+Inf"}"#,
                r#"t_sum{k="v"}"#,
                r#"t_count{k="v"}"#,
            ]
        );
    }
}
