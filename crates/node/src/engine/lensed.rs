//! The store's view as PromQL's source: series are read some at a time, seen through their lenses, and handed over
//! in order of labels. A second family of a series carries a `__kind__` label. Damage is read around; what that
//! may cost is noted, and so is the effort.

use std::collections::BTreeSet;
use std::ops::{Range, RangeInclusive};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use shoal_merge::lens;
use shoal_model::{Family, Matcher};
use shoal_query::{LabelSet, Sample, Selection, SeriesSource, SourceError};
use shoal_store::{SeriesRead, SeriesView, View};

use super::answer::{KIND_LABEL, clash, missing, writer_points};

/// Warnings of one query that are told; the rest is counted.
const WARNINGS_TOLD_MAX: usize = 32;

/// A view seen through the lenses.
pub struct Lensed<'v> {
    view: &'v View,
    warnings: Mutex<BTreeSet<String>>,
    warnings_more: AtomicU64,
    series: AtomicU64,
    points: AtomicU64,
    selecting_ns: AtomicU64,
    reading_ns: AtomicU64,
}

/// What answering a query took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// Series that were selected.
    pub series: u64,
    /// Points of their streams that were read, before the lenses.
    pub points: u64,
    /// Time spent on selecting.
    pub selecting: Duration,
    /// Time spent on reading and merging, of all threads together.
    pub reading: Duration,
}

impl<'v> Lensed<'v> {
    /// Looks at a view.
    pub fn new(view: &'v View) -> Self {
        Self {
            view,
            warnings: Mutex::default(),
            warnings_more: AtomicU64::new(0),
            series: AtomicU64::new(0),
            points: AtomicU64::new(0),
            selecting_ns: AtomicU64::new(0),
            reading_ns: AtomicU64::new(0),
        }
    }

    /// Why something may be missing from what was read so far, or looks odd.
    pub fn warnings(&self) -> Vec<String> {
        let warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        let more = self.warnings_more.load(Ordering::Relaxed);
        let rest = (more > 0).then(|| format!("{more} more warnings about series"));
        warnings.iter().cloned().chain(rest).collect()
    }

    /// What it took so far.
    pub fn effort(&self) -> Effort {
        Effort {
            series: self.series.load(Ordering::Relaxed),
            points: self.points.load(Ordering::Relaxed),
            selecting: Duration::from_nanos(self.selecting_ns.load(Ordering::Relaxed)),
            reading: Duration::from_nanos(self.reading_ns.load(Ordering::Relaxed)),
        }
    }

    fn warn(&self, told: impl IntoIterator<Item = String>) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        for warning in told {
            if warnings.len() < WARNINGS_TOLD_MAX {
                warnings.insert(warning);
            } else if !warnings.contains(&warning) {
                self.warnings_more.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl SeriesSource for Lensed<'_> {
    fn select<'s>(
        &'s self,
        matchers: &[Matcher],
        range_ms: RangeInclusive<i64>,
    ) -> Result<Box<dyn Selection + 's>, SourceError> {
        let began = Instant::now();
        let mut series = self.view.select(matchers);
        if series.iter().any(|one| one.is_second) {
            series.sort_by_cached_key(shown_labels);
        }
        self.series.fetch_add(series.len() as u64, Ordering::Relaxed);
        self.selecting_ns.fetch_add(nanos(began), Ordering::Relaxed);
        Ok(Box::new(Selected { source: self, series, range_ms }))
    }
}

/// Series of a view, and the ms that are asked for.
struct Selected<'s> {
    source: &'s Lensed<'s>,
    series: Vec<SeriesView>,
    range_ms: RangeInclusive<i64>,
}

impl Selection for Selected<'_> {
    fn count(&self) -> usize {
        self.series.len()
    }

    fn labels(&self, number: usize) -> LabelSet {
        shown_labels(&self.series[number])
    }

    fn read(&self, numbers: Range<usize>, each: &mut dyn FnMut(usize, &[Sample])) -> Result<(), SourceError> {
        let mut number = numbers.start;
        let mut samples = Vec::new();
        // What lenses need differs, so those that need the same are read together.
        for alike in self.series[numbers].chunk_by(|a, b| need(a) == need(b)) {
            let began = Instant::now();
            let reads = self.read_alike(alike);
            self.source.reading_ns.fetch_add(nanos(began), Ordering::Relaxed);
            for (series, read) in alike.iter().zip(reads) {
                self.merge(series, &read, &mut samples);
                each(number, &samples);
                number += 1;
            }
        }
        Ok(())
    }
}

/// What the lens of a series has to see besides the range: nothing, what its family needs, or all there was.
#[derive(PartialEq, Eq)]
enum Need {
    Nothing,
    Around(Family),
    Before,
}

fn need(series: &SeriesView) -> Need {
    match (series.family, series.streams.as_slice()) {
        (Family::Sample, [_]) => Need::Nothing,
        (Family::Totals, _) => Need::Before,
        (family, _) => Need::Around(family),
    }
}

impl Selected<'_> {
    fn read_alike(&self, series: &[SeriesView]) -> Vec<SeriesRead> {
        let view = self.source.view;
        match series.first().map_or(Need::Nothing, need) {
            Need::Nothing => view.read_all(series, self.range_ms.clone()),
            Need::Around(family) => view.read_all(series, lens::needed(family, self.range_ms.clone())),
            Need::Before => view.read_all_condensed(series, self.range_ms.clone()),
        }
    }

    fn merge(&self, series: &SeriesView, read: &SeriesRead, samples: &mut Vec<Sample>) {
        let SeriesRead { streams, damage } = read;
        let points = streams.iter().map(|stream| stream.points.len() as u64).sum();
        self.source.points.fetch_add(points, Ordering::Relaxed);
        let parts: Vec<_> = streams.iter().map(writer_points).collect();
        samples.clear();
        let merged = lens::merge(&parts, self.range_ms.clone());
        samples.extend(merged.into_iter().map(|point| Sample { t_ms: point.time, v: point.value }));
        if !damage.is_empty() {
            self.source.warn(missing(series, damage));
        }
        if series.is_second && !samples.is_empty() {
            self.source.warn([clash(series)]);
        }
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

fn nanos(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
