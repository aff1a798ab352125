//! A node under test: a store over a disk with faults, a peer that it exchanges frames with, a clock, and a
//! seeded stream of things to do. What was written, accepted and promised is noted on the way.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use shoal_merge::Frontier;
use shoal_model::{Batch, Kind, Labels, Origin, Point, Stream, StreamPoints, Writer, stale, time};

use super::truth::{Truth, Written};
use crate::disk::memory::MemoryDisk;
use crate::frame::{FrameId, Record, Tag};
use crate::journal::SyncJob;
use crate::store::{Apply, Done, Job, Opened, Options, Store};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;

/// A node, its peer, and the record.
pub(super) struct Rig {
    pub(super) disk: MemoryDisk,
    pub(super) store: Option<Store>,
    pub(super) truth: Truth,
    /// What the node has said that it holds.
    pub(super) promised: Frontier,
    /// What the node has said that it has taken.
    pub(super) accepted: Frontier,
    pub(super) options: Options,
    pub(super) peer: Store,
    rng: SmallRng,
    lives: u8,
    now_ms: i64,
    sync: Option<SyncJob>,
    jobs: Vec<Job>,
    done: Vec<Done>,
}

/// How a node is set up.
pub(super) fn options(journal_bytes_max: u64) -> Options {
    Options {
        retention: Duration::from_secs(3 * 86_400),
        totals: Duration::from_secs(100 * 365 * 86_400),
        memtable_points: (40, 400),
        journal_bytes_max,
        ..Options::default()
    }
}

/// Opens the store of a disk under an origin.
pub(super) fn open(disk: &MemoryDisk, origin: u8, options: Options) -> std::io::Result<Opened> {
    Store::open(Arc::new(disk.clone()), Origin([origin; 16]), options)
}

impl Rig {
    /// A new node that will do what a seed says.
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let options = options(if rng.random_bool(0.5) { 6_000 } else { u64::MAX });
        // The peer runs no jobs: its memtable takes all.
        let peer = open(&MemoryDisk::new(), 200, Options::default()).unwrap().store;
        let (promised, accepted) = (Frontier::default(), Frontier::default());
        Self {
            disk: MemoryDisk::new(),
            store: None,
            truth: Truth::default(),
            promised,
            accepted,
            options,
            peer,
            rng,
            lives: 0,
            now_ms: 20_000 * DAY_MS,
            sync: None,
            jobs: Vec::new(),
            done: Vec::new(),
        }
    }

    /// Does some steps, but ends early once the disk has done so many operations.
    pub(super) fn run(&mut self, steps: usize, operations_max: u64) {
        for _ in 0..steps {
            if self.disk.operations() > operations_max {
                return;
            }
            self.step();
        }
    }

    /// Does some steps without a restart.
    pub(super) fn run_in_one_life(&mut self, steps: usize) {
        for _ in 0..steps {
            let lives = self.lives;
            if self.store.is_none() {
                return;
            }
            self.step_of(98);
            assert_eq!(self.lives, lives, "one life");
        }
    }

    /// Opens the store in a new life; the members' records that it hands back are kept.
    pub(super) fn open(&mut self) -> std::io::Result<()> {
        self.close();
        self.lives += 1;
        let Opened { mut store, members, replayed } = open(&self.disk, self.lives, self.options)?;
        assert_eq!(replayed.rot, [], "nothing has rotted");
        assert_eq!(store.holes().count(), 0, "nothing is missing");
        for body in self.truth.members(store.applied()) {
            assert!(members.contains(&body), "a member's record is lost");
        }
        store.keep_members(members);
        self.store = Some(store);
        Ok(())
    }

    /// Ends the life; jobs and syncs under way are forgotten.
    pub(super) fn close(&mut self) {
        self.store = None;
        (self.sync, self.jobs, self.done) = (None, Vec::new(), Vec::new());
    }

    fn step(&mut self) {
        if self.store.is_none() {
            let _ = self.open();
            return;
        }
        self.step_of(100);
    }

    /// One of the first kinds of steps.
    fn step_of(&mut self, kinds: u32) {
        match self.rng.random_range(0..kinds) {
            0..40 => self.append(),
            40..52 => self.pull(),
            52..55 => self.push(),
            55..65 => self.begin_sync(),
            65..75 => self.end_sync(),
            75..83 => self.take_job(),
            83..91 => self.run_job(),
            91..93 => self.store_mut().freeze(),
            93..97 => self.now_ms += self.rng.random_range(1..400) * MINUTE_MS,
            97 => self.grow_old(),
            98 => drop(self.settle()),
            _ => drop(self.open()),
        }
    }

    /// Lets days pass: the journal keeps nothing that is so old for the peer.
    fn grow_old(&mut self) {
        self.push();
        self.now_ms += 4 * DAY_MS;
    }

    pub(super) fn store_mut(&mut self) -> &mut Store {
        self.store.as_mut().expect("the node lives")
    }

    /// Whether all that the node ever said that it holds is there.
    pub(super) fn keeps_promises(&self) -> bool {
        self.store.as_ref().is_some_and(|store| store.applied().covers(&self.promised))
    }

    /// Writes a batch, now and then with a member's record.
    pub(super) fn append(&mut self) {
        let batch = self.batch();
        let body = Bytes::from(self.rng.random::<u64>().to_le_bytes().to_vec());
        let member = self.rng.random_bool(0.1).then_some(body);
        let own = Origin([self.lives; 16]);
        let Some(store) = self.store.as_mut() else { return };
        let id = FrameId { origin: own, seq: store.applied().get(own) + 1 };
        let record = member.as_ref().map(|body| Record { tag: Tag::MEMBER, body });
        if store.append(&batch, record.as_slice()).is_ok() {
            self.truth.frames.insert(id, Written { points: points_of(&batch), member });
            self.note_accepted();
        }
    }

    /// Takes frames of the peer in, which first writes something new.
    fn pull(&mut self) {
        let batch = self.batch();
        let frame = self.peer.append(&batch, &[]).unwrap().frame;
        self.truth.frames.insert(frame.id(), Written { points: points_of(&batch), member: None });
        self.pull_all();
    }

    fn pull_of(&mut self, origin: Origin) {
        let Some(store) = self.store.as_mut() else { return };
        while let Some(chunk) = self.peer.chunk(origin, store.table_len(origin)) {
            if store.define(&chunk).is_err() {
                return;
            }
        }
        let missing = store.have().get(origin) + 1;
        for frame in self.peer.frames(origin, missing, usize::MAX) {
            match store.apply(&frame) {
                Ok(Apply::Applied(_) | Apply::Known) => {}
                Ok(other) => panic!("{other:?}"),
                Err(_) => return,
            }
        }
    }

    /// Gives the peer our own frames, synced or not.
    pub(super) fn push(&mut self) {
        let Some(store) = self.store.as_mut() else { return };
        let origin = Origin([self.lives; 16]);
        while let Some(chunk) = store.chunk(origin, self.peer.table_len(origin)) {
            self.peer.define(&chunk).unwrap();
        }
        for frame in store.frames(origin, self.peer.applied().get(origin) + 1, usize::MAX) {
            self.peer.apply(&frame).unwrap();
        }
    }

    /// Takes all that the peer has and the node has not.
    pub(super) fn pull_all(&mut self) {
        for origin in self.peer.applied().iter().map(|(origin, _)| origin).collect::<Vec<_>>() {
            self.pull_of(origin);
        }
        self.note_accepted();
    }

    fn note_accepted(&mut self) {
        if let Some(store) = &mut self.store {
            self.accepted.merge(store.applied());
            if self.rng.random_bool(0.3) {
                let members = self.truth.members(store.applied());
                store.keep_members(members);
            }
        }
    }

    fn begin_sync(&mut self) {
        if let Some(job) = self.store_mut().poll_sync() {
            self.sync = Some(job);
        }
    }

    fn end_sync(&mut self) {
        let Some(job) = self.sync.take() else { return };
        let result = job.run();
        self.store_mut().handle_synced(&job, result);
        let held = self.store_mut().held();
        self.promised.merge(&held);
    }

    /// Syncs all that there is.
    pub(super) fn sync(&mut self) {
        self.end_sync();
        self.begin_sync();
        self.end_sync();
    }

    fn take_job(&mut self) {
        let now_ms = self.now_ms;
        let job = self.store_mut().poll_job(now_ms);
        self.jobs.extend(job);
    }

    /// Goes on with a job: runs one, or hands one back.
    fn run_job(&mut self) {
        if !self.jobs.is_empty() {
            let job = self.jobs.swap_remove(self.rng.random_range(0..self.jobs.len()));
            self.done.push(job.run());
        }
        if !self.done.is_empty() && self.rng.random_bool(0.7) {
            let done = self.done.swap_remove(self.rng.random_range(0..self.done.len()));
            self.store_mut().handle_done(done);
        }
    }

    /// Runs all jobs and what follows from them; whether all is done.
    pub(super) fn settle(&mut self) -> bool {
        for done in std::mem::take(&mut self.done) {
            self.store_mut().handle_done(done);
        }
        for job in std::mem::take(&mut self.jobs) {
            self.store_mut().handle_done(job.run());
        }
        for _ in 0..40 {
            self.now_ms += MINUTE_MS;
            let now_ms = self.now_ms;
            while let Some(job) = self.store_mut().poll_job(now_ms) {
                let done = job.run();
                self.store_mut().handle_done(done);
            }
        }
        self.store_mut().is_settled()
    }

    fn batch(&mut self) -> Batch {
        let streams = (0..self.rng.random_range(0..4)).map(|_| self.stream_points()).collect();
        Batch { streams }
    }

    fn stream_points(&mut self) -> StreamPoints {
        let rng = &mut self.rng;
        let kind = Kind::ALL[rng.random_range(0..Kind::ALL.len())];
        // Some series live for a day only, and their streams go.
        let day = if rng.random_bool(0.3) { self.now_ms / DAY_MS } else { 0 };
        let name = format!("m{}_{}_{day}", rng.random_range(0..5), kind.name());
        let labels = Labels::new([("__name__", name.as_str()), ("zone", "a")]).unwrap();
        let writer = if rng.random_bool(0.5) { Writer::NONE } else { Writer([rng.random_range(1..3); 16]) };
        let count = rng.random_range(1..12);
        let points = (0..count).map(|_| point(rng, kind, self.now_ms)).collect();
        StreamPoints { stream: Stream { labels, writer, kind }, points }
    }
}

/// A point about now, late, or far off; few times and values, so that they meet.
pub(super) fn point(rng: &mut SmallRng, kind: Kind, now_ms: i64) -> Point {
    let ms = match rng.random_range(0..100) {
        0..70 => now_ms - rng.random_range(0..40) * 5 * MINUTE_MS,
        70..90 => now_ms - rng.random_range(0..3) * 300 * MINUTE_MS,
        90..96 => now_ms - rng.random_range(0..3) * 40 * DAY_MS,
        96..98 => now_ms + 9 * MINUTE_MS,
        _ if matches!(kind, Kind::Gauge | Kind::Sample) => {
            [i64::MIN, i64::MAX, -1, 0][rng.random_range(0..4)]
        }
        _ => rng.random_range(-2..2),
    };
    let value = match rng.random_range(0..20) {
        0 if kind == Kind::Gauge => stale(),
        1 if kind == Kind::Gauge => f64::NAN,
        2 if kind == Kind::Gauge => f64::NEG_INFINITY,
        3 => 0.1,
        _ => f64::from(rng.random_range(0..6)),
    };
    match kind {
        Kind::Delta => Point::new(time::delta_time(ms - 1, ms, &[rng.random_range(0..3)]).unwrap(), value),
        _ => Point::new(ms, value),
    }
}

pub(super) fn points_of(batch: &Batch) -> Vec<(Stream, Point)> {
    let streams = batch.streams.iter();
    streams.flat_map(|part| part.points.iter().map(|point| (part.stream.clone(), *point))).collect()
}
