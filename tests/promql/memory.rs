//! Series in memory as a source, for scripts and properties.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use shoal_model::Matcher;
use shoal_query::{Hint, LabelSet, Sample, Series, SeriesSource, SourceError};

/// All series of a script so far.
#[derive(Debug, Default)]
pub struct Memory(BTreeMap<LabelSet, BTreeMap<i64, f64>>);

impl Memory {
    /// Adds samples; of one time twice the later stays.
    pub fn add(&mut self, labels: LabelSet, samples: impl IntoIterator<Item = Sample>) {
        self.0.entry(labels).or_default().extend(samples.into_iter().map(|sample| (sample.t_ms, sample.v)));
    }
}

impl SeriesSource for Memory {
    fn select(
        &self,
        matchers: &[Matcher],
        range_ms: RangeInclusive<i64>,
        _: Hint,
    ) -> Result<Vec<Series>, SourceError> {
        let fits =
            |labels: &LabelSet| matchers.iter().all(|matcher| matcher.matches(labels.value(matcher.name())));
        let series = |(labels, samples): (&LabelSet, &BTreeMap<i64, f64>)| Series {
            labels: labels.clone(),
            samples: samples.range(range_ms.clone()).map(|(t_ms, v)| Sample { t_ms: *t_ms, v: *v }).collect(),
        };
        if range_ms.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.0.iter().filter(|(labels, _)| fits(labels)).map(series).collect())
    }
}
