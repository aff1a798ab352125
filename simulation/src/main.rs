//! `run --seed S` prints what came of one seed, `sweep --seeds A..B` runs many and stops at the first that fails.
//! What is printed on standard output depends on the seed alone; times and progress go to standard error.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use shoal_simulation::{Options, Outcome, run};

const USAGE: &str = "usage: shoal-simulation run --seed S [--seconds N] | sweep --seeds A..B [--seconds N]";

enum Command {
    Run { seed: u64, faults: Duration },
    Sweep { seeds: Range<u64>, faults: Duration },
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match parse(&arguments) {
        Ok(Command::Run { seed, faults }) => run_one(seed, faults),
        Ok(Command::Sweep { seeds, faults }) => sweep(seeds, faults),
        Err(error) => {
            eprintln!("{error:#}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn parse(arguments: &[String]) -> anyhow::Result<Command> {
    let (command, flags) = arguments.split_first().context("a command is missing")?;
    let (mut seeds, mut faults) = (None, Options::new(0).faults);
    for pair in flags.chunks(2) {
        let [flag, value] = pair else { bail!("{} needs a value", pair.concat()) };
        match (command.as_str(), flag.as_str()) {
            ("run", "--seed") => seeds = Some((value.parse().context("a seed is a number")?, 0)),
            ("sweep", "--seeds") => seeds = Some(parse_range(value)?),
            (_, "--seconds") => faults = Duration::from_secs(value.parse().context("seconds are a number")?),
            _ => bail!("{command} does not know {flag}"),
        }
    }
    match (command.as_str(), seeds) {
        ("run", Some((seed, _))) => Ok(Command::Run { seed, faults }),
        ("sweep", Some((first, end))) => Ok(Command::Sweep { seeds: first..end, faults }),
        ("run" | "sweep", None) => bail!("{command} needs seeds"),
        _ => bail!("there is no command {command}"),
    }
}

fn parse_range(text: &str) -> anyhow::Result<(u64, u64)> {
    let (first, end) = text.split_once("..").context("seeds are A..B, B not among them")?;
    Ok((first.parse().context("a seed is a number")?, end.parse().context("a seed is a number")?))
}

fn run_one(seed: u64, faults: Duration) -> ExitCode {
    let began = Instant::now();
    let outcome = run(&Options { faults, ..Options::new(seed) });
    outcome.story.iter().for_each(|line| println!("{line}"));
    println!("{}", summary(&outcome));
    eprintln!("{:.0} times as fast as real time", speed(outcome.time, began));
    verdict(&outcome, faults)
}

fn sweep(seeds: Range<u64>, faults: Duration) -> ExitCode {
    let (began, mut virtual_time) = (Instant::now(), Duration::ZERO);
    let count = seeds.end.saturating_sub(seeds.start);
    for seed in seeds.clone() {
        let run = catch_unwind(AssertUnwindSafe(|| run(&Options { faults, ..Options::new(seed) })));
        let Ok(outcome) = run else {
            println!("seed {seed} panicked\n{}", reproduce(seed, faults));
            return ExitCode::FAILURE;
        };
        if !outcome.violations.is_empty() {
            eprintln!();
            outcome.story.iter().rev().take(40).rev().for_each(|line| println!("{line}"));
            println!("{}", summary(&outcome));
            return verdict(&outcome, faults);
        }
        virtual_time += outcome.time;
        let (done, fast) = (seed + 1 - seeds.start, speed(virtual_time, began));
        if done % 10 == 0 || done == count {
            eprint!("\r{done} of {count} seeds, {fast:.0} times as fast as real time ");
        }
    }
    eprintln!();
    println!(
        "{count} seeds passed: {}..{}, {} virtual seconds",
        seeds.start,
        seeds.end,
        virtual_time.as_secs()
    );
    ExitCode::SUCCESS
}

fn summary(outcome: &Outcome) -> String {
    let Outcome { seed, nodes, events, points, digest, trace, figures, .. } = outcome;
    let calmed = outcome
        .calmed_after
        .map_or("not in time".to_owned(), |after| format!("{after:?} after the last fault"));
    format!(
        "seed {seed}: {nodes} nodes, {:.2} s, {events} events, {points} points, digest {digest:032x}\n{figures:?}\n\
         all was well {calmed}\ntrace {trace:032x}",
        outcome.time.as_secs_f64()
    )
}

fn verdict(outcome: &Outcome, faults: Duration) -> ExitCode {
    if outcome.violations.is_empty() {
        return ExitCode::SUCCESS;
    }
    outcome.violations.iter().for_each(|violation| println!("{violation}"));
    println!("{}", reproduce(outcome.seed, faults));
    ExitCode::FAILURE
}

fn reproduce(seed: u64, faults: Duration) -> String {
    let seconds = faults.as_secs();
    format!("reproduce: cargo run --release -p shoal-simulation -- run --seed {seed} --seconds {seconds}")
}

fn speed(virtual_time: Duration, began: Instant) -> f64 {
    virtual_time.as_secs_f64() / began.elapsed().as_secs_f64().max(f64::EPSILON)
}
