//! Members are data: a node joins, leaves or is forgotten by a record in a frame. What is known of a node is the
//! greatest record by (incarnation, round, status), so records merge in any order. Frames that were given up are told
//! the same way, so that a member who was away, and has one, learns of it. Layout: `docs/formats/member.md`.

use std::collections::{BTreeMap, BTreeSet};

use shoal_model::{Incarnation, NodeId, Origin};
use shoal_store::FrameId;
use shoal_store::bytes::{Malformed, Reader, put_block, put_signed, put_varint};

/// Bytes of a name or zone in a record.
const NAME_BYTES_MAX: usize = 256;

/// Frames that are known as given up, at most: all of them go with each loan.
const VOIDS_MAX: usize = 16_384;

/// Whether a node counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Status {
    /// It belongs to the cluster, reachable or not.
    Joined = 1,
    /// It left on purpose; all that it wrote was handed over before.
    Left = 2,
    /// It was given up; what only it held may be lost.
    Forgotten = 3,
}

impl Status {
    /// The status as a word for people.
    pub fn word(self) -> &'static str {
        match self {
            Status::Joined => "joined",
            Status::Left => "left",
            Status::Forgotten => "forgotten",
        }
    }

    fn from_code(code: u8) -> Result<Self, Malformed> {
        [Self::Joined, Self::Left, Self::Forgotten]
            .into_iter()
            .find(|status| *status as u8 == code)
            .ok_or(Malformed)
    }
}

/// What is told to all nodes, those included that are away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A node's membership.
    Member(Member),
    /// A frame that no member had: one without points has taken its place.
    Void(FrameId),
}

/// The first byte of a notice of a void; a member's is its status.
const VOID: u8 = 4;

impl Notice {
    /// The record's body.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Notice::Member(member) => member.encode(),
            Notice::Void(id) => {
                let mut out = vec![VOID];
                out.extend_from_slice(&id.origin.0);
                put_varint(&mut out, id.seq);
                out
            }
        }
    }

    /// Reads a record's body; bytes after the known fields belong to a later release.
    pub fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        if reader.u8()? != VOID {
            return Member::decode(body).map(Notice::Member);
        }
        let id = FrameId { origin: Origin(reader.array()?), seq: reader.varint()? };
        if id.seq == 0 { Err(Malformed) } else { Ok(Notice::Void(id)) }
    }
}

/// One node's membership.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// In which of its lives.
    pub incarnation: Incarnation,
    /// How often it came back in this life after it had been forgotten.
    pub round: u32,
    /// Whether it counts.
    pub status: Status,
    /// The node.
    pub node: NodeId,
    /// Its frames' origin in that life.
    pub origin: Origin,
    /// Its label for people.
    pub name: String,
    /// Its failure domain.
    pub zone: String,
    /// The wall clock of who wrote the record, in ms.
    pub at_ms: i64,
}

impl Member {
    /// The record's body.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.name.len() + self.zone.len());
        out.push(self.status as u8);
        out.extend_from_slice(&self.node.0);
        out.extend_from_slice(&self.origin.0);
        put_varint(&mut out, self.incarnation.0);
        put_varint(&mut out, u64::from(self.round));
        put_block(&mut out, self.name.as_bytes());
        put_block(&mut out, self.zone.as_bytes());
        put_signed(&mut out, self.at_ms);
        out
    }

    /// Reads a record's body; bytes after the known fields belong to a later release.
    pub fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let status = Status::from_code(reader.u8()?)?;
        let (node, origin) = (NodeId(reader.array()?), Origin(reader.array()?));
        let (incarnation, round) = (Incarnation(reader.varint()?), reader.varint32()?);
        let mut text = || -> Result<String, Malformed> {
            let bytes = reader.block()?;
            let text = std::str::from_utf8(bytes).map_err(|_| Malformed)?;
            if text.len() > NAME_BYTES_MAX { Err(Malformed) } else { Ok(text.to_owned()) }
        };
        let (name, zone) = (text()?, text()?);
        Ok(Self { incarnation, round, status, node, origin, name, zone, at_ms: reader.signed()? })
    }

    /// The record that gives this member up.
    pub fn forgotten(&self, at_ms: i64) -> Self {
        Self { status: Status::Forgotten, at_ms, ..self.clone() }
    }
}

/// All nodes that ever belonged, each with its greatest record, when each of their lives began, and the frames that
/// were given up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    nodes: BTreeMap<NodeId, Member>,
    lives: BTreeMap<(NodeId, Incarnation), (Origin, i64)>,
    voids: BTreeSet<FrameId>,
}

impl Members {
    /// Joins a record in; true if it changed what is known.
    pub fn join(&mut self, member: Member) -> bool {
        let life = (member.origin, member.at_ms);
        let known = self.lives.entry((member.node, member.incarnation)).or_insert(life);
        *known = life.min(*known);
        match self.nodes.get_mut(&member.node) {
            Some(known) if *known >= member && !shoal_merge::Mutant::LastMemberRecord.is_on() => false,
            Some(known) => {
                *known = member;
                true
            }
            None => {
                self.nodes.insert(member.node, member);
                true
            }
        }
    }

    /// A frame was given up; true if that is news.
    pub fn note_void(&mut self, id: FrameId) -> bool {
        self.voids.len() < VOIDS_MAX && self.voids.insert(id)
    }

    /// Whether a frame was given up.
    pub fn is_void(&self, id: FrameId) -> bool {
        self.voids.contains(&id)
    }

    /// Lets go of the frames of origins that are over.
    pub fn forget_voids(&mut self, over: &BTreeSet<Origin>) {
        self.voids.retain(|id| !over.contains(&id.origin));
    }

    /// All that is known, for whoever begins without it.
    pub fn notices(&self) -> impl Iterator<Item = Notice> + '_ {
        self.records().map(Notice::Member).chain(self.voids.iter().map(|id| Notice::Void(*id)))
    }

    /// What is known of a node.
    pub fn of(&self, node: NodeId) -> Option<&Member> {
        self.nodes.get(&node)
    }

    /// Whether a node counts.
    pub fn counts(&self, node: NodeId) -> bool {
        self.of(node).is_some_and(|member| member.status == Status::Joined)
    }

    /// The nodes that count, in order of id.
    pub fn joined(&self) -> impl Iterator<Item = &Member> {
        self.nodes.values().filter(|member| member.status == Status::Joined)
    }

    /// The origins that write no more, each with when that was known: its node began its next life, left, or was
    /// forgotten.
    pub fn closed(&self) -> impl Iterator<Item = (Origin, i64)> + '_ {
        let lives = self.lives.iter();
        let next = self.lives.iter().skip(1).map(Some).chain([None]);
        lives.zip(next).filter_map(|(((node, incarnation), (origin, _)), next)| {
            let next = next.filter(|((next, _), _)| next == node).map(|(_, (_, began_ms))| *began_ms);
            let member = self.of(*node)?;
            let is_over = member.incarnation == *incarnation && member.status != Status::Joined;
            Some((*origin, next.or(is_over.then_some(member.at_ms))?))
        })
    }

    /// Records that make up all that is known of nodes.
    pub fn records(&self) -> impl Iterator<Item = Member> + '_ {
        let past = self.lives.iter().filter_map(|((node, incarnation), (origin, at_ms))| {
            let latest = self.of(*node)?;
            let (node, incarnation, origin, at_ms) = (*node, *incarnation, *origin, *at_ms);
            let past = Member {
                incarnation,
                round: 0,
                status: Status::Joined,
                node,
                origin,
                name: String::new(),
                zone: String::new(),
                at_ms,
            };
            // The first record of the present life says when that began.
            (past < *latest).then_some(past)
        });
        past.chain(self.nodes.values().cloned())
    }

    /// Lets go of lives that ended before a time: nobody names their origins any more.
    pub fn forget_lives_before(&mut self, ms: i64) {
        let old: Vec<Origin> =
            self.closed().filter(|(_, at_ms)| *at_ms < ms).map(|(origin, _)| origin).collect();
        let is_present = |nodes: &BTreeMap<NodeId, Member>, node: &NodeId, incarnation: &Incarnation| {
            nodes.get(node).is_some_and(|member| member.incarnation == *incarnation)
        };
        self.lives.retain(|(node, incarnation), (origin, _)| {
            is_present(&self.nodes, node, incarnation) || !old.contains(origin)
        });
    }

    /// Every node that ever belonged, in order of id.
    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.nodes.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        fn member()(
            incarnation in 0_u64..3, round in 0_u32..2, status in 1_u8..4, node in 0_u8..3, name in "[a-c]{0,2}",
            at_ms in 0_i64..9,
        ) -> Member {
            let status = Status::from_code(status).unwrap();
            let (node, origin) = (NodeId([node; 16]), Origin([incarnation as u8; 16]));
            let (incarnation, zone) = (Incarnation(incarnation), String::new());
            Member { incarnation, round, status, node, origin, name, zone, at_ms }
        }
    }

    proptest! {
        #[test]
        fn records_merge_in_any_order_and_number(records in prop::collection::vec(member(), 0..12)) {
            let fold = |records: &mut dyn Iterator<Item = &Member>| {
                let mut members = Members::default();
                records.for_each(|record| { members.join(record.clone()); });
                members
            };
            let expected = fold(&mut records.iter());
            prop_assert_eq!(&fold(&mut records.iter().rev().chain(&records)), &expected);
            let again: Vec<_> = expected.records().collect();
            prop_assert_eq!(&fold(&mut again.iter()), &expected);
        }

        #[test]
        fn records_round_trip(member in member()) {
            prop_assert_eq!(Member::decode(&member.encode()), Ok(member));
        }

        #[test]
        fn notices_of_voids_round_trip(origin in any::<[u8; 16]>(), seq in 1..u64::MAX) {
            let notice = Notice::Void(FrameId { origin: Origin(origin), seq });
            prop_assert_eq!(Notice::decode(&notice.encode()), Ok(notice));
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Notice::decode(&bytes);
        }
    }

    #[test]
    fn an_origin_is_closed_when_its_node_lives_again_or_leaves() {
        let life = |incarnation: u64, status, at_ms| Member {
            incarnation: Incarnation(incarnation),
            round: 0,
            status,
            node: NodeId([1; 16]),
            origin: Origin([incarnation as u8; 16]),
            name: "a".into(),
            zone: String::new(),
            at_ms,
        };
        let mut members = Members::default();
        members.join(life(3, Status::Joined, 30));
        members.join(life(1, Status::Joined, 10));
        members.join(life(2, Status::Joined, 20));
        let closed = |members: &Members| members.closed().collect::<Vec<_>>();
        assert_eq!(closed(&members), [(Origin([1; 16]), 20), (Origin([2; 16]), 30)]);
        members.join(life(3, Status::Left, 35));
        assert_eq!(closed(&members).last(), Some(&(Origin([3; 16]), 35)));
        members.forget_lives_before(30);
        assert_eq!(closed(&members), [(Origin([2; 16]), 30), (Origin([3; 16]), 35)]);
    }

    #[test]
    fn a_forgotten_node_counts_again_in_its_next_life_or_round() {
        let mut members = Members::default();
        let joined = Member {
            incarnation: Incarnation(1),
            round: 0,
            status: Status::Joined,
            node: NodeId([1; 16]),
            origin: Origin([1; 16]),
            name: "a".into(),
            zone: String::new(),
            at_ms: 5,
        };
        members.join(joined.clone());
        members.join(joined.forgotten(9));
        assert!(!members.join(joined.clone()) && !members.counts(joined.node));
        assert!(members.join(Member { round: 1, ..joined.clone() }) && members.counts(joined.node));
        members.join(Member { round: 1, ..joined.forgotten(9) });
        assert!(members.join(Member { incarnation: Incarnation(2), ..joined }));
    }
}
