//! The messages between nodes, all of them idempotent: a beat tells that a node is there and what it holds, a pull
//! says what it has, frames answer a pull or are pushed, held acknowledges, and a probe asks what was applied. Any of
//! them may be lost, repeated or reordered. Layout: `docs/formats/message.md`.

mod loan;

use bytes::Bytes;
use shoal_model::Origin;
use shoal_model::limits::MESSAGE_BYTES_MAX;
use shoal_store::bytes::{Malformed, Reader, put_block, put_signed, put_varint};
use shoal_store::{Chunk, Frame, FrameError, TableError};
use thiserror::Error;

pub use loan::{Ask, Lend, Terms};

/// Origins in one pull: bounds what a peer can make us hold.
const ORIGINS_MAX: usize = 1 << 20;
/// Frames or chunks in one message.
const PARTS_MAX: usize = 1 << 16;

/// How urgent a message is: the carrier sends control before new frames before repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Beats, acknowledgements, pulls.
    Control,
    /// New frames.
    Frames,
    /// Frames that were asked for, while more are missing.
    Repair,
}

/// Why bytes are no message: the peer's fault, and of this message only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WireError {
    /// A message kind of another release.
    #[error("an unknown message kind {0}")]
    Unknown(u8),
    /// The bytes end early or their lengths disagree.
    #[error("a malformed message")]
    Malformed,
    /// A frame in it is broken.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A table chunk in it is broken.
    #[error(transparent)]
    Table(#[from] TableError),
}

impl From<Malformed> for WireError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// What a node has of an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Have {
    /// The origin.
    pub origin: Origin,
    /// The last frame without a gap.
    pub seq: u64,
    /// Entries of its table.
    pub table_len: u32,
}

/// A node tells another that it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// The sender's clock, in ms since it started; comes back as an echo.
    pub sent_ms: u64,
    /// The newest `sent_ms` that it has from the receiver, and the receiver's origin then: a two-way link.
    pub echo_ms: u64,
    /// The sender's origin in this life.
    pub origin: Origin,
    /// How far the sender holds the receiver's own frames, synced.
    pub held: u64,
    /// Whose frames `held` counts: the receiver's origin, as the sender knows it.
    pub held_origin: Origin,
    /// The receiver's frames up to this number are not among those held: the sender is in debt for them.
    pub owed: u64,
    /// Whether the sender is in debt at all: it is nobody's lender then.
    pub is_in_debt: bool,
    /// Whether frames that the sender applied cannot be read there any more.
    pub lacks_frames: bool,
    /// Whether the sender knows what there was before it.
    pub knows_history: bool,
    /// Fingerprint of all that the sender holds, synced.
    pub fingerprint: u128,
}

/// A message between nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// I am here.
    Beat(Beat),
    /// This is what I have; send me what I lack.
    Pull {
        /// Per origin what is held without a gap.
        have: Vec<Have>,
    },
    /// Frames, with the table chunks that they need.
    Frames {
        /// Whether this answers a pull.
        answers_pull: bool,
        /// Whether there is more, so that another pull is due.
        more: bool,
        /// Table chunks, to be taken in first.
        chunks: Vec<Chunk>,
        /// Frames in the order of their numbers.
        frames: Vec<Frame>,
        /// Origins of which the next frame that was asked for is in the sender's blocks, but in its journal no more.
        gone: Vec<Origin>,
    },
    /// Tell me what you have applied.
    Probe {
        /// The prober's origin in this life; comes back in the reply, for another life's clock may be another.
        origin: Origin,
        /// The prober's wall clock, in ms; comes back in the reply.
        sent_ms: i64,
    },
    /// This is what I have applied.
    Applied {
        /// Whose probe this answers.
        origin: Origin,
        /// The probe that this answers.
        probe_ms: i64,
        /// The last frame by origin.
        heads: Vec<(Origin, u64)>,
    },
    /// I hold this origin's frames up to this number, synced.
    Held {
        /// Whose frames.
        origin: Origin,
        /// The last of them.
        seq: u64,
        /// Those up to this number are not among them: the sender is in debt for them.
        owed: u64,
    },
    /// A node in debt asks another for what it lacks.
    Ask {
        /// Names the loan; the debtor has drawn it.
        loan: Origin,
        /// What it asks.
        ask: Ask,
    },
    /// The answer to it.
    Lend {
        /// Names the loan.
        loan: Origin,
        /// What there is.
        lend: Box<Lend>,
    },
}

const BEAT: u8 = 1;
const PULL: u8 = 2;
const FRAMES: u8 = 3;
const HELD: u8 = 4;
const PROBE: u8 = 5;
const APPLIED: u8 = 6;
const ASK: u8 = 7;
const LEND: u8 = 8;

impl Message {
    /// How urgent it is.
    pub fn class(&self) -> Class {
        match self {
            Message::Beat(_)
            | Message::Pull { .. }
            | Message::Held { .. }
            | Message::Probe { .. }
            | Message::Applied { .. } => Class::Control,
            // The last answer to a pull opens the pushing that follows, which must not overtake it.
            Message::Frames { answers_pull, more, .. } if *answers_pull && *more => Class::Repair,
            Message::Frames { .. } => Class::Frames,
            Message::Ask { .. } | Message::Lend { .. } => Class::Repair,
        }
    }

    /// The message's bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        match self {
            Message::Beat(beat) => put_beat(&mut out, beat),
            Message::Pull { have } => put_pull(&mut out, have),
            Message::Frames { answers_pull, more, chunks, frames, gone } => {
                let flags = u8::from(*answers_pull) | u8::from(*more) << 1;
                put_body(&mut out, FRAMES, flags, &frames_body(chunks, frames, gone));
            }
            Message::Probe { origin, sent_ms } => {
                out.push(PROBE);
                out.extend_from_slice(&origin.0);
                put_signed(&mut out, *sent_ms);
            }
            Message::Applied { origin, probe_ms, heads } => {
                out.push(APPLIED);
                out.extend_from_slice(&origin.0);
                put_signed(&mut out, *probe_ms);
                put_heads(&mut out, heads);
            }
            Message::Held { origin, seq, owed } => {
                out.push(HELD);
                out.extend_from_slice(&origin.0);
                put_varint(&mut out, *seq);
                put_varint(&mut out, *owed);
            }
            Message::Ask { loan, ask } => {
                out.push(ASK);
                out.extend_from_slice(&loan.0);
                ask.put(&mut out);
            }
            Message::Lend { loan, lend } => {
                let mut body = loan.0.to_vec();
                lend.put(&mut body);
                put_body(&mut out, LEND, 0, &body);
            }
        }
        out.into()
    }

    /// Reads a message from a peer, with every checksum in it. Bytes after the known fields belong to a later
    /// release and are passed over.
    pub fn decode(bytes: &Bytes) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        match reader.u8()? {
            BEAT => take_beat(&mut reader).map(Message::Beat),
            PULL => take_pull(&mut reader).map(|have| Message::Pull { have }),
            FRAMES => take_frames(bytes, &mut reader),
            PROBE => Ok(Message::Probe { origin: Origin(reader.array()?), sent_ms: reader.signed()? }),
            APPLIED => {
                let (origin, probe_ms) = (Origin(reader.array()?), reader.signed()?);
                Ok(Message::Applied { origin, probe_ms, heads: take_heads(&mut reader)? })
            }
            HELD => {
                let (origin, seq, owed) = (Origin(reader.array()?), reader.varint()?, reader.varint()?);
                Ok(Message::Held { origin, seq, owed })
            }
            ASK => Ok(Message::Ask { loan: Origin(reader.array()?), ask: Ask::take(&mut reader)? }),
            LEND => {
                let (_, mut body) = take_body(bytes, &mut reader)?;
                let loan = Origin(Reader::new(&body).array()?);
                Ok(Message::Lend { loan, lend: Box::new(Lend::take(&body.split_off(16))?) })
            }
            kind => Err(WireError::Unknown(kind)),
        }
    }
}

fn put_beat(out: &mut Vec<u8>, beat: &Beat) {
    out.push(BEAT);
    for number in [beat.sent_ms, beat.echo_ms, beat.held, beat.owed] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&beat.origin.0);
    out.extend_from_slice(&beat.held_origin.0);
    out.extend_from_slice(&beat.fingerprint.to_le_bytes());
    out.push(
        u8::from(beat.is_in_debt) | u8::from(beat.lacks_frames) << 1 | u8::from(beat.knows_history) << 2,
    );
}

fn take_beat(reader: &mut Reader<'_>) -> Result<Beat, WireError> {
    let (sent_ms, echo_ms) = (reader.u64()?, reader.u64()?);
    let (held, owed) = (reader.u64()?, reader.u64()?);
    let (origin, held_origin) = (Origin(reader.array()?), Origin(reader.array()?));
    let beat = Beat {
        sent_ms,
        echo_ms,
        held,
        origin,
        held_origin,
        owed,
        fingerprint: u128::from_le_bytes(reader.array()?),
        is_in_debt: false,
        lacks_frames: false,
        knows_history: false,
    };
    let flags = reader.u8()?;
    let is_set = |flag: u8| flags & flag != 0;
    Ok(Beat { is_in_debt: is_set(1), lacks_frames: is_set(2), knows_history: is_set(4), ..beat })
}

fn put_pull(out: &mut Vec<u8>, have: &[Have]) {
    out.push(PULL);
    put_varint(out, have.len() as u64);
    for Have { origin, seq, table_len } in have {
        out.extend_from_slice(&origin.0);
        put_varint(out, *seq);
        put_varint(out, u64::from(*table_len));
    }
}

fn take_pull(reader: &mut Reader<'_>) -> Result<Vec<Have>, WireError> {
    let count = reader.count()?;
    if count > ORIGINS_MAX || count > reader.rest().len() / 18 {
        return Err(WireError::Malformed);
    }
    let entry = |_| {
        Ok(Have { origin: Origin(reader.array()?), seq: reader.varint()?, table_len: reader.varint32()? })
    };
    (0..count).map(entry).collect()
}

fn put_heads(out: &mut Vec<u8>, heads: &[(Origin, u64)]) {
    put_varint(out, heads.len() as u64);
    for (origin, seq) in heads {
        out.extend_from_slice(&origin.0);
        put_varint(out, *seq);
    }
}

fn take_heads(reader: &mut Reader<'_>) -> Result<Vec<(Origin, u64)>, WireError> {
    let count = reader.count()?;
    if count > ORIGINS_MAX || count > reader.rest().len() / 17 {
        return Err(WireError::Malformed);
    }
    (0..count).map(|_| Ok((Origin(reader.array()?), reader.varint()?))).collect()
}

/// A body below this is sent as it is: compressing would hardly make it smaller.
const COMPRESSED_BYTES_MIN: usize = 256;
/// The flag of a compressed body: its length in front, then an LZ4 block.
const IS_COMPRESSED: u8 = 4;

fn frames_body(chunks: &[Chunk], frames: &[Frame], gone: &[Origin]) -> Vec<u8> {
    let mut body = Vec::with_capacity(frames.iter().map(|frame| frame.bytes().len() + 5).sum());
    put_varint(&mut body, chunks.len() as u64);
    chunks.iter().for_each(|chunk| put_block(&mut body, &chunk.encode()));
    put_varint(&mut body, frames.len() as u64);
    frames.iter().for_each(|frame| put_block(&mut body, frame.bytes()));
    put_varint(&mut body, gone.len() as u64);
    gone.iter().for_each(|origin| body.extend_from_slice(&origin.0));
    body
}

/// Writes a message whose body is compressed where that pays.
fn put_body(out: &mut Vec<u8>, kind: u8, flags: u8, body: &[u8]) {
    if body.len() >= COMPRESSED_BYTES_MIN {
        let compressed = lz4_flex::block::compress(body);
        if compressed.len() < body.len() {
            out.extend_from_slice(&[kind, flags | IS_COMPRESSED]);
            put_varint(out, body.len() as u64);
            out.extend_from_slice(&compressed);
            return;
        }
    }
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(body);
}

fn take_body(bytes: &Bytes, reader: &mut Reader<'_>) -> Result<(u8, Bytes), WireError> {
    let flags = reader.u8()?;
    if flags & IS_COMPRESSED == 0 {
        return Ok((flags, bytes.slice_ref(reader.rest())));
    }
    let len = reader.count()?;
    if len > MESSAGE_BYTES_MAX {
        return Err(WireError::Malformed);
    }
    let body = lz4_flex::block::decompress(reader.rest(), len).map_err(|_| WireError::Malformed)?;
    Ok((flags, body.into()))
}

fn take_frames(bytes: &Bytes, reader: &mut Reader<'_>) -> Result<Message, WireError> {
    let (flags, body) = take_body(bytes, reader)?;
    let mut reader = Reader::new(&body);
    let chunks = (0..take_count(&mut reader)?)
        .map(|_| Ok(Chunk::decode(reader.block()?)?))
        .collect::<Result<_, WireError>>()?;
    let frames = (0..take_count(&mut reader)?)
        .map(|_| Ok(Frame::decode(body.slice_ref(reader.block()?))?))
        .collect::<Result<_, WireError>>()?;
    let gone = reader.count()?;
    if gone > ORIGINS_MAX || gone > reader.rest().len() / 16 {
        return Err(WireError::Malformed);
    }
    let gone = (0..gone).map(|_| Ok(Origin(reader.array()?))).collect::<Result<_, Malformed>>()?;
    Ok(Message::Frames { answers_pull: flags & 1 != 0, more: flags & 2 != 0, chunks, frames, gone })
}

fn take_count(reader: &mut Reader<'_>) -> Result<usize, WireError> {
    let count = reader.count()?;
    if count > PARTS_MAX || count > reader.rest().len() { Err(WireError::Malformed) } else { Ok(count) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use shoal_store::{FrameId, Header, Record, Tag};

    fn frames_message(body: &[u8]) -> Message {
        let id = FrameId { origin: Origin([4; 16]), seq: 9 };
        let frame =
            Frame::encode(Header { id, table_len: 0, points: 0 }, &[Record { tag: Tag::METADATA, body }]);
        let chunk = Chunk { origin: Origin([4; 16]), first: 3, streams: vec![] };
        let gone = vec![Origin([8; 16])];
        Message::Frames {
            answers_pull: true,
            more: false,
            chunks: vec![chunk],
            frames: vec![frame.unwrap()],
            gone,
        }
    }

    proptest! {
        #[test]
        fn messages_round_trip(number: u64, fingerprint: u128, id: [u8; 16], body in prop::collection::vec(any::<u8>(), 0..30)) {
            let origin = Origin(id);
            let (is_in_debt, lacks_frames, knows_history) = (number % 2 == 0, number % 3 == 0, number % 5 == 0);
            let beat = Beat { sent_ms: number, echo_ms: 2, origin, held: 4, held_origin: origin, owed: 3, fingerprint, is_in_debt, lacks_frames, knows_history };
            let have = vec![Have { origin, seq: number, table_len: 7 }];
            let applied = Message::Applied { origin, probe_ms: -5, heads: vec![(origin, number)] };
            let probe = Message::Probe { origin, sent_ms: number as i64 };
            let held = Message::Held { origin, seq: number, owed: 1 };
            for message in [Message::Beat(beat), Message::Pull { have }, frames_message(&body), held, probe, applied] {
                prop_assert_eq!(Message::decode(&message.encode()), Ok(message));
            }
        }

        #[test]
        fn hostile_bytes_never_panic(kind in 0_u8..10, bytes in prop::collection::vec(any::<u8>(), 0..90)) {
            let mut message = vec![kind];
            message.extend(bytes);
            let _ = Message::decode(&message.into());
        }
    }

    #[test]
    fn frames_that_repeat_themselves_travel_compressed_and_a_wrong_length_is_refused() {
        let message = frames_message(&[7; 5_000]);
        let bytes = message.encode();
        assert!(bytes.len() < 500, "{} bytes", bytes.len());
        assert_eq!(Message::decode(&bytes), Ok(message));
        for claim in [&[0xff_u8, 0xff, 0xff, 0xff, 0x0f][..], &[1]] {
            let lie = [&[FRAMES, IS_COMPRESSED], claim, &bytes[4..]].concat();
            assert_eq!(Message::decode(&lie.into()), Err(WireError::Malformed));
        }
    }

    #[test]
    fn huge_counts_are_refused_before_allocation() {
        let huge = Bytes::from_static(&[PULL, 0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert_eq!(Message::decode(&huge), Err(WireError::Malformed));
        let huge = Bytes::from_static(&[FRAMES, 0, 0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert_eq!(Message::decode(&huge), Err(WireError::Malformed));
        assert_eq!(Message::decode(&Bytes::from_static(&[99])), Err(WireError::Unknown(99)));
    }
}
