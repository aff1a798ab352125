//! One flipped bit in any file: never a panic and never a wrong value, but a clear error, or a hole or damage that
//! is named.

use std::collections::BTreeSet;

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use shoal_model::Point;

use super::rig::{Rig, open};
use crate::disk::memory::MemoryDisk;
use crate::store::Store;

/// Bits flipped in each kind of file.
const FLIPS: usize = 25;

/// A node with every kind of file, all of it durable.
fn node(seed: u64) -> Rig {
    let mut rig = Rig::new(seed);
    rig.options.journal_bytes_max = u64::MAX;
    rig.run(70, u64::MAX);
    if rig.store.is_none() {
        rig.open().unwrap();
    }
    for _ in 0..4 {
        rig.append();
    }
    rig.store_mut().freeze();
    assert!(rig.settle());
    for _ in 0..4 {
        rig.append();
    }
    rig.pull_all();
    rig.sync();
    // The commit of one sync is made durable by the next.
    rig.append();
    rig.sync();
    rig.push();
    rig.close();
    rig.disk.lose_power(0);
    rig
}

/// Every point that any frame brought: what reads may hand out.
fn written(rig: &Rig) -> BTreeSet<(shoal_model::StreamId, i64, u64)> {
    let points = rig.truth.frames.values().flat_map(|written| &written.points);
    points.map(|(stream, point)| (stream.id(), point.time, point.value.to_bits())).collect()
}

/// Reads all there is; whether nothing was amiss. What is read was written.
fn reads(store: &Store, written: &BTreeSet<(shoal_model::StreamId, i64, u64)>, at: &str) -> bool {
    let (view, mut is_whole) = (store.view(), true);
    let places = store.catalogue().read().places();
    for place in 0..places {
        let Some(id) = store.catalogue().read().id(place) else { continue };
        let mut points: Vec<Point> = Vec::new();
        is_whole &= view.read(place, id.kind, i64::MIN..=i64::MAX, &mut points).is_ok();
        for point in points {
            assert!(written.contains(&(id, point.time, point.value.to_bits())), "{at}: {point:?} of {id:?}");
        }
    }
    is_whole & view.digest().is_ok()
}

/// What one flipped bit came to.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Refused,
    Named,
    Harmless,
}

fn after_rot(rig: &Rig, disk: &MemoryDisk, at: &str) -> Outcome {
    let written = written(rig);
    let mut opened = match open(disk, 250, rig.options) {
        Err(error) => {
            assert!(error.to_string().len() > 20, "{at}: {error} tells nobody what to do");
            return Outcome::Refused;
        }
        Ok(opened) => opened,
    };
    let holes = opened.store.holes().count();
    let is_whole = reads(&opened.store, &written, at);
    if holes == 0 && is_whole {
        // A cut tail is what was written after the last commit; else nothing is gone.
        let promised = opened.store.applied().covers(&rig.promised);
        let is_told = opened.replayed.cut_bytes > 0 || !opened.replayed.rot.is_empty();
        assert!(promised || is_told, "{at}: something is gone without a word");
        rig.truth.check(&opened.store, at);
    }
    opened.store.freeze();
    let mut now_ms = 20_010 * 86_400_000;
    for _ in 0..20 {
        now_ms += 60_000;
        while let Some(job) = opened.store.poll_job(now_ms) {
            opened.store.handle_done(job.run());
        }
    }
    reads(&opened.store, &written, at);
    for (origin, head) in opened.store.applied().clone().iter() {
        for seq in 1..=head {
            opened.store.frames(origin, seq, 1);
        }
    }
    let named = holes > 0 || !is_whole || !opened.replayed.rot.is_empty() || opened.store.holes().count() > 0;
    if named { Outcome::Named } else { Outcome::Harmless }
}

#[test]
fn one_flipped_bit_in_any_file_is_named_or_harmless() {
    let mut outcomes = BTreeSet::new();
    for seed in 500..502 {
        let rig = node(seed);
        let mut rng = SmallRng::seed_from_u64(seed);
        let files = rig.disk.files();
        for kind in [".seg", ".idx", ".tab", ".blk", ".base", "MANIFEST", "defs.log"] {
            let paths: Vec<_> = files.iter().filter(|path| path.ends_with(kind)).collect();
            for _ in 0..FLIPS {
                let Some(path) = paths.choose(&mut rng) else { break };
                let disk = rig.disk.fork();
                let offset = rng.random_range(0..disk.file_len(path).unwrap().max(1));
                let mask = 1 << rng.random_range(0..8);
                if disk.rot(path, offset, mask) {
                    let outcome =
                        after_rot(&rig, &disk, &format!("seed {seed}, {path} at {offset} by {mask}"));
                    outcomes.insert(outcome);
                }
            }
        }
    }
    assert_eq!(outcomes.len(), 3, "{outcomes:?}");
}

#[test]
fn holes_from_rot_are_filled_by_a_peer_and_then_nothing_is_missing() {
    let mut filled = 0;
    for seed in 600..620 {
        let mut rig = node(seed);
        let has_bytes = |path: &String| path.ends_with(".seg") && rig.disk.file_len(path) > Some(0);
        let path = rig.disk.files().into_iter().rfind(has_bytes).unwrap();
        let len = rig.disk.file_len(&path).unwrap();
        rig.disk.rot(&path, (seed as usize * 37) % len, 4);
        let opened = open(&rig.disk, 250, rig.options).unwrap();
        filled += opened.store.holes().count();
        rig.store = Some(opened.store);
        rig.pull_all();
        assert_eq!(rig.store_mut().holes().collect::<Vec<_>>(), [], "seed {seed}");
        rig.truth.check(rig.store.as_ref().unwrap(), &format!("seed {seed}"));
        rig.sync();
        rig.close();
        rig.disk.lose_power(0);
        let store = open(&rig.disk, 251, rig.options).unwrap().store;
        assert_eq!(store.holes().count(), 0, "seed {seed}");
        rig.truth.check(&store, &format!("seed {seed}"));
    }
    assert!(filled > 10, "{filled} holes were filled");
}
