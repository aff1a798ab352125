//! A view that is kept while a repair reads it window by window, on either side. Which windows have points that are
//! in no block yet is found once, so that what a sealed block keeps of its digests can be used for all others.

use std::collections::BTreeSet;

use shoal_merge::order;
use shoal_model::Kind;

use crate::block::{ShardDigests, ShardMix};
use crate::damage::Damage;
use crate::view::{StreamRead, View};
use crate::windows::{window_end, window_of, window_start};

/// Stands for everything before the horizon: of each counter its greatest point there.
pub const BELOW_HORIZON: i64 = i64::MIN;
/// Streams that are read in one go: bounds the memory.
const STREAMS: usize = 1024;

/// One moment's points, by window.
pub struct Pinned {
    view: View,
    fresh: BTreeSet<i64>,
}

impl Pinned {
    /// Goes through the points that are in no block; for a thread of its own.
    pub fn new(view: View) -> Self {
        let fresh = view.fresh_points().map(|(kind, point)| window_of(kind, point.time)).collect();
        Self { view, fresh }
    }

    /// The windows that reads see, the newest first, and what lies before them.
    pub fn windows(&self) -> Vec<i64> {
        let blocks = self.view.windows().iter().map(|(window, _)| window);
        let all: BTreeSet<i64> = blocks.chain(self.fresh.iter().copied()).collect();
        let seen = all.into_iter().rev().filter(|window| window_end(*window) >= self.view.horizon_ms());
        seen.chain([BELOW_HORIZON]).collect()
    }

    /// The windows of which something is damaged.
    pub fn damaged(&self) -> BTreeSet<i64> {
        self.view.damage.iter().map(|mark| mark.window).collect()
    }

    /// The oldest millisecond that reads see.
    pub fn horizon_ms(&self) -> i64 {
        self.view.horizon_ms()
    }

    /// Whether there is nothing of a window.
    pub(crate) fn is_bare(&self, window: i64) -> bool {
        window != BELOW_HORIZON
            && !self.fresh.contains(&window)
            && self.view.windows().of(window).is_empty()
            && !self.is_damaged(window)
    }

    /// The digests that a sealed block keeps of a window, if it is all there is of it.
    pub(crate) fn kept_digests(&self, window: i64) -> Option<ShardDigests> {
        match self.view.windows().of(window) {
            [block] if !self.fresh.contains(&window) && !self.is_damaged(window) => block.digests().ok()?,
            _ => None,
        }
    }

    /// The digests of a window of the streams at these places, and what of them cannot be read.
    pub(crate) fn digests(
        &self,
        window: i64,
        horizon_ms: i64,
        places: &[u32],
    ) -> (ShardDigests, Vec<Damage>) {
        if let Some(kept) = self.kept_digests(window) {
            return (kept, Vec::new());
        }
        let mut digests = ShardDigests::new();
        let mut damage: BTreeSet<Damage> = BTreeSet::new();
        for places in places.chunks(STREAMS) {
            for (mix, read) in self.read(window, horizon_ms, places).into_iter().flatten() {
                digests.add_points(mix, &read.points);
                damage.extend(read.damage);
            }
        }
        (digests, damage.into_iter().collect())
    }

    /// What there is of a window of each stream; nothing of places without a stream, and below the horizon only
    /// of counters.
    pub(crate) fn read(
        &self,
        window: i64,
        horizon_ms: i64,
        places: &[u32],
    ) -> Vec<Option<(ShardMix, StreamRead)>> {
        let known: Vec<Option<(Kind, ShardMix)>> = {
            let catalogue = self.view.catalogue.read();
            places.iter().map(|place| Some((catalogue.kind(*place)?, catalogue.shard_mix(*place)?))).collect()
        };
        let is_wanted = |kind: Kind| window != BELOW_HORIZON || kind == Kind::Counter;
        let wanted = places.iter().zip(&known).filter_map(|(place, known)| Some((*place, (*known)?.0)));
        let wanted: Vec<(u32, Kind)> = wanted.filter(|(_, kind)| is_wanted(*kind)).collect();
        let mut reads = match window {
            BELOW_HORIZON => self.greatest_before(horizon_ms, &wanted),
            _ => self.view.read_within(&wanted, window_start(window)..=window_end(window)),
        }
        .into_iter();
        let read = |known: Option<(Kind, ShardMix)>| {
            let (_, mix) = known.filter(|(kind, _)| is_wanted(*kind))?;
            Some((mix, reads.next()?))
        };
        known.into_iter().map(read).collect()
    }

    fn greatest_before(&self, horizon_ms: i64, counters: &[(u32, Kind)]) -> Vec<StreamRead> {
        let mut reads = match horizon_ms.checked_sub(1) {
            Some(end) => self.view.read_many(counters, i64::MIN..=end),
            None => vec![StreamRead::default(); counters.len()],
        };
        for read in &mut reads {
            let greatest = order::greatest(read.points.drain(..));
            read.points.extend(greatest);
        }
        reads
    }

    /// How many places the catalogue had at most.
    pub(crate) fn places(&self) -> u32 {
        self.view.catalogue.read().places()
    }

    pub(crate) fn view(&self) -> &View {
        &self.view
    }

    fn is_damaged(&self, window: i64) -> bool {
        self.view.damage.within(window..=window).next().is_some()
    }
}
