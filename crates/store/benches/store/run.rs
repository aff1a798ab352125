//! One run: a fleet writes a window full of points, which are flushed, read, merged, read again, sent to a peer and
//! found again after restarts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use shoal_model::Origin;
use shoal_store::block::{Meta, WINDOW_MS};
use shoal_store::{Apply, Disk, Done, Frame, Job, Options, Store};

use crate::line;
use crate::load::{Load, STEP_MS, start_ms};
use crate::meter::{CountingDisk, Spent, anonymous_bytes};
use crate::reading::read;

/// How often the journal is synced.
const SYNC_EVERY: Duration = Duration::from_millis(100);
/// Scrapes that are sent to the peer.
const PEER_SCRAPES: usize = 3;
/// Memtables' worth of points between two restarts.
const RESTART_WINDOWS: i64 = 8;

/// A fleet, the store that it writes to, and what that has cost.
pub struct Run {
    load: Load,
    points: usize,
    places: Vec<u32>,
    store: Store,
    disk: Arc<CountingDisk>,
    directory: tempfile::TempDir,
    origins: u8,
    clock_ms: i64,
    synced_at: Instant,
    /// A flush waits until the next memtable is nearly full, and merges until all is flushed.
    held_flush: Option<Job>,
    held_merge: Option<Job>,
    append: Spent,
    sync: Spent,
    flush: Spent,
    base_bytes: u64,
    peak_bytes: u64,
    /// Bytes of the journal before the points that count.
    table_bytes: u64,
}

fn open(disk: &Arc<CountingDisk>, origin: u8) -> Store {
    let disk: Arc<dyn Disk> = Arc::clone(disk) as _;
    Store::open(disk, Origin([origin; 16]), Options::default()).expect("a sound directory").store
}

impl Run {
    /// An empty store in a temporary directory, for so many streams and points of each.
    pub fn new(streams: usize, points: usize) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let disk = Arc::new(CountingDisk::new(directory.path()));
        let load = Load::new(streams);
        let base_bytes = anonymous_bytes();
        Self {
            load,
            points,
            places: Vec::new(),
            store: open(&disk, 1),
            disk,
            directory,
            origins: 1,
            clock_ms: start_ms(),
            synced_at: Instant::now(),
            held_flush: None,
            held_merge: None,
            append: Spent::default(),
            sync: Spent::default(),
            flush: Spent::default(),
            base_bytes,
            peak_bytes: 0,
            table_bytes: 0,
        }
    }

    /// Everything, printed line by line.
    pub fn all(mut self) {
        self.define();
        self.write();
        self.settle("as flushed");
        self.merge();
        self.peer();
        self.restarts();
    }

    fn streams(&self) -> u64 {
        self.places.len() as u64
    }

    /// Takes the streams in, and writes their first points: that makes their table entries.
    fn define(&mut self) {
        let mut spent = Spent::default();
        self.places = spent.measure(|| self.load.places(&mut self.store));
        line("new stream: labels made, hashed, taken into the catalogue", spent.each(self.streams()), "ns");
        self.scrape();
        line("new stream: first point, with its table entry", self.append.each(self.streams()), "ns");
        self.append = Spent::default();
        self.table_bytes = self.store.journal_bytes();
        line("new stream: journal", self.table_bytes as f64 / self.streams() as f64, "bytes");
    }

    fn write(&mut self) {
        for _ in 1..self.points {
            self.scrape();
        }
        self.flush_now();
        let points = self.streams() * (self.points as u64 - 1);
        let total = Spent { cpu: self.append.cpu + self.sync.cpu + self.flush.cpu, ..Spent::default() };
        line("append: frame, checksums, write(), memtable", self.append.each(points), "ns/point");
        line("sync every 100 ms, group commits", self.sync.each(points), "ns/point");
        line("flush", self.flush.each(points), "ns/point");
        line("all of it", 1e3 / total.each(points), "M points/s/core");
        let grown = self.peak_bytes.saturating_sub(self.base_bytes);
        line("memory, both memtables full", grown as f64 / self.streams() as f64, "bytes/stream");
        line("memory, both memtables full", grown as f64 / 1e6, "MB");
        line("journal", self.journal_bytes() / points as f64, "bytes/point");
    }

    /// One scrape of all targets.
    fn scrape(&mut self) {
        for target in 0..self.load.targets() {
            let known = self.load.scrape(&self.places, target, self.clock_ms);
            self.append.measure(|| self.store.append_known(&known, &[]).expect("room"));
            if self.synced_at.elapsed() >= SYNC_EVERY {
                self.sync();
            }
        }
        self.clock_ms += STEP_MS;
        self.note_memory();
        self.drive();
    }

    fn sync(&mut self) {
        self.sync.measure(|| {
            if let Some(job) = self.store.poll_sync() {
                let result = job.run();
                self.store.handle_synced(&job, result);
            }
        });
        self.synced_at = Instant::now();
    }

    fn note_memory(&mut self) {
        self.peak_bytes = self.peak_bytes.max(anonymous_bytes());
    }

    /// Runs jobs, but holds a flush until the next one is due after one more scrape, and merges for later.
    fn drive(&mut self) {
        let (least, most) = Options::default().memtable_points;
        let full = (self.streams() * 8).clamp(least, most);
        let fresh = self.store.point_count() - self.store.view().windows().points();
        if self.held_flush.is_some() && fresh + self.streams() >= 2 * full {
            self.flush_now();
        }
        while let Some(job) = self.flush.measure(|| self.store.poll_job(self.clock_ms)) {
            match job {
                Job::Flush(_) => self.held_flush = Some(job),
                Job::Merge(_) => self.held_merge = Some(job),
                job => self.flush.measure(|| self.store.handle_done(job.run())),
            }
        }
    }

    fn flush_now(&mut self) {
        let Some(job) = self.held_flush.take() else { return };
        let mut done: Option<Done> = None;
        self.flush.measure(|| done = Some(job.run()));
        self.note_memory();
        self.flush.measure(|| self.store.handle_done(done.take().expect("it was run")));
        self.drive();
    }

    /// Flushes what is left, and reads before anything is merged.
    fn settle(&mut self, what: &str) {
        self.flush_now();
        self.store.freeze();
        self.drive();
        self.flush_now();
        self.sync();
        let view = self.store.view();
        let blocks = view.windows().iter().map(|(_, blocks)| blocks.len()).sum::<usize>();
        line(&format!("blocks, {what}"), blocks as f64, "");
        line(&format!("at rest, {what}"), self.bytes_at_rest(), "bytes/point");
        read(what, &view, &self.places, self.points);
    }

    /// Bytes of the journal that are points.
    fn journal_bytes(&self) -> f64 {
        (self.store.journal_bytes() - self.table_bytes) as f64
    }

    fn bytes_at_rest(&self) -> f64 {
        self.store.block_bytes() as f64 / self.store.point_count() as f64
    }

    /// Merges tier by tier while the window is open, then seals it.
    fn merge(&mut self) {
        let mut tiers: Vec<(u8, u64, Spent)> = Vec::new();
        let inside = start_ms() + WINDOW_MS - 1;
        self.run_merges(inside, &mut tiers);
        let view = self.store.view();
        let blocks = view.windows().iter().map(|(_, blocks)| blocks.len()).sum::<usize>();
        line("blocks, merged by tiers", blocks as f64, "");
        read("merged by tiers", &view, &self.places, self.points);
        drop(view);
        self.run_merges(inside + WINDOW_MS, &mut tiers);
        for (tier, points, spent) in &tiers {
            let name = if *tier == u8::MAX { "seal".to_owned() } else { format!("merge to tier {tier}") };
            line(&name, spent.each(*points), "ns/point");
        }
        let points = self.store.point_count();
        let merged: f64 = tiers.iter().map(|(_, points, _)| *points as f64).sum();
        let cpu: Duration = tiers.iter().map(|(.., spent)| spent.cpu).sum();
        line("merges a point, the seal included", merged / points as f64, "");
        line("all merges", cpu.as_nanos() as f64 / points as f64, "ns/point");
        line("at rest, sealed, index included", self.bytes_at_rest(), "bytes/point");
        let written = self.disk.written();
        let of = |directory: &str| written.get(directory).copied().unwrap_or_default() as f64;
        let defined = of("catalogue") + of("tables") + self.table_bytes as f64;
        line("new stream: all that is written of it", defined / self.streams() as f64, "bytes");
        let blocks = of("blocks") / points as f64;
        line("written to blocks over a point's life", blocks, "bytes/point");
        let journal = self.journal_bytes() / (points - self.streams()) as f64;
        line("written over a point's life, the journal included", blocks + journal, "bytes/point");
        read("sealed", &self.store.view(), &self.places, self.points);
    }

    fn run_merges(&mut self, now_ms: i64, tiers: &mut Vec<(u8, u64, Spent)>) {
        while let Some(job) = self.held_merge.take().or_else(|| self.store.poll_job(now_ms)) {
            let before = self.metas();
            let mut spent = Spent::default();
            let done = spent.measure(|| job.run());
            self.store.handle_done(done);
            for meta in self.metas().iter().filter(|meta| !before.contains(meta)) {
                match tiers.iter_mut().find(|(tier, ..)| *tier == meta.tier) {
                    Some((_, points, total)) => {
                        *points += meta.points;
                        total.cpu += spent.cpu;
                    }
                    None => tiers.push((meta.tier, meta.points, spent)),
                }
            }
        }
    }

    fn metas(&self) -> Vec<Meta> {
        let view = self.store.view();
        view.windows().iter().flat_map(|(_, blocks)| blocks).map(|block| block.meta().clone()).collect()
    }

    /// Sends some scrapes to a second store.
    fn peer(&mut self) {
        let mut frames: Vec<Frame> = Vec::new();
        for _ in 0..2 * PEER_SCRAPES {
            for target in 0..self.load.targets() {
                let known = self.load.scrape(&self.places, target, self.clock_ms);
                let frame = self.store.append_known(&known, &[]).expect("room").frame;
                // The frames before these are not sent, so these are numbered anew.
                frames.push(renumber(&frame, frames.len() as u64 + 1));
            }
            self.clock_ms += STEP_MS;
        }
        let points = self.streams() * PEER_SCRAPES as u64;
        let mut spent = Spent::default();
        for frame in &frames {
            let bytes = frame.bytes().clone();
            spent.measure(|| drop(Frame::decode(bytes).expect("sound")));
        }
        line("a peer's frame: checksums, before it is applied", spent.each(2 * points), "ns/point");
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut peer = open(&Arc::new(CountingDisk::new(directory.path())), 100);
        let own = Origin([self.origins; 16]);
        while let Some(chunk) = self.store.chunk(own, peer.table_len(own)) {
            peer.define(&chunk).expect("room");
        }
        let (first, second) = frames.split_at(frames.len() / 2);
        for (what, frames) in [("fresh", first), ("recycled", second)] {
            let mut spent = Spent::default();
            for frame in frames {
                let applied = spent.measure(|| peer.apply(frame).expect("room"));
                assert!(matches!(applied, Apply::Applied(_)), "frames come in order");
            }
            line(
                &format!("a peer's frame: journal, memtable of {what} pages"),
                spent.each(points),
                "ns/point",
            );
            peer.freeze();
            while let Some(job) = peer.poll_job(self.clock_ms) {
                peer.handle_done(job.run());
            }
        }
    }

    /// Restarts with a memtable nearly full, after few windows and after many.
    fn restarts(mut self) {
        for _ in 0..2 {
            self.fill_windows(RESTART_WINDOWS);
            let unflushed = self.fill_memtable();
            self.sync();
            let held = self.store.point_count();
            let (disk, origin) = (Arc::clone(&self.disk), self.origins + 1);
            let expected = (held, self.store.stream_count());
            drop(self.store);
            let mut spent = Spent::default();
            self.store = spent.measure(|| open(&disk, origin));
            self.origins = origin;
            assert_eq!((self.store.point_count(), self.store.stream_count()), expected);
            let what = format!(
                "restart, {} windows, {:.0}M points, {:.1}M of them in the journal",
                self.store.view().windows().iter().count(),
                held as f64 / 1e6,
                unflushed as f64 / 1e6
            );
            line(&what, spent.cpu.as_secs_f64(), "s");
            line("    wall", spent.wall.as_secs_f64(), "s");
        }
        drop(self.directory);
    }

    fn fill_windows(&mut self, windows: i64) {
        for _ in 0..windows {
            self.clock_ms = (self.clock_ms.div_euclid(WINDOW_MS) + 1) * WINDOW_MS;
            while self.held_flush.is_none() {
                self.scrape();
            }
            self.flush_now();
            self.run_merges(self.clock_ms, &mut Vec::new());
        }
    }

    fn fill_memtable(&mut self) -> u64 {
        self.clock_ms = (self.clock_ms.div_euclid(WINDOW_MS) + 1) * WINDOW_MS;
        let (least, most) = Options::default().memtable_points;
        let full = (self.streams() * 8).clamp(least, most);
        let flushed = self.store.view().windows().points();
        while self.store.point_count() - flushed + self.streams() < full {
            self.scrape();
        }
        self.store.point_count() - flushed
    }
}

fn renumber(frame: &Frame, seq: u64) -> Frame {
    let records: Vec<_> = frame.records().map(|record| record.expect("just written")).collect();
    let mut header = *frame.header();
    header.id.seq = seq;
    Frame::encode(header, &records).expect("it fitted before")
}
