//! What happened in all seeds of a sweep so far: numbers by name, and the seeds that failed. It is kept in a file, in
//! which a sweep that was interrupted finds where to go on.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use shoal_simulation::{Kind, Outcome};

/// Sums over the seeds from the first one to before the next one.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// The first seed.
    pub first: u64,
    /// The seed that is to be run next.
    pub next: u64,
    /// Seeds that failed, each with why in a line.
    pub failed: BTreeMap<u64, String>,
    numbers: BTreeMap<String, u64>,
}

impl Sums {
    /// The sums in a state file, if they are of a sweep over these seeds; else none yet.
    pub fn resume(known: Option<&str>, seeds: &Range<u64>) -> Self {
        let known = known.map(Self::parse).unwrap_or_default();
        let is_of_these = known.first == seeds.start && (seeds.start..=seeds.end).contains(&known.next);
        if is_of_these { known } else { Self { first: seeds.start, next: seeds.start, ..Self::default() } }
    }

    /// The next seed has ended so; `Err` if it panicked.
    pub fn add(&mut self, seed: u64, ended: &Result<Outcome, String>) {
        self.next = seed + 1;
        match ended {
            Ok(outcome) => {
                self.add_numbers(outcome);
                if let Some(violation) = outcome.violations.first() {
                    self.failed.insert(seed, violation.to_string());
                }
            }
            Err(panic) => drop(self.failed.insert(seed, panic.clone())),
        }
    }

    /// How often a kind of fault struck.
    pub fn struck(&self, kind: Kind) -> u64 {
        self.numbers.get(&fault_name(kind)).copied().unwrap_or_default()
    }

    /// The sums for people: hours, numbers, and how often each kind of fault struck.
    pub fn tell(&self) -> String {
        let seconds = |name| self.numbers.get(name).copied().unwrap_or_default() as f64 / 3600.0;
        let hours = [("cluster-hours", CLUSTER_SECONDS), ("node-hours", NODE_SECONDS)];
        let hours = hours.map(|(name, of)| format!("{:>14.1}  {name}\n", seconds(of))).concat();
        let numbers = self.numbers.iter().map(|(name, number)| format!("{number:>14}  {name}\n"));
        hours + &numbers.collect::<String>()
    }

    fn add_numbers(&mut self, outcome: &Outcome) {
        let figures = &outcome.figures;
        let seconds = outcome.time.as_secs();
        let named = [
            (CLUSTER_SECONDS, seconds),
            (NODE_SECONDS, seconds * outcome.nodes as u64),
            ("events", outcome.events),
            ("messages", figures.messages),
            ("messages lost", figures.lost),
            ("writes sent", figures.writes),
            ("writes not taken", figures.refused),
            ("writes acknowledged", figures.acknowledged),
            ("writes void with a disk", figures.void),
            ("reports laid aside", figures.laid_aside),
            ("sessions begun anew", figures.reborn),
            ("reads", figures.reads),
            ("reads by token", figures.tokens),
            ("completeness checks", figures.complete),
            ("processes begun", figures.lives),
            ("rotten frames found at a start", figures.holes),
            ("frames given up", figures.voided),
            ("journals failed", figures.journals_failed),
            ("repairs begun", figures.repairs),
            ("repairs done", figures.repaired),
            ("processes superseded", figures.superseded),
            ("flushes, merges and expiries", figures.jobs),
        ];
        let named = named.into_iter().map(|(name, number)| (name.to_owned(), number));
        let faults = figures.faults.iter().map(|(kind, number)| (fault_name(*kind), *number));
        for (name, number) in named.chain(faults) {
            *self.numbers.entry(name).or_default() += number;
        }
    }

    fn parse(text: &str) -> Self {
        let mut sums = Self::default();
        for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
            match (name, name.strip_prefix(FAILED), value.parse()) {
                (_, Some(seed), _) => {
                    sums.failed.extend(seed.parse().ok().map(|seed| (seed, value.to_owned())))
                }
                ("first", _, Ok(seed)) => sums.first = seed,
                ("next", _, Ok(seed)) => sums.next = seed,
                (_, _, Ok(number)) => drop(sums.numbers.insert(name.to_owned(), number)),
                _ => {}
            }
        }
        sums
    }
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "first={}\nnext={}", self.first, self.next)?;
        self.failed
            .iter()
            .try_for_each(|(seed, why)| writeln!(f, "{FAILED}{seed}={}", why.replace('\n', " ")))?;
        self.numbers.iter().try_for_each(|(name, number)| writeln!(f, "{name}={number}"))
    }
}

const CLUSTER_SECONDS: &str = "simulated seconds of a cluster";
const NODE_SECONDS: &str = "simulated seconds of a node";
const FAILED: &str = "failed seed ";

fn fault_name(kind: Kind) -> String {
    format!("fault {kind:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_resumed_only_for_the_same_seeds() {
        let mut sums = Sums { first: 3, next: 3, ..Sums::default() };
        sums.add(3, &Err("it panicked".to_owned()));
        let text = sums.to_string();
        assert_eq!(Sums::resume(Some(&text), &(3..9)), sums);
        assert_eq!(Sums::resume(Some(&text), &(3..4)), sums, "a sweep that has ended is told again");
        assert_eq!(Sums::resume(Some(&text), &(2..9)).next, 2);
        assert!(Sums::resume(None, &(3..9)).failed.is_empty());
    }
}
