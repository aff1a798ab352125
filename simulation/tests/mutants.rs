//! The simulation finds bugs: each mutant of the production code is caught within a few seeds, and the seeds that it
//! was run on pass without it. Needs the feature `mutants`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use shoal_merge::mutants::{Mutant, switch};
use shoal_simulation::{Options, run};

/// Seeds that a mutant may survive.
const SEEDS_MAX: u64 = 40;

/// Whether a seed finds something, be it a panic.
fn finds(seed: u64, mutant: Option<Mutant>) -> bool {
    switch(mutant);
    let options = Options { faults: Duration::from_secs(150), nodes: Some(3), ..Options::new(seed) };
    let outcome = catch_unwind(AssertUnwindSafe(|| run(&options)));
    switch(None);
    outcome.map_or(true, |outcome| !outcome.violations.is_empty())
}

#[test]
fn every_mutant_is_caught_and_its_seeds_pass_without_it() {
    std::panic::set_hook(Box::new(|_| {}));
    let caught = Mutant::ALL.map(|mutant| {
        let by = (1..=SEEDS_MAX).find(|seed| finds(*seed, Some(mutant)));
        println!("{mutant:?}: {}", by.map_or("survives".to_owned(), |seed| format!("caught by seed {seed}")));
        by
    });
    let last = caught.iter().flatten().max().copied().unwrap_or_default();
    let failing: Vec<u64> = (1..=last).filter(|seed| finds(*seed, None)).collect();
    drop(std::panic::take_hook());
    assert_eq!(failing, Vec::<u64>::new(), "seeds that fail without a mutant");
    let survivors: Vec<_> = Mutant::ALL.iter().zip(caught).filter(|(_, by)| by.is_none()).collect();
    assert!(survivors.is_empty(), "{survivors:?}");
}
