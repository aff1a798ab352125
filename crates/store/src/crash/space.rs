//! A disk that is full from some operation on, and one that does not sync: writes are refused, reads go on,
//! and nothing that was promised is lost.

use super::rig::Rig;
use crate::disk::memory::Trouble;

const STEPS: usize = 40;

/// Does what a seed says while something is wrong from an operation on; all that was taken reads all the while.
fn in_trouble(seed: u64, operation: u64, trouble: Trouble) -> Rig {
    let at = format!("seed {seed}, operation {operation}, {trouble:?}");
    let mut rig = Rig::new(seed);
    rig.run(STEPS, operation);
    rig.disk.trouble_after(operation, trouble);
    rig.run_in_one_life(STEPS);
    if let Some(store) = &rig.store {
        rig.truth.check(store, &at);
    }
    rig
}

fn operations(seed: u64) -> u64 {
    let mut rig = Rig::new(seed);
    rig.run(STEPS, u64::MAX);
    rig.disk.operations()
}

#[test]
fn a_disk_that_fills_up_at_any_operation_is_written_again_once_it_has_space() {
    for seed in 10..11 {
        for operation in 0..operations(seed) {
            let at = format!("seed {seed}, operation {operation}");
            let mut rig = in_trouble(seed, operation, Trouble::Full);
            rig.disk.end_trouble();
            if rig.store.is_none() {
                rig.open().unwrap();
            }
            let before = rig.truth.frames.len();
            rig.append();
            assert_eq!(rig.truth.frames.len(), before + 1, "{at}: there is space again");
            rig.store_mut().freeze();
            assert!(rig.settle(), "{at}: jobs end");
            rig.sync();
            rig.truth.check(rig.store.as_ref().unwrap(), &at);
            rig.close();
            rig.disk.lose_power(0);
            rig.open().unwrap();
            assert!(rig.keeps_promises(), "{at}");
            rig.truth.check(rig.store.as_ref().unwrap(), &at);
        }
    }
}

#[test]
fn syncs_that_fail_at_any_operation_promise_nothing() {
    for seed in 20..21 {
        for operation in 0..operations(seed) {
            let at = format!("seed {seed}, operation {operation}");
            let mut rig = in_trouble(seed, operation, Trouble::FailedSyncs);
            // They succeed again, which says nothing of what they were to write before.
            rig.disk.end_trouble();
            rig.run_in_one_life(STEPS / 2);
            if rig.store.is_some() {
                rig.settle();
            }
            rig.close();
            rig.disk.lose_power_by(operation);
            rig.open().unwrap_or_else(|error| panic!("{at}: {error}"));
            assert!(rig.keeps_promises(), "{at}");
            rig.truth.check(rig.store.as_ref().unwrap(), &at);
        }
    }
}
