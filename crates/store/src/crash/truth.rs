//! What was written, frame by frame, and what a store must therefore read: points joined in the plainest way.

use std::collections::BTreeMap;

use bytes::Bytes;
use shoal_merge::{Digest, Frontier, PointMap, StreamMix, order};
use shoal_model::{Kind, Point, Stream, StreamId, time};

use crate::frame::FrameId;
use crate::store::Store;
use crate::windows::{window_of, window_start};

/// What one frame brought.
#[derive(Clone, Default)]
pub(super) struct Written {
    pub(super) points: Vec<(Stream, Point)>,
    pub(super) member: Option<Bytes>,
}

/// Every frame that was ever written.
#[derive(Clone, Default)]
pub(super) struct Truth {
    pub(super) frames: BTreeMap<FrameId, Written>,
}

impl Truth {
    /// The points of the frames that a store has applied, joined by stream.
    fn streams(&self, store: &Store) -> BTreeMap<StreamId, PointMap> {
        let holes: Vec<FrameId> = store.holes().map(|(id, _)| id).collect();
        let mut streams: BTreeMap<StreamId, PointMap> = BTreeMap::new();
        for (origin, head) in store.applied().iter() {
            for id in (1..=head).map(|seq| FrameId { origin, seq }).filter(|id| !holes.contains(id)) {
                let written = self.frames.get(&id).unwrap_or_else(|| panic!("{id:?} was never written"));
                for (stream, point) in &written.points {
                    streams.entry(stream.id()).or_default().insert(*point);
                }
            }
        }
        streams
    }

    /// The bodies of the member records that a store has applied.
    pub(super) fn members(&self, applied: &Frontier) -> Vec<Bytes> {
        let known = self.frames.iter().filter(|(id, _)| id.seq <= applied.get(id.origin));
        known.filter_map(|(_, written)| written.member.clone()).collect()
    }

    /// Compares all that a store reads, and its digests, with what it has applied.
    pub(super) fn check(&self, store: &Store, at: &str) {
        let (view, streams) = (store.view(), self.streams(store));
        let horizon = view.horizon_ms();
        let mut digests: BTreeMap<i64, Digest> = BTreeMap::new();
        for (id, points) in &streams {
            let mix = StreamMix::new(id);
            for point in points.iter().filter(|point| time::millis(id.kind, point.time) >= horizon) {
                digests.entry(window_of(id.kind, point.time)).or_default().add(mix, point);
            }
            // What lives nowhere need not be in the catalogue.
            let place = store.catalogue().read().place(id);
            let mut read = Vec::new();
            if let Some(place) = place {
                view.read(place, id.kind, i64::MIN..=i64::MAX, &mut read).unwrap();
            }
            assert_eq!(bits(&read), bits(&seen(id.kind, points, horizon)), "{at}: {id:?} below {horizon}");
        }
        let known = store.select(&[]).iter().map(|series| series.streams.len()).sum::<usize>();
        let unwritten = (0..store.catalogue().read().places()).filter(|place| {
            let mut read = Vec::new();
            let id = store.catalogue().read().id(*place).filter(|id| !streams.contains_key(id));
            id.is_some_and(|id| {
                view.read(*place, id.kind, i64::MIN..=i64::MAX, &mut read).unwrap();
                !read.is_empty()
            })
        });
        assert_eq!(unwritten.count(), 0, "{at}: of {known} streams some read what was never written");
        let mut sum = Digest::default();
        for (window, expected) in digests {
            let mut found = Digest::default();
            view.window_digests(window).unwrap().iter().for_each(|digest| found.merge(digest));
            assert_eq!(found, expected, "{at}: the digest of window {window}, {}", window_start(window));
            sum.merge(expected);
        }
        assert_eq!(view.digest().unwrap(), sum, "{at}: the digest of all");
    }
}

/// What reads see of a stream: all from the horizon on, and of a counter the greatest point before it.
fn seen(kind: Kind, points: &PointMap, horizon: i64) -> Vec<Point> {
    let (below, mut seen): (Vec<Point>, Vec<Point>) =
        points.iter().partition(|point| time::millis(kind, point.time) < horizon);
    let greatest =
        below.into_iter().max_by(|a, b| order::compare(a.value, b.value).then(a.time.cmp(&b.time)));
    if let Some(greatest) = greatest.filter(|_| kind == Kind::Counter) {
        seen.insert(0, greatest);
    }
    seen
}

fn bits(points: &[Point]) -> Vec<(i64, u64)> {
    points.iter().map(|point| (point.time, point.value.to_bits())).collect()
}
