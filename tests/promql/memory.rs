//! Series in memory as a source, for scripts and properties.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use shoal_model::Matcher;
use shoal_query::{LabelSet, Sample, Selection, SeriesSource, SourceError};

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
    fn select<'s>(
        &'s self,
        matchers: &[Matcher],
        range_ms: RangeInclusive<i64>,
    ) -> Result<Box<dyn Selection + 's>, SourceError> {
        let fits =
            |labels: &LabelSet| matchers.iter().all(|matcher| matcher.matches(labels.value(matcher.name())));
        let series = self.0.iter().filter(|(labels, _)| !range_ms.is_empty() && fits(labels)).collect();
        Ok(Box::new(Selected { series, range_ms }))
    }
}

/// Some of the series.
struct Selected<'m> {
    series: Vec<(&'m LabelSet, &'m BTreeMap<i64, f64>)>,
    range_ms: RangeInclusive<i64>,
}

impl Selection for Selected<'_> {
    fn count(&self) -> usize {
        self.series.len()
    }

    fn labels(&self, number: usize) -> LabelSet {
        self.series[number].0.clone()
    }

    fn read(&self, numbers: Range<usize>, each: &mut dyn FnMut(usize, &[Sample])) -> Result<(), SourceError> {
        for number in numbers {
            let samples = self.series[number].1.range(self.range_ms.clone());
            let samples: Vec<Sample> = samples.map(|(t_ms, v)| Sample { t_ms: *t_ms, v: *v }).collect();
            each(number, &samples);
        }
        Ok(())
    }
}
