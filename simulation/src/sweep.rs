//! A sweep: seed after seed, by several threads if that is wanted, a bar while it goes on, the sum of what happened at
//! the end. It stops at the first seed that fails or lists all that do, fails when a kind of fault never struck, and
//! goes on where it was interrupted if it has a state file. Seeds are added up in their order, whoever ran them.

mod sums;

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use shoal_simulation::{Kind, Options, Outcome, run};

use crate::{STORY_LINES, reproduce, tell};
use sums::Sums;

/// Seeds from which on every kind of fault must have struck.
const SEEDS_FOR_ALL_KINDS: u64 = 50;
/// Width of the bar.
const BAR: usize = 30;

/// How a sweep goes about its seeds.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seeds.
    pub seeds: Range<u64>,
    /// Where the sums are kept.
    pub state: Option<PathBuf>,
    /// How many seeds are run at a time.
    pub jobs: NonZeroUsize,
    /// Whether seeds after one that failed are run.
    pub keeps_going: bool,
}

/// Seeds to be run.
pub struct Sweep {
    options: Options,
    plan: Plan,
    sums: Sums,
    began: Instant,
    time: Duration,
}

/// What came of a seed; `Err` if it panicked.
type Ended = Result<Outcome, String>;

impl Sweep {
    /// A sweep over seeds, with the other options as given; it goes on where the state file says.
    pub fn new(options: Options, plan: Plan) -> Self {
        let known = plan.state.as_ref().and_then(|path| fs::read_to_string(path).ok());
        let sums = Sums::resume(known.as_deref(), &plan.seeds);
        Self { options, plan, sums, began: Instant::now(), time: Duration::ZERO }
    }

    /// Runs the seeds.
    pub fn run(mut self) -> ExitCode {
        let (next, is_over) = (AtomicU64::new(self.sums.next), AtomicBool::new(false));
        let (options, end) = (self.options.clone(), self.plan.seeds.end);
        let (sender, ended) = mpsc::channel::<(u64, Ended)>();
        let work = |sender: mpsc::Sender<_>| {
            let seeds = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < end);
            let is_wanted = || !is_over.load(Ordering::Relaxed);
            while let Some(seed) = is_wanted().then(seeds).flatten() {
                let ended = run_seed(&Options { seed, ..options.clone() });
                if sender.send((seed, ended)).is_err() {
                    return;
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..self.plan.jobs.get() {
                let sender = sender.clone();
                scope.spawn(move || work(sender));
            }
            drop(sender);
            self.add_up(ended);
            is_over.store(true, Ordering::Relaxed);
        });
        eprintln!();
        self.conclude()
    }

    /// Adds up what comes in, in the order of the seeds, to the end or to the first failure.
    fn add_up(&mut self, ended: mpsc::Receiver<(u64, Ended)>) {
        let mut early = BTreeMap::new();
        for (seed, one) in ended {
            early.insert(seed, one);
            while let Some(one) = early.remove(&self.sums.next) {
                let seed = self.sums.next;
                let has_failed = self.take(seed, &one);
                if has_failed && !self.plan.keeps_going {
                    return;
                }
            }
        }
    }

    /// Adds a seed. Whether it failed.
    fn take(&mut self, seed: u64, ended: &Ended) -> bool {
        let options = Options { seed, ..self.options.clone() };
        let has_failed = match ended {
            Ok(outcome) if outcome.violations.is_empty() => false,
            Ok(outcome) => {
                eprintln!();
                tell(outcome, &options, STORY_LINES);
                true
            }
            Err(panic) => {
                println!("\nseed {seed} {panic}\n{}", reproduce(&options));
                true
            }
        };
        self.time += ended.as_ref().map_or(Duration::ZERO, |outcome| outcome.time);
        if !has_failed || self.plan.keeps_going {
            self.sums.add(seed, ended);
            self.keep();
        }
        self.show();
        has_failed
    }

    fn keep(&self) {
        let Some(path) = &self.plan.state else { return };
        // Written beside and renamed: an interrupted sweep finds the old state or the new one.
        let scratch = path.with_extension("new");
        let written = fs::write(&scratch, self.sums.to_string()).and_then(|()| fs::rename(&scratch, path));
        if let Err(error) = written {
            eprintln!("\nthe state cannot be kept in {}: {error}", path.display());
        }
    }

    fn show(&self) {
        let Range { start, end } = self.plan.seeds;
        let (all, done) = (end - start, self.sums.next - start);
        let full = (done * BAR as u64 / all.max(1)) as usize;
        let fast = self.time.as_secs_f64() / self.began.elapsed().as_secs_f64().max(f64::EPSILON);
        let bar = "#".repeat(full) + &".".repeat(BAR - full);
        eprint!("\r[{bar}] {done} of {all} seeds, {fast:.0} simulated seconds a second ");
    }

    fn conclude(&self) -> ExitCode {
        let Range { start, end } = self.plan.seeds;
        if self.sums.next < end {
            return ExitCode::FAILURE;
        }
        let failed = &self.sums.failed;
        println!("{} of {} seeds passed: {start}..{end}", end - start - failed.len() as u64, end - start);
        print!("{}", self.sums.tell());
        for (seed, why) in failed {
            println!(
                "seed {seed} failed: {why}\n{}",
                reproduce(&Options { seed: *seed, ..self.options.clone() })
            );
        }
        let kinds = Kind::ALL.iter().map(|(kind, _)| *kind);
        let missing: Vec<_> = kinds.filter(|kind| self.sums.struck(*kind) == 0).collect();
        let lacks_kinds = !missing.is_empty() && end - start >= SEEDS_FOR_ALL_KINDS;
        if lacks_kinds {
            println!("faults that never struck: {missing:?}");
        }
        if lacks_kinds || !failed.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

/// Runs a seed. The story of one that passed is not wanted.
fn run_seed(options: &Options) -> Ended {
    let ended = catch_unwind(AssertUnwindSafe(|| run(options)));
    let told = |panic: Box<dyn std::any::Any + Send>| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        format!("panicked: {}", text.unwrap_or_default())
    };
    ended.map_err(told).map(|outcome| {
        let story = if outcome.violations.is_empty() { Vec::new() } else { outcome.story };
        Outcome { story, ..outcome }
    })
}
