//! What was written and what was promised, kept apart from every node. A write acknowledged with c copies must
//! survive the loss of c - 1 disks, and any number of power losses.

use std::collections::BTreeMap;
use std::time::Duration;

use shoal_merge::{Frontier, order};
use shoal_model::{Batch, Point, StreamId};
use shoal_store::{FrameId, Store};

/// A point's identity: its stream and its place on the stream's axis.
pub type PointId = (StreamId, i64);

/// Points by identity.
pub type Contents = BTreeMap<PointId, f64>;

/// An acknowledged write.
#[derive(Clone, Debug)]
pub struct Promise {
    /// The frame that holds it.
    pub frame: FrameId,
    /// Copies that the answer named.
    pub copies: u32,
    /// The place of the node that took it.
    pub node: usize,
    /// When it was answered.
    pub at: Duration,
    /// Whether its only copy was on a disk that was harmed since.
    pub is_void: bool,
    /// The only place whose disk held it when it was answered, until it is everywhere.
    alone_at: Option<usize>,
    points: Vec<(PointId, f64)>,
}

/// The memory of all that clients wrote and were told.
#[derive(Debug, Default)]
pub struct Oracle {
    attempts: Contents,
    promises: Vec<Promise>,
}

impl Oracle {
    /// A session is about to send this. Of two values under one identity the greater is kept, as nodes do.
    pub fn attempt(&mut self, batch: &Batch) {
        for (id, value) in points(batch) {
            self.attempts.entry(id).and_modify(|known| *known = order::join(*known, value)).or_insert(value);
        }
    }

    /// A session was told by the node at a place that its write is stored; `disks` are the places whose disks held
    /// it then.
    pub fn acknowledge(&mut self, at: Duration, batch: &Batch, told: Told, disks: &[usize]) {
        let Told { frame, copies, node, is_void } = told;
        let points = points(batch).collect();
        let alone_at = match disks {
            [] => Some(node),
            [only] => Some(*only),
            _ => None,
        };
        self.promises.push(Promise { frame, copies, node, at, is_void, alone_at, points });
    }

    /// The disk of a place is harmed: promises of a single copy, on it, are void.
    pub fn lose_disk(&mut self, node: usize) {
        let lost = self.promises.iter_mut().filter(|promise| promise.alone_at == Some(node));
        lost.for_each(|promise| promise.is_void = true);
    }

    /// All disks hold this: from now on the loss of one excuses nothing that is in it.
    pub fn note_everywhere(&mut self, frontier: &Frontier) {
        let safe = self
            .promises
            .iter_mut()
            .filter(|promise| frontier.get(promise.frame.origin) >= promise.frame.seq);
        safe.for_each(|promise| promise.alone_at = None);
    }

    /// All that was ever sent, acknowledged or not.
    pub fn attempts(&self) -> &Contents {
        &self.attempts
    }

    /// Every write that was acknowledged.
    pub fn promises(&self) -> &[Promise] {
        &self.promises
    }

    /// How far each origin's frames are promised by answers since a time.
    pub fn promised_since(&self, since: Duration) -> Frontier {
        let first = self.promises.partition_point(|promise| promise.at < since);
        let kept = self.promises[first..].iter().filter(|promise| !promise.is_void);
        Frontier::from_entries(kept.map(|promise| (promise.frame.origin, promise.frame.seq)))
    }

    /// The points that may be gone with a harmed disk: only void promises hold them.
    pub fn excused(&self) -> Contents {
        let points = |is_void| {
            let promises = self.promises.iter().filter(move |promise| promise.is_void == is_void);
            promises.flat_map(Promise::points)
        };
        let mut excused: Contents = points(true).collect();
        points(false).for_each(|(id, _)| {
            excused.remove(&id);
        });
        excused
    }
}

impl Promise {
    /// The points that were promised.
    pub fn points(&self) -> impl Iterator<Item = (PointId, f64)> {
        self.points.iter().copied()
    }
}

/// What a client was told.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// The frame that holds the write.
    pub frame: FrameId,
    /// How many copies there are.
    pub copies: u32,
    /// The place of the node that says so.
    pub node: usize,
    /// Whether the copy that it counts went with a disk before it said so.
    pub is_void: bool,
}

/// Every point that a store shows.
pub fn contents(store: &Store) -> Contents {
    let (mut contents, view) = (Contents::new(), store.view());
    for one in view.select(&[]) {
        let series = one.labels.series_id();
        for stream in view.read_series(&one, i64::MIN..=i64::MAX).streams {
            let id = StreamId { series, writer: stream.writer, kind: stream.kind };
            contents.extend(stream.points.iter().map(|point| ((id, point.time), point.value)));
        }
    }
    contents
}

fn points(batch: &Batch) -> impl Iterator<Item = (PointId, f64)> {
    batch.streams.iter().flat_map(|part| {
        let id = part.stream.id();
        part.points.iter().map(move |Point { time, value }| ((id, *time), *value))
    })
}
