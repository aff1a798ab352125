//! The order of arrival does not matter: any permutation, duplication and split of the same points over two
//! stores that exchange frames, with flushes, merges, seals, expiry and restarts at any moment between, reads
//! the same and has the same digests.

use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use shoal_model::{Batch, Kind, Labels, Origin, Point, Stream, StreamPoints, Writer};

use super::rig::{open, options, point, points_of};
use super::truth::{Truth, Written};
use crate::disk::memory::MemoryDisk;
use crate::store::{Apply, Store, StoreError};

const NOW_MS: i64 = 20_000 * 86_400_000;

/// One of two stores, and where it stands.
struct Side {
    disk: MemoryDisk,
    store: Store,
    life: u8,
    now_ms: i64,
}

impl Side {
    fn new(life: u8) -> Self {
        let disk = MemoryDisk::new();
        let store = open(&disk, life, options(u64::MAX)).unwrap().store;
        Self { disk, store, life, now_ms: NOW_MS - 86_400_000 }
    }

    fn write(&mut self, batch: &Batch, truth: &mut Truth) {
        let mut appended = self.store.append(batch, &[]);
        if let Err(StoreError::Behind) = appended {
            self.run_jobs(usize::MAX);
            appended = self.store.append(batch, &[]);
        }
        let frame = appended.unwrap().frame;
        truth.frames.insert(frame.id(), Written { points: points_of(batch), member: None });
    }

    /// Something that changes where points lie, and nothing that is read.
    fn work(&mut self, what: u8) {
        match what % 8 {
            0 | 1 => self.store.freeze(),
            2 | 3 => self.run_jobs(1),
            4 => self.run_jobs(usize::MAX),
            5 => self.now_ms = (self.now_ms + 3 * 3_600_000).min(NOW_MS),
            6 => self.restart(),
            _ => {}
        }
    }

    fn run_jobs(&mut self, most: usize) {
        for _ in 0..most {
            let Some(job) = self.store.poll_job(self.now_ms) else { return };
            self.store.handle_done(job.run());
        }
    }

    fn restart(&mut self) {
        self.life += 2;
        self.store = open(&self.disk, self.life, options(u64::MAX)).unwrap().store;
    }

    /// Takes all that the other has, twice, as repeated messages would.
    fn pull(&mut self, from: &mut Side) {
        let origins: Vec<Origin> = from.store.applied().iter().map(|(origin, _)| origin).collect();
        for origin in origins.iter().chain(&origins) {
            while let Some(chunk) = from.store.chunk(*origin, self.store.table_len(*origin)) {
                self.store.define(&chunk).unwrap();
            }
            for frame in from.store.frames(*origin, 1, usize::MAX) {
                let mut applied = self.store.apply(&frame);
                if let Err(StoreError::Behind) = applied {
                    self.run_jobs(usize::MAX);
                    applied = self.store.apply(&frame);
                }
                assert!(matches!(applied.unwrap(), Apply::Applied(_) | Apply::Known));
            }
        }
    }
}

/// Points of few streams, times and values.
fn points(rng: &mut SmallRng, count: usize) -> Vec<(Stream, Point)> {
    let one = |rng: &mut SmallRng| {
        let kind = Kind::ALL[rng.random_range(0..Kind::ALL.len())];
        let labels = Labels::new([("__name__", kind.name())]).unwrap();
        let writer = Writer([rng.random_range(0..2); 16]);
        (Stream { labels, writer, kind }, point(rng, kind, NOW_MS))
    };
    (0..count).map(|_| one(rng)).collect()
}

fn batches(points: &[(Stream, Point)], rng: &mut SmallRng) -> Vec<Batch> {
    let (mut batches, mut rest) = (Vec::new(), points);
    while !rest.is_empty() {
        let (now, later) = rest.split_at(rng.random_range(1..=rest.len().min(30)));
        let one =
            |(stream, point): &(Stream, Point)| StreamPoints { stream: stream.clone(), points: vec![*point] };
        batches.push(Batch { streams: now.iter().map(one).collect() });
        rest = later;
    }
    batches
}

/// Gives both sides the points in some order, some of them twice.
fn arrive(points: &[(Stream, Point)], work: &[u8], seed: u64) -> ([Side; 2], Truth) {
    let (mut rng, mut truth) = (SmallRng::seed_from_u64(seed), Truth::default());
    let mut points = points.to_vec();
    let again: Vec<_> = points.iter().filter(|_| rng.random_bool(0.3)).cloned().collect();
    points.extend(again);
    points.shuffle(&mut rng);
    let [mut a, mut b] = [Side::new(1), Side::new(2)];
    let mut work = work.iter().cycle();
    for batch in batches(&points, &mut rng) {
        let (side, other) = if rng.random_bool(0.5) { (&mut a, &mut b) } else { (&mut b, &mut a) };
        side.write(&batch, &mut truth);
        work.by_ref().take(2).for_each(|what| side.work(*what));
        if rng.random_bool(0.1) {
            other.pull(side);
        }
    }
    a.pull(&mut b);
    b.pull(&mut a);
    for side in [&mut a, &mut b] {
        side.now_ms = NOW_MS;
        side.run_jobs(1);
    }
    ([a, b], truth)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn the_order_of_arrival_does_not_matter(
        seed: u64, orders: [u64; 2], count in 1_usize..300, work in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let points = points(&mut SmallRng::seed_from_u64(seed), count);
        let mut digests = Vec::new();
        for order in orders {
            let (sides, truth) = arrive(&points, &work, order);
            for Side { mut store, .. } in sides {
                truth.check(&store, "before all is flushed");
                digests.push(store.digest().unwrap());
                store.freeze();
                while let Some(job) = store.poll_job(NOW_MS) {
                    store.handle_done(job.run());
                }
                truth.check(&store, "after all is flushed");
                digests.push(store.digest().unwrap());
            }
        }
        prop_assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
    }
}
