//! What was written and what was promised, kept apart from every node. A write acknowledged with c copies must
//! survive the loss of c - 1 disks, and any number of power losses.

use std::collections::BTreeMap;

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
    /// Whether its only copy was on a disk that was lost since.
    pub is_void: bool,
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

    /// A session was told that its write is stored.
    pub fn acknowledge(&mut self, batch: &Batch, frame: FrameId, copies: u32, node: usize) {
        let points = points(batch).collect();
        self.promises.push(Promise { frame, copies, node, is_void: false, points });
    }

    /// The disk of a node is lost: promises of a single copy, its own, are void.
    pub fn lose_disk(&mut self, node: usize) {
        let lost = self.promises.iter_mut().filter(|promise| promise.node == node && promise.copies < 2);
        lost.for_each(|promise| promise.is_void = true);
    }

    /// All that was ever sent, acknowledged or not.
    pub fn attempts(&self) -> &Contents {
        &self.attempts
    }

    /// Every write that was acknowledged.
    pub fn promises(&self) -> &[Promise] {
        &self.promises
    }

    /// How far each origin's frames are promised.
    pub fn promised_frontier(&self) -> Frontier {
        let kept = self.promises.iter().filter(|promise| !promise.is_void);
        Frontier::from_entries(kept.map(|promise| (promise.frame.origin, promise.frame.seq)))
    }

    /// The points that may be gone with a lost disk: only void promises hold them.
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

/// Every point that a store holds.
pub fn contents(store: &Store) -> Contents {
    let mut contents = Contents::new();
    for view in store.select(&[]) {
        let series = view.labels.series_id();
        for stream in store.view().read_series(&view, i64::MIN..=i64::MAX).whole().expect("no disk rots here")
        {
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
