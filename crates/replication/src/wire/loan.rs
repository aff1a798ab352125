//! The messages of a loan, by which a node in debt reads another's view: every ask has one answer, and either may be
//! repeated or lost. Layout: `docs/formats/message.md`.

use bytes::Bytes;
use shoal_merge::{Digest, Frontier};
use shoal_store::bytes::{Malformed, Reader, put_block, put_varint};
use shoal_store::{Chunk, Cursor, Frame, ShardDigests, Shards, Want};

use super::{ORIGINS_MAX, PARTS_MAX, WireError, put_heads, take_heads};

/// Windows that a lender may name: two hours each, so far more than anybody keeps.
const WINDOWS_MAX: usize = 1 << 20;

/// What a debtor asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Keep a view for me.
    View,
    /// Name the streams from this number on.
    Names {
        /// The first number.
        first: u32,
    },
    /// The digests of a window.
    Digests {
        /// Which.
        window: i64,
    },
    /// The points that I lack of a window.
    Points(Want),
    /// I need the view no more.
    Nothing,
}

/// What a kept view is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Everything up to here is in it.
    pub frontier: Frontier,
    /// Nothing beyond here is in it; more than the frontier where a frame before it is missing.
    pub shown: Frontier,
    /// The oldest millisecond that it shows; before it, the greatest points of counters.
    pub horizon_ms: i64,
    /// How many streams have numbers.
    pub streams: u32,
    /// The windows, in the order in which they are to be gone through.
    pub windows: Vec<i64>,
    /// Windows that it cannot lend, because something of them is damaged.
    pub damaged: Vec<i64>,
    /// The members' records.
    pub members: Vec<Bytes>,
    /// What is told beside points, if that fits a frame.
    pub notes: Option<Frame>,
}

/// A lender's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lend {
    /// A view is kept.
    View(Terms),
    /// Streams by number.
    Names(Chunk),
    /// The digests of a window.
    Digests {
        /// Which.
        window: i64,
        /// The digests.
        digests: ShardDigests,
    },
    /// Points of a window.
    Points {
        /// Which.
        window: i64,
        /// Of which shards: what tells two questions of one window apart.
        shards: Shards,
        /// From where on they were asked for.
        from: Cursor,
        /// Where to go on.
        next: Option<Cursor>,
        /// The points.
        frame: Option<Frame>,
    },
    /// There is no such view, or the node cannot lend; another one may.
    Refused,
}

const VIEW: u8 = 1;
const NAMES: u8 = 2;
const DIGESTS: u8 = 3;
const POINTS: u8 = 4;
const NOTHING: u8 = 5;

impl Ask {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        match self {
            Ask::View => out.push(VIEW),
            Ask::Names { first } => {
                out.push(NAMES);
                put_varint(out, u64::from(*first));
            }
            Ask::Digests { window } => {
                out.push(DIGESTS);
                out.extend_from_slice(&window.to_le_bytes());
            }
            Ask::Points(want) => {
                out.push(POINTS);
                want.put(out);
            }
            Ask::Nothing => out.push(NOTHING),
        }
    }

    pub(super) fn take(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(match reader.u8()? {
            VIEW => Ask::View,
            NAMES => Ask::Names { first: reader.varint32()? },
            DIGESTS => Ask::Digests { window: reader.u64()? as i64 },
            POINTS => Ask::Points(Want::take(reader)?),
            NOTHING => Ask::Nothing,
            _ => return Err(WireError::Malformed),
        })
    }
}

impl Lend {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        match self {
            Lend::View(terms) => {
                out.push(VIEW);
                terms.put(out);
            }
            Lend::Names(chunk) => {
                out.push(NAMES);
                put_block(out, &chunk.encode());
            }
            Lend::Digests { window, digests } => {
                out.push(DIGESTS);
                out.extend_from_slice(&window.to_le_bytes());
                digests.iter().for_each(|digest| out.extend_from_slice(&digest.0.to_le_bytes()));
            }
            Lend::Points { window, shards, from, next, frame } => {
                out.push(POINTS);
                out.extend_from_slice(&window.to_le_bytes());
                shards.put(out);
                from.put(out);
                out.push(u8::from(next.is_some()) | u8::from(frame.is_some()) << 1);
                next.iter().for_each(|next| next.put(out));
                frame.iter().for_each(|frame| put_block(out, frame.bytes()));
            }
            Lend::Refused => out.push(NOTHING),
        }
    }

    pub(super) fn take(body: &Bytes) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        Ok(match reader.u8()? {
            VIEW => Lend::View(Terms::take(body, &mut reader)?),
            NAMES => Lend::Names(Chunk::decode(reader.block()?)?),
            DIGESTS => Lend::Digests { window: reader.u64()? as i64, digests: take_digests(&mut reader)? },
            POINTS => {
                let (window, shards) = (reader.u64()? as i64, Shards::take(&mut reader)?);
                let from = Cursor::take(&mut reader)?;
                let flags = reader.u8()?;
                let next = if flags & 1 == 0 { None } else { Some(Cursor::take(&mut reader)?) };
                let frame = match flags & 2 {
                    0 => None,
                    _ => Some(Frame::decode(body.slice_ref(reader.block()?))?),
                };
                Lend::Points { window, shards, from, next, frame }
            }
            NOTHING => Lend::Refused,
            _ => return Err(WireError::Malformed),
        })
    }
}

impl Terms {
    fn put(&self, out: &mut Vec<u8>) {
        for frontier in [&self.frontier, &self.shown] {
            put_heads(out, &frontier.iter().collect::<Vec<_>>());
        }
        out.extend_from_slice(&self.horizon_ms.to_le_bytes());
        put_varint(out, u64::from(self.streams));
        for windows in [&self.windows, &self.damaged] {
            put_varint(out, windows.len() as u64);
            windows.iter().for_each(|window| out.extend_from_slice(&window.to_le_bytes()));
        }
        put_varint(out, self.members.len() as u64);
        self.members.iter().for_each(|member| put_block(out, member));
        put_block(out, self.notes.as_ref().map_or(&[], |notes| notes.bytes()));
    }

    fn take(body: &Bytes, reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let frontier = Frontier::from_entries(take_heads(reader)?);
        let shown = Frontier::from_entries(take_heads(reader)?);
        let horizon_ms = reader.u64()? as i64;
        let streams = reader.varint32()?;
        let (windows, damaged) = (take_windows(reader)?, take_windows(reader)?);
        let count = reader.count()?;
        if count > PARTS_MAX.min(ORIGINS_MAX) || count > reader.rest().len() {
            return Err(WireError::Malformed);
        }
        let member = |_| Ok(Bytes::copy_from_slice(reader.block()?));
        let members = (0..count).map(member).collect::<Result<_, Malformed>>()?;
        let notes = match reader.block()? {
            [] => None,
            bytes => Some(Frame::decode(body.slice_ref(bytes))?),
        };
        Ok(Self { frontier, shown, horizon_ms, streams, windows, damaged, members, notes })
    }
}

fn take_windows(reader: &mut Reader<'_>) -> Result<Vec<i64>, WireError> {
    let count = reader.count()?;
    if count > WINDOWS_MAX || count > reader.rest().len() / 8 {
        return Err(WireError::Malformed);
    }
    Ok((0..count).map(|_| Ok(reader.u64()? as i64)).collect::<Result<_, Malformed>>()?)
}

fn take_digests(reader: &mut Reader<'_>) -> Result<ShardDigests, Malformed> {
    let mut shards = Box::new([Digest::default(); 256]);
    for shard in shards.iter_mut() {
        shard.0 = u128::from_le_bytes(reader.array()?);
    }
    Ok(ShardDigests::from_shards(shards))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shoal_model::Origin;
    use shoal_store::{FrameId, Header, Record, Shards, Tag};

    use super::super::Message;
    use super::*;

    const LOAN: Origin = Origin([3; 16]);

    fn frame(body: &[u8]) -> Frame {
        let header = Header { id: FrameId { origin: LOAN, seq: 1 }, table_len: 2, points: 0 };
        Frame::encode(header, &[Record { tag: Tag::METADATA, body }]).unwrap()
    }

    proptest! {
        #[test]
        fn asks_and_answers_round_trip(number: u32, window: i64, seq: u64, body in prop::collection::vec(any::<u8>(), 1..40)) {
            let mut shards = Shards::default();
            shards.insert(7);
            let from = Cursor { number, skip: 3 };
            let have = [(number, u128::from(seq) << 70)].into();
            let want = Want { window, shards, from, have };
            let asks = [Ask::View, Ask::Names { first: number }, Ask::Digests { window }, Ask::Points(want), Ask::Nothing];
            for ask in asks {
                let message = Message::Ask { loan: LOAN, ask };
                prop_assert_eq!(Message::decode(&message.encode()), Ok(message));
            }
            let mut digests = Box::new([Digest::default(); 256]);
            digests[9] = Digest(u128::from(seq));
            let terms = Terms {
                frontier: Frontier::from_entries([(LOAN, seq)]),
                shown: Frontier::from_entries([(LOAN, seq + 1)]),
                horizon_ms: window,
                streams: number,
                windows: vec![window, i64::MIN],
                damaged: vec![1],
                members: vec![Bytes::from(body.clone())],
                notes: Some(frame(&body)),
            };
            let lends = [
                Lend::View(terms.clone()),
                Lend::View(Terms { notes: None, ..terms }),
                Lend::Names(Chunk { origin: LOAN, first: 1, streams: vec![] }),
                Lend::Digests { window, digests: ShardDigests::from_shards(digests) },
                Lend::Points { window, shards, from, next: Some(from), frame: Some(frame(&body)) },
                Lend::Points { window, shards, from, next: None, frame: None },
                Lend::Refused,
            ];
            for lend in lends {
                let message = Message::Lend { loan: LOAN, lend: Box::new(lend) };
                prop_assert_eq!(Message::decode(&message.encode()), Ok(message));
            }
        }

        #[test]
        fn hostile_answers_never_panic(kind in 0_u8..7, bytes in prop::collection::vec(any::<u8>(), 0..90)) {
            for message in [7, 8] {
                let loan = if message == 8 { [vec![0], LOAN.0.to_vec()].concat() } else { LOAN.0.to_vec() };
                let _ = Message::decode(&[vec![message], loan, vec![kind], bytes.clone()].concat().into());
            }
        }
    }
}
