//! What a peer may send and must not get away with: refused, counted under its name and the reason, and nothing of
//! it applied. After each, the same peer is served as before.

use super::*;
use crate::fault::Fault;
use crate::wire::{Beat, Have, Message};

/// Three nodes; node 2 misbehaves towards node 1.
struct Case {
    world: World,
    points: u64,
}

impl Case {
    fn new() -> Self {
        let mut world = World::of_three();
        let ticket = world.write(1, &batch(9, 1, 1.0), Acks::Auto);
        world.answer(1, ticket).unwrap();
        world.run_until("all agree", World::agree);
        let points = world.replica(1).store().point_count();
        Self { world, points }
    }

    fn send(&mut self, message: &Bytes) {
        let now = self.world.now;
        self.world.replica(1).handle_message(now, id(2), message);
    }

    /// It was counted once under the peer and the reason, nothing was applied, and the cluster works on.
    fn ends_refused(mut self, fault: Fault) {
        let faults: Vec<_> = self.world.replica(1).faults().iter().collect();
        assert_eq!(faults, [(id(2), fault, 1)]);
        assert_eq!(self.world.replica(1).store().point_count(), self.points);
        let statuses = self.world.nodes[&id(1)].replica.member_statuses(self.world.now);
        let told = statuses.iter().find(|status| status.member.node == id(2)).unwrap();
        assert_eq!(told.faults, [(fault, 1)]);
        let ticket = self.world.write(2, &batch(8, 2, 1.0), Acks::All);
        assert_eq!(self.world.answer(2, ticket).unwrap().copies, 3);
        self.world.run_until("all agree", World::agree);
    }
}

/// Frames of a node that nobody has met, each with a point.
fn frames_of_a_stranger(count: i64) -> (Vec<Chunk>, Vec<Frame>) {
    let mut store = Store::open(Arc::new(MemoryDisk::new()), origin(7, 1), options()).unwrap().store;
    let frames = (1..=count).map(|time| store.append(&batch(7, time, 1.0), &[]).unwrap().frame).collect();
    (store.chunk(origin(7, 1), 0).into_iter().collect(), frames)
}

fn pushed(chunks: Vec<Chunk>, frames: Vec<Frame>) -> Bytes {
    Message::Frames { answers_pull: false, more: false, chunks, frames, gone: vec![] }.encode()
}

const FAR: u64 = 1_000;

#[test]
fn a_claim_to_hold_frames_that_were_never_written_makes_no_copy() {
    let mut case = Case::new();
    case.send(&Message::Held { origin: origin(1, 1), seq: FAR, owed: 0 }.encode());
    case.world.down.extend([id(2), id(3)]);
    let ticket = case.world.write(1, &batch(9, 2, 1.0), Acks::Count(2));
    assert_eq!(case.world.answer(1, ticket), Err(TooFewCopies { copies: 1, wanted: 2 }));
    case.world.down.clear();
    case.points += 1;
    case.ends_refused(Fault::Claim);
}

#[test]
fn a_beat_a_pull_and_a_reply_that_claim_such_frames_are_refused_too() {
    let own = origin(1, 1);
    let beat = Beat {
        sent_ms: 1,
        echo_ms: 1,
        origin: origin(2, 1),
        held: FAR,
        held_origin: own,
        owed: 0,
        fingerprint: 0,
        is_in_debt: false,
        lacks_frames: false,
        knows_history: true,
    };
    let have = vec![Have { origin: own, seq: FAR, table_len: 0 }];
    let heads = vec![(own, FAR)];
    for message in [
        Message::Beat(beat),
        Message::Pull { have },
        Message::Applied { origin: origin(1, 1), probe_ms: 0, heads },
    ] {
        let mut case = Case::new();
        case.send(&message.encode());
        case.ends_refused(Fault::Claim);
    }
}

#[test]
fn frames_after_a_gap_are_not_applied() {
    let mut case = Case::new();
    let (chunks, mut frames) = frames_of_a_stranger(3);
    frames.remove(0);
    frames.truncate(1);
    case.send(&pushed(chunks, frames));
    case.ends_refused(Fault::Gap);
}

#[test]
fn a_frame_that_its_writer_serves_to_nobody_is_refused() {
    let mut case = Case::new();
    let header =
        shoal_store::Header { id: FrameId { origin: origin(7, 1), seq: 1 }, table_len: 0, points: 0 };
    let remnant = Frame::encode(header, &[Record { tag: shoal_store::Tag::REMNANT, body: &[] }]).unwrap();
    case.send(&pushed(vec![], vec![remnant]));
    case.ends_refused(Fault::Frame);
}

#[test]
fn a_frame_without_the_table_of_its_streams_is_not_applied() {
    let mut case = Case::new();
    let (_, frames) = frames_of_a_stranger(1);
    case.send(&pushed(vec![], frames));
    case.ends_refused(Fault::Gap);
}

#[test]
fn a_wrong_checksum_refuses_the_message() {
    let (chunks, frames) = frames_of_a_stranger(1);
    let message = pushed(chunks, frames);
    let mut case = Case::new();
    let mut broken = message.to_vec();
    // The last byte of the frame: the number of origins that are gone follows it.
    let last = broken.len() - 2;
    broken[last] ^= 1;
    case.send(&broken.into());
    case.ends_refused(Fault::Frame);
}

#[test]
fn a_length_beyond_all_limits_refuses_the_message() {
    const COMPRESSED_FRAMES: [u8; 2] = [3, 4];
    for lengths in [&[0xff, 0xff, 0xff, 0xff, 0x0f][..], &[0xff; 9]] {
        let mut case = Case::new();
        case.send(&[&COMPRESSED_FRAMES, lengths, b"body"].concat().into());
        case.ends_refused(Fault::Malformed);
    }
}

#[test]
fn a_message_of_another_release_is_passed_over() {
    let mut case = Case::new();
    case.send(&Bytes::from_static(b"\x63whatever it means"));
    case.ends_refused(Fault::UnknownMessage);
}

#[test]
fn a_table_that_contradicts_a_known_one_or_extends_ours_is_refused() {
    let (mut chunks, _) = frames_of_a_stranger(1);
    let stream = chunks[0].streams[0].clone();
    let other = Stream { writer: Writer([99; 16]), ..stream.clone() };
    for (first, second) in [
        (
            Some(chunks.remove(0)),
            Chunk { origin: origin(7, 1), first: 0, streams: vec![other, stream.clone()] },
        ),
        (None, Chunk { origin: origin(1, 1), first: 40, streams: vec![stream] }),
    ] {
        let mut case = Case::new();
        if let Some(first) = first {
            case.send(&pushed(vec![first], vec![]));
        }
        case.send(&pushed(vec![second], vec![]));
        case.ends_refused(Fault::Table);
    }
}
