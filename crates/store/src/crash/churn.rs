//! Series come and go, as pods do: over many windows, lives and power losses every answer is the plain record's, an old
//! view never shows an old point under a new name, and places are given out again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use shoal_model::{Batch, Kind, Labels, Origin, Stream, StreamId, StreamPoints, Writer, time};

use super::rig::{point, points_of};
use super::truth::{Truth, Written};
use crate::disk::memory::MemoryDisk;
use crate::store::{Apply, Done, Job, Options, Store, StoreError};
use crate::view::View;

const HOUR_MS: i64 = 3_600_000;
const NOW_MS: i64 = 20_000 * 24 * HOUR_MS;
/// Series of a generation, and hours until the next one.
const SERIES: u32 = 8;
const HOURS: i64 = 2;

/// What a view showed when it was taken.
type Shown = BTreeMap<StreamId, Vec<(i64, u64)>>;

/// A node whose series come and go, and a peer that sends it frames of its own.
struct Churn {
    rng: SmallRng,
    disk: MemoryDisk,
    store: Store,
    peer: Store,
    truth: Truth,
    lives: u32,
    peers: u32,
    now_ms: i64,
    jobs: Vec<Job>,
    done: Vec<Done>,
    held: Vec<(View, Shown)>,
}

fn own(life: u32) -> Origin {
    Origin(std::array::from_fn(|i| (life >> (8 * (i % 4))) as u8))
}

fn peers(life: u32) -> Origin {
    own(life | 1 << 31)
}

fn open(disk: &MemoryDisk, life: u32) -> Store {
    let options = Options {
        retention: Duration::from_secs(6 * 3600),
        totals: Duration::from_secs(100 * 365 * 86_400),
        memtable_points: (40, 200),
        ..Options::default()
    };
    let opened = Store::open(Arc::new(disk.clone()), own(life), options).unwrap();
    assert_eq!((opened.store.holes().count(), opened.replayed.rot), (0, vec![]));
    opened.store
}

/// A peer runs no jobs: its memtable takes all.
fn open_peer(life: u32) -> Store {
    Store::open(Arc::new(MemoryDisk::new()), peers(life), Options::default()).unwrap().store
}

impl Churn {
    fn new(seed: u64) -> Self {
        let disk = MemoryDisk::new();
        Self {
            rng: SmallRng::seed_from_u64(seed),
            store: open(&disk, 1),
            disk,
            peer: open_peer(1),
            truth: Truth::default(),
            lives: 1,
            peers: 1,
            now_ms: NOW_MS,
            jobs: Vec::new(),
            done: Vec::new(),
            held: Vec::new(),
        }
    }

    fn step(&mut self) {
        match self.rng.random_range(0..100) {
            0..35 => self.write(),
            35..50 => self.pull(),
            50..70 => self.jobs.extend(self.store.poll_job(self.now_ms)),
            70..88 => self.run_job(),
            88..90 => self.store.freeze(),
            90..93 => self.hold_view(),
            93..96 => self.drop_view(),
            96 => self.restart(),
            97..99 => self.hold_view(),
            _ => self.renew_peer(),
        }
    }

    fn write(&mut self) {
        let batch = self.batch();
        match self.store.append(&batch, &[]) {
            Ok(appended) => self.note(appended.frame.id(), &batch),
            Err(StoreError::Behind) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn note(&mut self, id: crate::frame::FrameId, batch: &Batch) {
        self.truth.frames.insert(id, Written { points: points_of(batch), member: None });
    }

    /// Takes a new frame of the peer in.
    fn pull(&mut self) {
        let (batch, origin) = (self.batch(), peers(self.peers));
        let id = self.peer.append(&batch, &[]).unwrap().frame.id();
        self.note(id, &batch);
        while let Some(chunk) = self.peer.chunk(origin, self.store.table_len(origin)) {
            self.store.define(&chunk).unwrap();
        }
        for frame in self.peer.frames(origin, self.store.applied().get(origin) + 1, usize::MAX) {
            match self.store.apply(&frame) {
                Ok(applied) => assert!(matches!(applied, Apply::Applied(_) | Apply::Known), "{applied:?}"),
                Err(StoreError::Behind) => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The peer starts again, once all that it wrote has been pulled.
    fn renew_peer(&mut self) {
        let origin = peers(self.peers);
        if self.store.applied().get(origin) == self.peer.applied().get(origin) {
            self.peers += 1;
            self.peer = open_peer(self.peers);
        }
    }

    fn run_job(&mut self) {
        if !self.jobs.is_empty() {
            let job = self.jobs.swap_remove(self.rng.random_range(0..self.jobs.len()));
            self.done.push(job.run());
        }
        if !self.done.is_empty() && self.rng.random_bool(0.8) {
            let done = self.done.swap_remove(self.rng.random_range(0..self.done.len()));
            self.store.handle_done(done);
        }
    }

    fn hold_view(&mut self) {
        let view = self.store.view();
        let shown = shown(&view);
        self.held.push((view, shown));
    }

    fn drop_view(&mut self) {
        if !self.held.is_empty() {
            let (view, expected) = self.held.swap_remove(0);
            check_view(&view, &expected);
        }
    }

    /// Syncs, or not, and loses what was not.
    fn restart(&mut self) {
        let job = self.store.poll_sync();
        if let Some(job) = job {
            let result = job.run();
            self.store.handle_synced(&job, result);
        }
        let held = self.store.held();
        (self.jobs, self.done) = (Vec::new(), Vec::new());
        self.held.drain(..).for_each(|(view, expected)| check_view(&view, &expected));
        self.lives += 1;
        if self.rng.random_bool(0.5) {
            self.disk.lose_power_by(self.rng.random());
        }
        self.store = open(&self.disk, self.lives);
        assert!(self.store.applied().covers(&held));
    }

    /// Runs all jobs and what follows from them.
    fn settle(&mut self) {
        self.held.drain(..).for_each(|(view, expected)| check_view(&view, &expected));
        for done in self.done.drain(..) {
            self.store.handle_done(done);
        }
        for job in self.jobs.drain(..) {
            self.store.handle_done(job.run());
        }
        while let Some(job) = self.store.poll_job(self.now_ms) {
            self.store.handle_done(job.run());
        }
    }

    fn batch(&mut self) -> Batch {
        let streams = (0..self.rng.random_range(1..4)).map(|_| self.stream_points()).collect();
        Batch { streams }
    }

    /// Points of a series of this generation, or of one that may be gone.
    fn stream_points(&mut self) -> StreamPoints {
        let rng = &mut self.rng;
        let old = if rng.random_bool(0.1) { rng.random_range(0..8) } else { 0 };
        let generation = (self.now_ms - NOW_MS) / (HOURS * HOUR_MS) - old;
        let number = rng.random_range(0..SERIES);
        let kinds = [Kind::Gauge, Kind::Sample, Kind::UpDown, Kind::Delta];
        let (kind, name) = match number {
            0 => (Kind::Counter, "total".to_owned()),
            _ => (kinds[number as usize % 4], format!("s{generation}")),
        };
        let labels = Labels::new([("__name__", name.as_str()), ("n", &number.to_string())]).unwrap();
        let count = rng.random_range(1..6);
        let now_ms = self.now_ms;
        let points = (0..count).map(|_| {
            let at = now_ms - rng.random_range(0..HOUR_MS);
            loop {
                let point = point(rng, kind, at);
                // What is far off never goes, or never comes.
                let age = now_ms.saturating_sub(time::millis(kind, point.time));
                if (-HOUR_MS..=8 * HOUR_MS).contains(&age) {
                    break point;
                }
            }
        });
        let points = points.collect();
        StreamPoints { stream: Stream { labels, writer: Writer::NONE, kind }, points }
    }
}

/// All that a view shows.
fn shown(view: &View) -> Shown {
    let mut shown = Shown::new();
    for series in view.select(&[]) {
        let read = view.read_series(&series, i64::MIN..=i64::MAX).whole().unwrap();
        for stream in read.into_iter().filter(|stream| !stream.points.is_empty()) {
            let id = StreamId { series: series.labels.series_id(), writer: stream.writer, kind: stream.kind };
            let points = stream.points.iter().map(|point| (point.time, point.value.to_bits()));
            shown.insert(id, points.collect());
        }
    }
    shown
}

fn check_view(view: &View, expected: &Shown) {
    assert_eq!(&shown(view), expected, "a view shows what it did when it was taken");
}

/// Lets series come and go for some hours; how many streams there were, and how many places at the most.
fn churn(seed: u64, hours: i64) -> (usize, u32) {
    let mut churn = Churn::new(seed);
    let (mut places, mut ids) = (0, std::collections::BTreeSet::new());
    for hour in 0..hours {
        for _ in 0..25 {
            churn.step();
        }
        let at = format!("seed {seed}, hour {hour}");
        if hour % 3 == 0 {
            churn.truth.check(&churn.store, &at);
        }
        if hour % 7 == 6 {
            churn.restart();
            churn.settle();
            churn.truth.check(&churn.store, &at);
            places = places.max(churn.store.catalogue().read().places());
        }
        churn.now_ms += HOUR_MS;
    }
    for written in churn.truth.frames.values() {
        ids.extend(written.points.iter().map(|(stream, _)| stream.id()));
    }
    (ids.len(), places)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]
    #[test]
    fn series_that_come_and_go_read_as_written(seed: u64) {
        churn(seed, 40);
    }
}

#[test]
fn places_of_series_that_are_gone_are_given_out_again() {
    let (streams, places) = churn(7, 300);
    assert!(places < 300 && streams > 1000, "{places} places for {streams} streams");
}
