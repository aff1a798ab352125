//! Power loss and process death at every operation of the disk.

use shoal_merge::Frontier;

use super::rig::Rig;
use crate::disk::memory::Trouble;

/// How a life ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// The process dies; what it wrote is there.
    Death,
    /// The machine dies; the seed says what is there.
    PowerLoss(u64),
}

/// Steps of a workload of which every operation is tried.
const STEPS: usize = 40;

/// Does what a seed says, and ends it at an operation of the disk.
fn end_at(seed: u64, operation: u64, end: End) {
    let at = format!("seed {seed}, operation {operation}, {end:?}");
    let mut rig = Rig::new(seed);
    rig.disk.trouble_after(operation, Trouble::Stop);
    rig.run(STEPS, operation);
    rig.close();
    let kept = match end {
        End::Death => rig.accepted.clone(),
        End::PowerLoss(_) => rig.promised.clone(),
    };
    ended(&rig, end);
    recover(&mut rig, &kept, &at);
    // Recovery says that all of it is synced.
    let (applied, digest) = outcome(&rig);
    rig.close();
    rig.disk.lose_power_by(operation);
    recover(&mut rig, &applied, &at);
    assert_eq!(outcome(&rig), (applied, digest), "{at}: recovered twice");
    go_on(&mut rig, &at);
}

fn ended(rig: &Rig, end: End) {
    match end {
        End::Death => rig.disk.end_trouble(),
        End::PowerLoss(seed) => rig.disk.lose_power_by(seed),
    }
}

fn recover(rig: &mut Rig, kept: &Frontier, at: &str) {
    rig.open().unwrap_or_else(|error| panic!("{at}: {error}"));
    let store = rig.store.as_ref().unwrap();
    assert!(store.applied().covers(kept), "{at}: {:?} was kept of {kept:?}", store.applied());
    rig.truth.check(store, at);
}

fn outcome(rig: &Rig) -> (Frontier, shoal_merge::Digest) {
    let store = rig.store.as_ref().unwrap();
    (store.applied().clone(), store.digest().unwrap())
}

/// A store that was recovered works as any other.
fn go_on(rig: &mut Rig, at: &str) {
    rig.pull_all();
    for _ in 0..3 {
        rig.append();
    }
    rig.store_mut().freeze();
    assert!(rig.settle(), "{at}: jobs end");
    rig.append();
    rig.sync();
    let kept = rig.promised.clone();
    rig.close();
    rig.disk.lose_power(0);
    recover(rig, &kept, at);
}

/// How many operations a workload has.
fn operations(seed: u64) -> u64 {
    let mut rig = Rig::new(seed);
    rig.run(STEPS, u64::MAX);
    if let Some(store) = &rig.store {
        rig.truth.check(store, &format!("seed {seed}"));
    }
    rig.disk.operations()
}

#[test]
fn nothing_synced_is_lost_when_power_goes_at_any_operation() {
    for seed in 0..2 {
        for operation in 0..operations(seed) {
            end_at(seed, operation, End::PowerLoss(operation * 31 + seed));
        }
    }
}

#[test]
fn nothing_at_all_is_lost_when_the_process_dies_at_any_operation() {
    for seed in 3..4 {
        for operation in 0..operations(seed) {
            end_at(seed, operation, End::Death);
        }
    }
}

#[test]
fn many_workloads_survive_an_end_at_some_operation() {
    for seed in 100..150 {
        let operation = (seed * 7_919) % operations(seed).max(1);
        end_at(seed, operation, End::PowerLoss(seed));
        end_at(seed, (operation * 3) % operations(seed).max(1), End::Death);
    }
}

#[test]
fn a_recovery_that_is_itself_cut_short_loses_nothing() {
    for seed in 300..320 {
        let mut rig = Rig::new(seed);
        rig.run(STEPS, u64::MAX);
        rig.close();
        rig.disk.lose_power_by(seed);
        for interruption in 0..12 {
            let operation = rig.disk.operations() + interruption * 2;
            rig.disk.trouble_after(operation, Trouble::Stop);
            let was_cut_short = rig.open().is_err();
            rig.close();
            rig.disk.lose_power_by(seed + interruption);
            if !was_cut_short {
                break;
            }
        }
        let kept = rig.promised.clone();
        recover(&mut rig, &kept, &format!("seed {seed}"));
        go_on(&mut rig, &format!("seed {seed}"));
    }
}
