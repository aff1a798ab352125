//! Totals: counter, updown and delta writers of one series add up, each by its own rule. `value` states the
//! sum at one time; `merge` keeps it along a range, taking an old share out and the new one in. Sums are
//! exact, so both give the same bits.

use std::ops::RangeInclusive;

use crdts::CmRDT;
use shoal_model::{Kind, Point, is_stale, stale};

use super::counter::{self, Greatest};
use super::live::LiveWriters;
use super::timeline::{Event, events, moments};
use super::{Liveness, WriterPoints, delta, updown};
use crate::exact::ExactSum;

/// The merged value at a ms.
pub(super) fn value(parts: &[WriterPoints<'_>], at_ms: i64, liveness: Liveness) -> f64 {
    let mut shares = Shares::default();
    for part in parts {
        match part.kind {
            Kind::Counter => shares.replace(None, counter::total(part, at_ms)),
            Kind::UpDown => shares.replace(None, updown::level(part, at_ms, liveness)),
            Kind::Delta => shares.count += delta::add_total(part, at_ms, &mut shares.sum),
            Kind::Gauge | Kind::Sample => debug_assert!(false, "{} is no total", part.kind),
        }
    }
    shares.value()
}

/// The merged samples of a range.
pub(super) fn merge(parts: &[WriterPoints<'_>], range: RangeInclusive<i64>) -> Vec<Point> {
    let events = events(parts, &(i64::MIN..=*range.end()));
    let mut running = Running::new(parts);
    let mut samples = Vec::new();
    for (ms, group) in moments(&events) {
        group.iter().for_each(|event| running.observe(event));
        running.expire(ms);
        if range.contains(&ms) {
            samples.push(Point::new(ms, running.shares.value()));
        }
    }
    samples
}

/// The sum of all contributions, and how many there are.
#[derive(Default)]
struct Shares {
    sum: ExactSum,
    count: usize,
}

impl Shares {
    fn replace(&mut self, old: Option<f64>, new: Option<f64>) {
        if old.map(f64::to_bits) == new.map(f64::to_bits) {
            return;
        }
        if let Some(old) = old {
            self.sum.subtract(old);
            self.count -= 1;
        }
        if let Some(new) = new {
            self.sum.add(new);
            self.count += 1;
        }
    }

    fn value(&self) -> f64 {
        if self.count == 0 { stale() } else { self.sum.value() }
    }
}

/// What is known of one writer so far.
enum Share {
    Counter(Greatest),
    UpDown,
    Delta,
}

/// The sum as time goes on.
struct Running {
    writers: Vec<Share>,
    live: LiveWriters,
    shares: Shares,
}

impl Running {
    fn new(parts: &[WriterPoints<'_>]) -> Self {
        let share = |part: &WriterPoints<'_>| match part.kind {
            Kind::Counter => Share::Counter(Greatest::default()),
            Kind::Delta => Share::Delta,
            Kind::UpDown | Kind::Gauge | Kind::Sample => Share::UpDown,
        };
        Self {
            writers: parts.iter().map(share).collect(),
            live: LiveWriters::new(parts.len()),
            shares: Shares::default(),
        }
    }

    fn observe(&mut self, event: &Event) {
        let value = event.point.value;
        match &mut self.writers[event.writer] {
            Share::Counter(greatest) => {
                let old = greatest.value();
                greatest.apply(value);
                self.shares.replace(old, greatest.value());
            }
            Share::UpDown => {
                let old = self.live.observe(event.writer, event.point);
                self.shares.replace(old, Some(value).filter(|value| !is_stale(*value)));
            }
            Share::Delta if value.is_finite() => self.shares.replace(None, Some(value)),
            Share::Delta => {}
        }
    }

    fn expire(&mut self, at_ms: i64) {
        while let Some(value) = self.live.pop_aged(at_ms) {
            self.shares.replace(Some(value), None);
        }
    }
}
