//! The store's view as PromQL's source: each series is read, seen through its lens, and handed over in order of
//! labels. A second family of a series carries a `__kind__` label.

use std::ops::RangeInclusive;

use shoal_merge::lens;
use shoal_model::Matcher;
use shoal_query::{Hint, LabelSet, Sample, Series, SeriesSource, SourceError};
use shoal_store::{SeriesView, View};

use super::answer::{KIND_LABEL, writer_points};

/// A view seen through the lenses.
pub struct Lensed<'v>(pub &'v View);

impl SeriesSource for Lensed<'_> {
    fn select(
        &self,
        matchers: &[Matcher],
        range_ms: RangeInclusive<i64>,
        _: Hint,
    ) -> Result<Vec<Series>, SourceError> {
        let mut found = Vec::new();
        for one in self.0.select(matchers) {
            let samples = samples(self.0, &one, range_ms.clone())?;
            if !samples.is_empty() {
                found.push(Series { labels: shown_labels(&one), samples });
            }
        }
        found.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(found)
    }
}

/// The labels that a series is shown with.
pub fn shown_labels(series: &SeriesView) -> LabelSet {
    if series.is_second {
        let kind = (KIND_LABEL.to_owned(), series.family.to_string());
        let pairs = series.labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        LabelSet::new(pairs.chain([kind]))
    } else {
        LabelSet::from(&series.labels)
    }
}

fn samples(
    view: &View,
    series: &SeriesView,
    range_ms: RangeInclusive<i64>,
) -> Result<Vec<Sample>, SourceError> {
    let streams = view
        .read_series(series, lens::needed(series.family, range_ms.clone()))
        .whole()
        .map_err(|error| SourceError(error.to_string()))?;
    let parts: Vec<_> = streams.iter().map(writer_points).collect();
    let points = lens::merge(&parts, range_ms);
    Ok(points.into_iter().map(|point| Sample { t_ms: point.time, v: point.value }).collect())
}
