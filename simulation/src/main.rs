//! The command line: runs one seed, sweeps over many, or tells how convergence goes with the number of nodes. What
//! is printed on standard output depends on the seeds alone; times and progress go to standard error.

mod sweep;

use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use mimalloc::MiMalloc;
use shoal_simulation::{Options, Outcome, converge, run};

use sweep::{Plan, Sweep};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const USAGE: &str = "usage: shoal-simulation run --seed S [--seconds N] [--nodes N]
       shoal-simulation replay --seed S [--seconds N] [--nodes N]      the same, with the whole story
       shoal-simulation sweep --seeds A..B [--seconds N] [--nodes N] [--state FILE] [--jobs N] [--keep-going]
       shoal-simulation curve [--nodes N] [--seed S]    how a write spreads over 3 to N nodes";

/// Lines of the story that a failure shows.
const STORY_LINES: usize = 40;

/// What was asked for on the command line.
struct Flags {
    options: Options,
    seeds: Option<Range<u64>>,
    state: Option<PathBuf>,
    jobs: NonZeroUsize,
    keeps_going: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((command, flags)) = arguments.split_first() else { return misused("a command is missing") };
    let flags = match parse(flags) {
        Ok(flags) => flags,
        Err(error) => return misused(&format!("{error:#}")),
    };
    match (command.as_str(), flags) {
        ("run", Flags { options, seeds: None, .. }) => run_one(&options, STORY_LINES),
        ("replay", Flags { options, seeds: None, .. }) => run_one(&options, usize::MAX),
        ("sweep", Flags { options, seeds: Some(seeds), state, jobs, keeps_going }) => {
            Sweep::new(options, Plan { seeds, state, jobs, keeps_going }).run()
        }
        ("curve", Flags { options, .. }) => curve(&options),
        ("run" | "replay", _) => misused("give one seed, by --seed S"),
        ("sweep", _) => misused("give seeds, by --seeds A..B, B not among them"),
        _ => misused(&format!("there is no command {command}")),
    }
}

fn misused(what: &str) -> ExitCode {
    eprintln!("{what}\n{USAGE}");
    ExitCode::from(2)
}

fn parse(arguments: &[String]) -> anyhow::Result<Flags> {
    let mut flags = Flags {
        options: Options::new(0),
        seeds: None,
        state: None,
        jobs: NonZeroUsize::MIN,
        keeps_going: false,
    };
    let mut arguments = arguments.iter();
    while let Some(flag) = arguments.next() {
        if flag == "--keep-going" {
            flags.keeps_going = true;
            continue;
        }
        let value = arguments.next().with_context(|| format!("{flag} needs a value"))?;
        let number = || value.parse::<u64>().with_context(|| format!("{flag} needs a number, not {value}"));
        match flag.as_str() {
            "--seed" => flags.options.seed = number()?,
            "--seconds" => flags.options.faults = Duration::from_secs(number()?),
            "--nodes" => flags.options.nodes = Some(usize::try_from(number()?)?.clamp(1, 1_000)),
            "--seeds" => flags.seeds = Some(parse_range(value)?),
            "--state" => flags.state = Some(value.into()),
            "--jobs" => {
                flags.jobs = usize::try_from(number()?)?.try_into().context("--jobs is at least 1")?
            }
            _ => bail!("there is no flag {flag}"),
        }
    }
    Ok(flags)
}

fn parse_range(text: &str) -> anyhow::Result<Range<u64>> {
    let (first, end) = text.split_once("..").context("seeds are A..B, B not among them")?;
    Ok(first.parse().context("a seed is a number")?..end.parse().context("a seed is a number")?)
}

fn run_one(options: &Options, lines: usize) -> ExitCode {
    let began = Instant::now();
    let outcome = run(options);
    tell(&outcome, options, lines);
    let times = outcome.time.as_secs_f64() / began.elapsed().as_secs_f64().max(f64::EPSILON);
    eprintln!("{times:.0} times as fast as real time, {} nodes", outcome.nodes);
    if outcome.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints how long a write takes to be everywhere in clusters up to a size, while one message of a hundred is lost.
fn curve(options: &Options) -> ExitCode {
    println!("| nodes | formed after | everywhere: median | 90 of 100 | worst |\n|---|---|---|---|---|");
    let most = options.nodes.unwrap_or(200);
    for nodes in [3, 5, 10, 20, 50, 100, 150, 200].into_iter().filter(|nodes| *nodes <= most) {
        let Some(found) = converge(nodes, 0.01, options.seed) else {
            println!("| {nodes} | not in time |");
            return ExitCode::FAILURE;
        };
        let ms = |time: Duration| format!("{} ms", time.as_millis());
        let at = |share: usize| ms(found.spread[(found.spread.len() - 1) * share / 100]);
        println!("| {nodes} | {} | {} | {} | {} |", ms(found.formed), at(50), at(90), at(100));
    }
    ExitCode::SUCCESS
}

/// Prints what came of a seed, and how to see it again if it failed.
fn tell(outcome: &Outcome, options: &Options, lines: usize) {
    let Outcome { seed, nodes, events, points, digest, trace, figures, story, mix, .. } = outcome;
    story.iter().skip(story.len().saturating_sub(lines)).for_each(|line| println!("{line}"));
    let calmed = outcome.calmed_after;
    let calmed = calmed.map_or("not in time".to_owned(), |after| format!("{after:?} after the last fault"));
    println!(
        "seed {seed}: {nodes} nodes, {:.2} s, {events} events, {points} points, digest {digest:032x}\n{mix}\n\
         {figures:?}\nall was well {calmed}\ntrace {trace:032x}",
        outcome.time.as_secs_f64()
    );
    if !outcome.violations.is_empty() {
        outcome.violations.iter().for_each(|violation| println!("{violation}"));
        println!("{}", reproduce(options));
    }
}

/// The line that shows a seed again.
fn reproduce(options: &Options) -> String {
    let nodes = options.nodes.map(|nodes| format!(" --nodes {nodes}")).unwrap_or_default();
    let (seed, seconds) = (options.seed, options.faults.as_secs());
    format!(
        "reproduce: cargo run --release -p shoal-simulation -- replay --seed {seed} --seconds {seconds}{nodes}"
    )
}
