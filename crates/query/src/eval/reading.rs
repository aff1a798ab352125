//! Reading the series of a selector: some at a time, on several threads where there are many, and handed on in
//! order of labels whoever was first. So a query holds few samples, and its answer does not know the threads.

use std::num::NonZero;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use shoal_model::Matcher;

use super::{Evaluator, Row};
use crate::error::QueryError;
use crate::labels::LabelSet;
use crate::source::{Sample, Selection, Series, SourceError};

/// Series read in one go: a block's index is gone through once for all of them.
const BATCH: usize = 64;
/// With fewer batches than this a thread costs more than it saves.
const BATCHES_PARALLEL_MIN: usize = 8;
/// Batches that a thread is ahead of who takes them.
const BATCHES_AHEAD: usize = 2;

/// What a series' samples come to: a value a step, or nothing at all.
pub(crate) type Compute<'c> = dyn Fn(&[Sample]) -> Option<Vec<f64>> + Sync + 'c;

/// Takes rows, one after the other.
pub(crate) type Sink<'s> = dyn FnMut(Row) -> Result<(), QueryError> + 's;

/// Some series after reading: their numbers and values.
struct Batch {
    values: Vec<(usize, Vec<f64>)>,
    samples: usize,
}

impl<'a> Evaluator<'a> {
    /// Computes a row of each series of a selector, and hands the rows on in order of labels.
    pub(crate) fn each_series(
        &mut self,
        matchers: &[Matcher],
        range_ms: RangeInclusive<i64>,
        compute: &Compute<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        let selection = self.selection(matchers, range_ms)?;
        let selection = &*selection;
        let batches = selection.count().div_ceil(BATCH);
        let threads = self.options.threads.map_or(1, NonZero::get);
        if threads == 1 || batches < BATCHES_PARALLEL_MIN {
            for batch in 0..batches {
                self.hand_on(selection, read(selection, batch, compute)?, sink)?;
            }
            return Ok(());
        }
        std::thread::scope(|scope| {
            let lane = |first: usize| {
                let (sender, receiver) = sync_channel(BATCHES_AHEAD);
                scope.spawn(move || {
                    // It ends early where nobody takes any more.
                    (first..batches)
                        .step_by(threads)
                        .try_for_each(|batch| sender.send(read(selection, batch, compute)))
                });
                receiver
            };
            let lanes: Vec<_> = (0..threads).map(lane).collect();
            for batch in 0..batches {
                let read = lanes[batch % threads].recv().expect("a lane reads all its batches");
                self.hand_on(selection, read?, sink)?;
            }
            Ok(())
        })
    }

    fn hand_on(
        &mut self,
        selection: &dyn Selection,
        batch: Batch,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        self.check_stop()?;
        self.charge(batch.samples)?;
        batch
            .values
            .into_iter()
            .try_for_each(|(number, values)| sink(Row::new(selection.labels(number), values)))
    }

    /// All series of a selector with all their samples.
    pub(crate) fn series(
        &mut self,
        matchers: &[Matcher],
        range_ms: RangeInclusive<i64>,
    ) -> Result<Vec<Series>, QueryError> {
        let selection = self.selection(matchers, range_ms)?;
        self.held(&*selection)
    }

    /// The series of a selector. Those that a query asks for more than once are read once and held.
    fn selection(
        &mut self,
        matchers: &[Matcher],
        range_ms: RangeInclusive<i64>,
    ) -> Result<Arc<dyn Selection + 'a>, QueryError> {
        self.check_stop()?;
        if !self.repeated.contains(&format!("{matchers:?}")) {
            return self.selected(matchers, range_ms).map(Arc::from);
        }
        let key = format!("{matchers:?} {range_ms:?}");
        if let Some(held) = self.held.get(&key) {
            return Ok(Arc::clone(held));
        }
        let selection = self.selected(matchers, range_ms)?;
        let held: Arc<dyn Selection> = Arc::new(Held(self.held(&*selection)?));
        self.held.insert(key, Arc::clone(&held));
        Ok(held)
    }

    fn selected(
        &self,
        matchers: &[Matcher],
        range_ms: RangeInclusive<i64>,
    ) -> Result<Box<dyn Selection + 'a>, QueryError> {
        let selection = self.source.select(matchers, range_ms)?;
        let (count, most) = (selection.count(), self.options.series_max);
        if count > most {
            return Err(QueryError::execution(format!(
                "a selector fits {count} series, more than the {most} of one query: narrow it"
            )));
        }
        Ok(selection)
    }

    fn held(&mut self, selection: &dyn Selection) -> Result<Vec<Series>, QueryError> {
        let mut series = Vec::with_capacity(selection.count());
        for first in (0..selection.count()).step_by(BATCH) {
            self.check_stop()?;
            let mut samples_read = 0;
            selection.read(first..(first + BATCH).min(selection.count()), &mut |number, samples| {
                samples_read += samples.len();
                series.push(Series { labels: selection.labels(number), samples: samples.to_vec() });
            })?;
            self.charge(samples_read)?;
        }
        Ok(series)
    }
}

fn read(selection: &dyn Selection, batch: usize, compute: &Compute<'_>) -> Result<Batch, SourceError> {
    let first = batch * BATCH;
    let mut done = Batch { values: Vec::with_capacity(BATCH), samples: 0 };
    selection.read(first..(first + BATCH).min(selection.count()), &mut |number, samples| {
        done.samples += samples.len();
        done.values.extend(compute(samples).map(|values| (number, values)));
    })?;
    Ok(done)
}

/// Series that were read before.
struct Held(Vec<Series>);

impl Selection for Held {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn labels(&self, number: usize) -> LabelSet {
        self.0[number].labels.clone()
    }

    fn read(&self, numbers: Range<usize>, each: &mut dyn FnMut(usize, &[Sample])) -> Result<(), SourceError> {
        for (number, series) in numbers.clone().zip(&self.0[numbers]) {
            each(number, &series.samples);
        }
        Ok(())
    }
}
