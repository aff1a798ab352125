//! A loan: one node keeps a view, the [`Lender`], and another in debt reads from it what it lacks. The lender numbers
//! its streams; of each window both compare digests by shard, then the debtor says by number what it has of the
//! shards that differ, and the lender sends the points of every other stream, as frames of the loan's own origin.
//! What was there already is joined, so it does not matter what either side has learnt meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shoal_model::Origin;
use thiserror::Error;

use crate::block::ShardDigests;
use crate::bytes::{Malformed, Reader, put_varint};
use crate::damage::Damaged;
use crate::frame::points as points_record;
use crate::frame::{Frame, FrameError, FrameId, Header, Record, Tag};
use crate::pinned::Pinned;
use crate::table::Chunk;
use crate::view::View;

/// Streams in one chunk of names: taking them in must not hold the debtor's loop for long.
const NAMES: usize = 2_048;
/// Points in one frame of a loan: taking them in must not hold the debtor's loop for long.
const POINTS: usize = 32_768;
/// Points that are looked at for one frame: bounds the time that an answer takes.
const EXAMINED: usize = 1 << 20;
/// Streams that are read in one go.
const STREAMS: usize = 256;
/// Streams that a debtor names in one request.
const HAVE_MAX: usize = 32_768;

/// A set of shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shards([u64; 4]);

impl Shards {
    /// Takes a shard in.
    pub fn insert(&mut self, shard: u8) {
        self.0[usize::from(shard / 64)] |= 1 << (shard % 64);
    }

    /// Appends the set.
    pub fn put(self, out: &mut Vec<u8>) {
        self.0.iter().for_each(|bits| out.extend_from_slice(&bits.to_le_bytes()));
    }

    /// Reads it back.
    pub fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut shards = Self::default();
        for bits in &mut shards.0 {
            *bits = reader.u64()?;
        }
        Ok(shards)
    }

    /// Whether a shard is in.
    pub fn contains(&self, shard: u8) -> bool {
        self.0[usize::from(shard / 64)] & 1 << (shard % 64) != 0
    }
}

/// Where a lender goes on: a stream's number, and how many of its points the debtor has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The stream's number.
    pub number: u32,
    /// Points of it that were sent before.
    pub skip: u32,
}

/// What a debtor asks for of one window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Want {
    /// The window, or [`BELOW_HORIZON`](crate::pinned::BELOW_HORIZON).
    pub window: i64,
    /// In which shards.
    pub shards: Shards,
    /// From where on.
    pub from: Cursor,
    /// What it has: stream numbers in order, each with the digest of its points.
    pub have: Arc<[(u32, u128)]>,
}

/// Points that a lender sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lent {
    /// The points, if there are any.
    pub frame: Option<Frame>,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
}

/// Why a lender has no answer.
#[derive(Debug, Error)]
pub enum LendError {
    /// Something of the window is damaged here; another node may lend it.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// The points do not fit a frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// A view that is kept for a debtor.
#[derive(Clone)]
pub struct Lender {
    loan: Origin,
    pinned: Arc<Pinned>,
    /// The places of the streams, by number.
    places: Arc<[u32]>,
    damaged: Arc<BTreeSet<i64>>,
}

impl Lender {
    /// Keeps a view under the name of a loan; for a thread of its own.
    pub fn new(loan: Origin, view: View) -> Self {
        let pinned = Pinned::new(view);
        let places = {
            let catalogue = pinned.view().catalogue.read();
            (0..pinned.places()).filter(|place| catalogue.kind(*place).is_some()).collect()
        };
        let damaged = Arc::new(pinned.damaged());
        Self { loan, pinned: Arc::new(pinned), places, damaged }
    }

    /// The points of its moment.
    pub fn pinned(&self) -> &Pinned {
        &self.pinned
    }

    /// How many streams have numbers.
    pub fn streams(&self) -> u32 {
        self.places.len() as u32
    }

    /// The streams from a number on.
    pub fn names(&self, first: u32) -> Chunk {
        let catalogue = self.pinned.view().catalogue.read();
        let places = self.places.get(first as usize..).unwrap_or_default().iter().take(NAMES);
        let streams = places.map_while(|place| catalogue.stream(*place)).collect();
        Chunk { origin: self.loan, first, streams }
    }

    /// What is told beside points, as a frame of the loan.
    pub fn notes(&self) -> Result<Frame, FrameError> {
        let records = self.pinned.view().annotations().records();
        let records: Vec<_> = records.iter().map(|(tag, body)| Record { tag: *tag, body }).collect();
        let id = FrameId { origin: self.loan, seq: 1 };
        Frame::encode(Header { id, table_len: 0, points: 0 }, &records)
    }

    /// The digests of a window; of one that is known to be damaged, of what can be read.
    pub fn digests(&self, window: i64) -> Result<ShardDigests, Damaged> {
        let (digests, damage) = self.pinned.digests(window, self.pinned.horizon_ms(), &self.places);
        if damage.is_empty() || self.damaged.contains(&window) { Ok(digests) } else { Err(Damaged(damage)) }
    }

    /// The windows of which something was damaged already: what can be read of them is lent.
    pub fn damaged(&self) -> impl Iterator<Item = i64> + '_ {
        self.damaged.iter().copied()
    }

    /// The points that a debtor wants, up to a frame of them.
    pub fn lend(&self, want: &Want) -> Result<Lent, LendError> {
        let mut out = Parcel::default();
        let mut from = want.from;
        let mut examined = 0;
        let next = loop {
            let numbers = self.numbers(want, from.number);
            let Some(last) = numbers.last() else { break None };
            let places: Vec<u32> = numbers.iter().map(|number| self.places[*number as usize]).collect();
            let reads = self.pinned.read(want.window, self.pinned.horizon_ms(), &places);
            for (number, read) in numbers.iter().zip(reads) {
                let Some((mix, read)) = read else { continue };
                if !read.damage.is_empty() && !self.damaged.contains(&want.window) {
                    return Err(Damaged(read.damage).into());
                }
                examined += read.points.len();
                let digest = ShardDigests::of_points(mix, &read.points);
                if want.digest_of(*number) == Some(digest.0) {
                    continue;
                }
                let skip = if *number == from.number { from.skip as usize } else { 0 };
                if let Some(sent) = out.pack(*number, read.points.get(skip..).unwrap_or_default()) {
                    let next = Cursor { number: *number, skip: (skip + sent) as u32 };
                    return self.seal(out, Some(next));
                }
            }
            from = Cursor { number: last + 1, skip: 0 };
            if out.points.len() >= POINTS / 2 || examined >= EXAMINED {
                break Some(from);
            }
        };
        self.seal(out, next)
    }

    /// The next streams of the wanted shards.
    fn numbers(&self, want: &Want, first: u32) -> Vec<u32> {
        let catalogue = self.pinned.view().catalogue.read();
        let is_wanted = |number: &u32| {
            let mix = self.places.get(*number as usize).and_then(|place| catalogue.shard_mix(*place));
            mix.is_some_and(|mix| want.shards.contains(mix.shard))
        };
        (first..self.streams()).filter(is_wanted).take(STREAMS).collect()
    }

    fn seal(&self, out: Parcel, next: Option<Cursor>) -> Result<Lent, LendError> {
        if out.points.is_empty() {
            return Ok(Lent { frame: None, next });
        }
        let id = FrameId { origin: self.loan, seq: 1 };
        let header = Header { id, table_len: self.streams(), points: out.points.len() as u32 };
        let body = points_record::encode(&out.columns, &out.points);
        let frame = Frame::encode(header, &[Record { tag: Tag::POINTS, body: &body }])?;
        Ok(Lent { frame: Some(frame), next })
    }
}

#[derive(Default)]
struct Parcel {
    columns: Vec<(u32, u32)>,
    points: Vec<shoal_model::Point>,
}

impl Parcel {
    /// Packs a stream's points; how many, if not all of them fit.
    fn pack(&mut self, number: u32, points: &[shoal_model::Point]) -> Option<usize> {
        let fits = points.len().min(POINTS - self.points.len());
        if fits > 0 {
            self.columns.push((number, fits as u32));
            self.points.extend_from_slice(&points[..fits]);
        }
        (fits < points.len()).then_some(fits)
    }
}

/// The debtor's side of one window: what it is to ask for.
pub struct Comparison {
    /// The debtor's own points.
    pub pinned: Arc<Pinned>,
    /// The places of the lender's streams in the debtor's catalogue, by number.
    pub places: Arc<[u32]>,
    /// The window.
    pub window: i64,
    /// The lender's horizon.
    pub horizon_ms: i64,
    /// The lender's digests.
    pub lender: ShardDigests,
}

impl Comparison {
    /// What is to be asked for; nothing where the digests agree. For a thread of its own.
    pub fn run(&self) -> Vec<Want> {
        let Self { pinned, window, lender, .. } = self;
        let own =
            if pinned.is_bare(*window) { Some(ShardDigests::new()) } else { pinned.kept_digests(*window) };
        if own.as_ref() == Some(lender) {
            return Vec::new();
        }
        let mut streams = if pinned.is_bare(*window) { BTreeMap::new() } else { self.stream_digests() };
        let mut wants: Vec<Want> = Vec::new();
        let (mut shards, mut have, mut is_open) = (Shards::default(), Vec::new(), false);
        for shard in 0..=u8::MAX {
            let own = streams.remove(&shard).unwrap_or_default();
            let sum = own.iter().fold(0_u128, |sum, (_, digest)| sum.wrapping_add(*digest));
            if sum == lender.shard(shard).0 {
                continue;
            }
            shards.insert(shard);
            have.extend(own);
            is_open = true;
            if have.len() >= HAVE_MAX {
                wants.push(self.want(std::mem::take(&mut shards), std::mem::take(&mut have)));
                is_open = false;
            }
        }
        if is_open {
            wants.push(self.want(shards, have));
        }
        wants
    }

    fn want(&self, shards: Shards, mut have: Vec<(u32, u128)>) -> Want {
        have.sort_unstable();
        Want { window: self.window, shards, from: Cursor::default(), have: have.into() }
    }

    /// By shard the streams of which there are points, without those that are damaged.
    fn stream_digests(&self) -> BTreeMap<u8, Vec<(u32, u128)>> {
        let mut shards: BTreeMap<u8, Vec<(u32, u128)>> = BTreeMap::new();
        for (index, places) in self.places.chunks(STREAMS * 4).enumerate() {
            let first = (index * STREAMS * 4) as u32;
            let reads = self.pinned.read(self.window, self.horizon_ms, places);
            for (number, read) in (first..).zip(reads) {
                let Some((mix, read)) = read else { continue };
                if read.damage.is_empty() && !read.points.is_empty() {
                    let digest = ShardDigests::of_points(mix, &read.points);
                    shards.entry(mix.shard).or_default().push((number, digest.0));
                }
            }
        }
        shards
    }
}

impl Want {
    fn digest_of(&self, number: u32) -> Option<u128> {
        let index = self.have.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        self.have.get(index).map(|(_, digest)| *digest)
    }

    /// Appends the request.
    pub fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.window.to_le_bytes());
        self.shards.put(out);
        self.from.put(out);
        put_varint(out, self.have.len() as u64);
        for (number, digest) in self.have.iter() {
            put_varint(out, u64::from(*number));
            out.extend_from_slice(&digest.to_le_bytes());
        }
    }

    /// Reads it back.
    pub fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let window = reader.u64()? as i64;
        let shards = Shards::take(reader)?;
        let from = Cursor::take(reader)?;
        let count = reader.count()?;
        if count > reader.rest().len() / 17 {
            return Err(Malformed);
        }
        let entry = |_| Ok((reader.varint32()?, u128::from_le_bytes(reader.array()?)));
        let have = (0..count).map(entry).collect::<Result<Vec<_>, Malformed>>()?;
        Ok(Self { window, shards, from, have: have.into() })
    }
}

impl Cursor {
    /// Appends it.
    pub fn put(self, out: &mut Vec<u8>) {
        put_varint(out, u64::from(self.number));
        put_varint(out, u64::from(self.skip));
    }

    /// Reads it back.
    pub fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { number: reader.varint32()?, skip: reader.varint32()? })
    }
}
