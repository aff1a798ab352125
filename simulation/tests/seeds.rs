//! The simulation of itself: a seed repeats to the byte, a few seeds pass, and each defect put around the nodes on
//! purpose is found by the invariant that it breaks.

use std::time::Duration;

use shoal_simulation::{Invariant, Options, Outcome, Sabotage, run};

fn short(seed: u64, sabotage: Option<Sabotage>) -> Outcome {
    run(&Options { faults: Duration::from_secs(20), nodes: Some(4), sabotage, ..Options::new(seed) })
}

/// The invariants that some of a few seeds break, with what they said first.
fn broken(sabotage: Sabotage) -> Vec<(Invariant, String)> {
    let outcomes = (1..4).map(|seed| short(seed, Some(sabotage)));
    outcomes.flat_map(|outcome| outcome.violations).map(|found| (found.invariant, found.what)).collect()
}

#[test]
fn a_seed_gives_the_same_trace_twice_and_another_seed_another() {
    let first = short(7, None);
    assert_eq!(first, short(7, None));
    assert_ne!(first.trace, short(8, None).trace);
}

#[test]
fn ten_seeds_pass() {
    for seed in 1..=10 {
        let outcome = run(&Options { faults: Duration::from_secs(90), nodes: Some(3), ..Options::new(seed) });
        assert_eq!(outcome.violations, [], "seed {seed}:\n{}", outcome.story.join("\n"));
        assert!(outcome.figures.acknowledged > 50, "seed {seed}: {:?}", outcome.figures);
    }
}

#[test]
fn syncs_that_are_reported_and_never_run_are_found() {
    let broken = broken(Sabotage::SkippedSyncs);
    assert!(broken.iter().any(|(invariant, _)| *invariant == Invariant::Acknowledged), "{broken:?}");
    assert!(broken.iter().any(|(invariant, _)| *invariant == Invariant::Replay), "{broken:?}");
}

#[test]
fn a_node_that_gets_no_frames_is_found() {
    let broken = broken(Sabotage::StarvedNode);
    assert!(broken.iter().any(|(invariant, _)| *invariant == Invariant::Convergence), "{broken:?}");
}

#[test]
fn an_identity_used_for_two_increments_is_found() {
    let broken = broken(Sabotage::ReusedIdentity);
    let is_short = |(invariant, what): &(Invariant, String)| {
        *invariant == Invariant::Exact && what.contains("orders_total")
    };
    assert!(broken.iter().any(is_short), "{broken:?}");
}
