//! A sweep: seed after seed, a bar while it goes on, the sum of what happened at the end. It stops at the first seed
//! that fails, fails when a kind of fault never struck, and goes on where it was interrupted if it has a state file.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use shoal_simulation::{Kind, Options, Outcome, run};

use crate::{STORY_LINES, reproduce, tell};

/// Seeds from which on every kind of fault must have struck.
const SEEDS_FOR_ALL_KINDS: u64 = 50;
/// Width of the bar.
const BAR: usize = 30;

/// Seeds to be run.
pub struct Sweep {
    options: Options,
    seeds: Range<u64>,
    state: Option<PathBuf>,
    sums: Sums,
}

/// What happened in all seeds so far, by name.
#[derive(Default)]
struct Sums {
    next: u64,
    numbers: BTreeMap<String, u64>,
}

impl Sweep {
    /// A sweep over seeds, with the other options as given; it goes on where the state file says.
    pub fn new(options: Options, seeds: Range<u64>, state: Option<PathBuf>) -> Self {
        let known = state.as_ref().and_then(|path| fs::read_to_string(path).ok());
        let sums = known.map(|text| Sums::parse(&text)).unwrap_or_default();
        let sums =
            if seeds.contains(&sums.next) { sums } else { Sums { next: seeds.start, ..Sums::default() } };
        Self { options, seeds, state, sums }
    }

    /// Runs the seeds.
    pub fn run(mut self) -> ExitCode {
        let (began, first) = (Instant::now(), self.sums.next);
        let mut time = Duration::ZERO;
        for seed in first..self.seeds.end {
            let options = Options { seed, ..self.options.clone() };
            let Ok(outcome) = catch_unwind(AssertUnwindSafe(|| run(&options))) else {
                println!("\nseed {seed} panicked\n{}", reproduce(&options));
                return ExitCode::FAILURE;
            };
            if !outcome.violations.is_empty() {
                eprintln!();
                tell(&outcome, &options, STORY_LINES);
                return ExitCode::FAILURE;
            }
            time += outcome.time;
            self.sums.add(&outcome);
            self.sums.next = seed + 1;
            self.keep();
            self.show(time, began);
        }
        eprintln!();
        self.conclude()
    }

    fn keep(&self) {
        let Some(path) = &self.state else { return };
        // Written beside and renamed: an interrupted sweep finds the old state or the new one.
        let scratch = path.with_extension("new");
        let written = fs::write(&scratch, self.sums.to_string()).and_then(|()| fs::rename(&scratch, path));
        if let Err(error) = written {
            eprintln!("\nthe state cannot be kept in {}: {error}", path.display());
        }
    }

    fn show(&self, time: Duration, began: Instant) {
        let (all, done) = (self.seeds.end - self.seeds.start, self.sums.next - self.seeds.start);
        let full = (done * BAR as u64 / all.max(1)) as usize;
        let fast = time.as_secs_f64() / began.elapsed().as_secs_f64().max(f64::EPSILON);
        let bar = "#".repeat(full) + &".".repeat(BAR - full);
        eprint!("\r[{bar}] {done} of {all} seeds, {fast:.0} simulated seconds a second ");
    }

    fn conclude(&self) -> ExitCode {
        let Range { start, end } = self.seeds;
        println!("{} seeds passed: {start}..{end}", end - start);
        self.sums.numbers.iter().for_each(|(name, number)| println!("{number:>14}  {name}"));
        let struck = |kind: &Kind| self.sums.numbers.contains_key(&fault_name(kind));
        let missing: Vec<_> = Kind::ALL.iter().map(|(kind, _)| kind).filter(|kind| !struck(kind)).collect();
        if !missing.is_empty() && end - start >= SEEDS_FOR_ALL_KINDS {
            println!("faults that never struck: {missing:?}");
            return ExitCode::FAILURE;
        }
        ExitCode::SUCCESS
    }
}

fn fault_name(kind: &Kind) -> String {
    format!("fault {kind:?}")
}

impl Sums {
    fn add(&mut self, outcome: &Outcome) {
        let figures = &outcome.figures;
        let seconds = outcome.time.as_secs();
        let named = [
            ("simulated seconds", seconds),
            ("simulated seconds times nodes", seconds * outcome.nodes as u64),
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
            ("journals failed", figures.journals_failed),
            ("repairs begun", figures.repairs),
            ("repairs done", figures.repaired),
            ("processes superseded", figures.superseded),
            ("flushes, merges and expiries", figures.jobs),
        ];
        let named = named.into_iter().map(|(name, number)| (name.to_owned(), number));
        let faults = figures.faults.iter().map(|(kind, number)| (fault_name(kind), *number));
        for (name, number) in named.chain(faults) {
            *self.numbers.entry(name).or_default() += number;
        }
    }

    fn parse(text: &str) -> Self {
        let mut sums = Self::default();
        for (name, number) in text.lines().filter_map(|line| line.split_once('=')) {
            let Ok(number) = number.parse() else { continue };
            match name {
                "next" => sums.next = number,
                _ => drop(sums.numbers.insert(name.to_owned(), number)),
            }
        }
        sums
    }
}

impl std::fmt::Display for Sums {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "next={}", self.next)?;
        self.numbers.iter().try_for_each(|(name, number)| writeln!(f, "{name}={number}"))
    }
}
