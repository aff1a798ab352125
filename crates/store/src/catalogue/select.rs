//! Finding series by their labels: each matcher narrows the set of series, the cheapest first. An absent label
//! matches as the empty value; a regular expression is run at most once for each value of its label.

use std::borrow::Cow;

use hashbrown::HashMap;
use roaring::RoaringBitmap;
use shoal_model::{Kind, Matcher, Writer};

use super::pattern::{Pattern, negates};
use super::postings::{Posting, Values, union};
use super::{Catalogue, SeriesEntry};

impl Catalogue {
    /// The series that all matchers fit, in order of labels: as sequences of (name, value).
    pub fn select(&self, matchers: &[Matcher]) -> Vec<SeriesEntry> {
        let found = self.in_order_of_labels(&self.series_matching(matchers));
        found.into_iter().filter_map(|series| self.entry(series)).collect()
    }

    /// The numbers of the series that all matchers fit.
    pub(super) fn series_matching(&self, matchers: &[Matcher]) -> RoaringBitmap {
        let mut conditions: Vec<_> = matchers.iter().map(|matcher| Condition::new(self, matcher)).collect();
        conditions.sort_by_key(Condition::cost);
        let all = Cow::Borrowed(&self.postings.all);
        conditions.iter().fold(all, |found, condition| condition.narrow(found)).into_owned()
    }

    /// The names of the labels of the series that all matchers fit, sorted.
    pub fn label_names(&self, matchers: &[Matcher]) -> Vec<String> {
        let found = self.series_matching(matchers);
        let names = self.postings.by_name.iter().filter(|(_, values)| !values.present.is_disjoint(&found));
        self.sorted_texts(names.map(|(name, _)| *name))
    }

    /// The values of one label of the series that all matchers fit, sorted.
    pub fn label_values(&self, name: &str, matchers: &[Matcher]) -> Vec<String> {
        let Some(name) = self.symbols.find(name) else { return Vec::new() };
        let Some(values) = self.postings.by_name.get(&name) else { return Vec::new() };
        let found = self.series_matching(matchers);
        if found.len() < values.by_value.len() as u64 {
            return self.sorted_texts(found.iter().filter_map(|series| self.value(series, name)));
        }
        let met = values.by_value.iter().filter(|(_, posting)| posting.meets(&found));
        self.sorted_texts(met.map(|(value, _)| *value))
    }

    fn entry(&self, series: u32) -> Option<SeriesEntry> {
        let stream = |place| Some((self.streams.writer(place)?, self.streams.kind(place)?, place));
        let mut streams: Vec<(Writer, Kind, u32)> =
            self.streams.of_series(series).filter_map(stream).collect();
        streams.sort_unstable();
        Some(SeriesEntry { labels: self.labels(series)?, streams })
    }

    fn value(&self, series: u32, name: u32) -> Option<u32> {
        self.series.pairs(series).find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    fn sorted_texts(&self, symbols: impl Iterator<Item = u32>) -> Vec<String> {
        let symbols: RoaringBitmap = symbols.collect();
        let mut texts: Vec<String> =
            symbols.iter().map(|symbol| self.symbols.text(symbol).to_owned()).collect();
        texts.sort_unstable();
        texts
    }
}

/// One matcher, resolved against the index.
struct Condition<'a> {
    catalogue: &'a Catalogue,
    matcher: &'a Matcher,
    pattern: Pattern,
    names_empty: bool,
    negates: bool,
    /// The label's symbol and values; `None` where no series has the label.
    label: Option<(u32, &'a Values)>,
    /// The series of each value that the pattern names one by one.
    one_of: Vec<&'a Posting>,
}

impl<'a> Condition<'a> {
    fn new(catalogue: &'a Catalogue, matcher: &'a Matcher) -> Self {
        let pattern = Pattern::new(matcher);
        let name = catalogue.symbols.find(matcher.name());
        let label = name.and_then(|name| Some((name, catalogue.postings.by_name.get(&name)?)));
        let one_of = match (&pattern, label) {
            (Pattern::OneOf(texts), Some((_, values))) => one_of(catalogue, values, texts),
            _ => Vec::new(),
        };
        let names_empty = pattern.matches(matcher, "");
        Self { catalogue, matcher, pattern, names_empty, negates: negates(matcher), label, one_of }
    }

    /// Conditions are met in this order: a few named values first, the fewest series foremost; what has to look
    /// at every value last.
    fn cost(&self) -> (u8, u64) {
        match &self.pattern {
            Pattern::OneOf(_) if self.names_empty == self.negates => {
                (0, self.one_of.iter().map(|posting| posting.len()).sum())
            }
            Pattern::OneOf(_) | Pattern::Any | Pattern::NotEmpty => (1, 0),
            Pattern::Prefix { .. } => (2, 0),
            Pattern::Expression => (3, 0),
        }
    }

    fn narrow<'f>(&self, found: Cow<'f, RoaringBitmap>) -> Cow<'f, RoaringBitmap> {
        let Some((name, values)) = self.label else {
            return if self.names_empty != self.negates { found } else { Cow::default() };
        };
        if found.is_empty() {
            return found;
        }
        let named = self.named(name, values, &found);
        Cow::Owned(match (self.names_empty, self.negates) {
            (false, false) => &*found & &*named,
            (false, true) => &*found - &*named,
            (true, false) => &*found - (&values.present - &*named),
            (true, true) => (&*found & &values.present) - &*named,
        })
    }

    /// The series of `found`, and perhaps others, that have the label with a value that the pattern names.
    fn named(&self, name: u32, values: &'a Values, found: &RoaringBitmap) -> Cow<'a, RoaringBitmap> {
        let fits = |value: u32| self.pattern.matches(self.matcher, self.catalogue.symbols.text(value));
        match (&self.pattern, self.one_of.as_slice()) {
            (Pattern::Any | Pattern::NotEmpty, _) => Cow::Borrowed(&values.present),
            (Pattern::OneOf(_), [posting]) => posting.set(),
            (Pattern::OneOf(_), postings) => Cow::Owned(union(postings.iter().copied())),
            (Pattern::Prefix { .. } | Pattern::Expression, _) => {
                if found.len() < values.by_value.len() as u64 {
                    return Cow::Owned(self.among(name, found, fits));
                }
                let fitting = values.by_value.iter().filter(|(value, _)| fits(**value));
                Cow::Owned(union(fitting.map(|(_, posting)| posting)))
            }
        }
    }

    /// Those of `found` whose value fits: for sets smaller than the label's values are many.
    fn among(&self, name: u32, found: &RoaringBitmap, fits: impl Fn(u32) -> bool) -> RoaringBitmap {
        let mut known: HashMap<u32, bool> = HashMap::new();
        let mut fits = |value| *known.entry(value).or_insert_with(|| fits(value));
        found.iter().filter(|series| self.catalogue.value(*series, name).is_some_and(&mut fits)).collect()
    }
}

fn one_of<'a>(catalogue: &Catalogue, values: &'a Values, texts: &[String]) -> Vec<&'a Posting> {
    let mut symbols: Vec<u32> = texts.iter().filter_map(|text| catalogue.symbols.find(text)).collect();
    symbols.sort_unstable();
    symbols.dedup();
    symbols.iter().filter_map(|symbol| values.by_value.get(symbol)).collect()
}
