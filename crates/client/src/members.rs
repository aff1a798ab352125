//! The cluster as one node sees it.

use std::time::Duration;

use shoal_model::{Incarnation, NodeId, Origin};
use shoal_proto::convert::{IdError, node_id, origin};
use shoal_proto::v1;
use tonic::Status;

use crate::address::Address;

/// What the answering node says of the cluster and of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Members {
    /// The answering node.
    pub node: NodeId,
    /// Where it answered.
    pub address: Address,
    /// The cluster's name.
    pub cluster: String,
    /// The members, the answering node among them.
    pub members: Vec<Member>,
    /// Points that the answering node holds.
    pub points: u64,
    /// Streams that it holds.
    pub streams: u64,
    /// Series that it holds.
    pub series: u64,
    /// The hash of what it has applied, where it gave one: equal hashes, equal answers.
    pub frontier: Option<[u8; 16]>,
    /// Up to which time, in ms of the node's clock, it has all that the members held, where that is known.
    pub complete_until: Option<i64>,
    /// For people.
    pub warnings: Vec<String>,
    /// Frames that no node could provide.
    pub holes: Vec<Hole>,
    /// Points on its disk that cannot be read.
    pub damage: Vec<Damage>,
    /// What it fetches from another node because it missed it.
    pub repair: Option<Repair>,
    /// Its clock when it answered, in ms since 1970.
    pub time_ms: i64,
    /// What it uses of its machine, and what it has moved.
    pub usage: Usage,
    /// What came in since it started, by door; doors that nobody used are left out.
    pub doors: Vec<DoorCounts>,
    /// The snapshot that it is taking.
    pub snapshot: Option<SnapshotProgress>,
    /// Why it takes no more writes until it is started again, if that is so.
    pub journal_failure: Option<String>,
}

/// How far a snapshot has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotProgress {
    /// Files that are there.
    pub files: u64,
    /// About how many there will be.
    pub files_all: u64,
}

/// What a node uses of its machine, and what it has moved since it started. What it could not tell is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// When the process started, in ms since 1970.
    pub started_ms: i64,
    /// CPU time of the process.
    pub cpu_seconds: f64,
    /// Memory of the process.
    pub resident_bytes: u64,
    /// All memory of the machine.
    pub memory_bytes: u64,
    /// The journal on disk.
    pub journal_bytes: u64,
    /// The blocks on disk.
    pub block_bytes: u64,
    /// What the node may still take of the file system of its data directory.
    pub disk_free_bytes: u64,
    /// The size of that file system.
    pub disk_bytes: u64,
    /// Bytes of messages that came from other nodes.
    pub peer_bytes_in: u64,
    /// Bytes of messages that went to other nodes.
    pub peer_bytes_out: u64,
    /// Frames of other nodes that were applied.
    pub frames_applied: u64,
    /// Requests refused because too many were in work.
    pub requests_refused: u64,
    /// How far back the node reads.
    pub retention: Duration,
}

/// What came in at one door of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoorCounts {
    /// Such as `grpc`, `remote_write` or `statsd`.
    pub door: String,
    /// Points, or lines, that were taken.
    pub accepted: u64,
    /// Those that were not: why, and how many.
    pub refused: Vec<(String, u64)>,
}

/// A repair under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// The node that it fetches from.
    pub lender: NodeId,
    /// Windows of two hours in all; 0 while that is not known.
    pub windows: u64,
    /// Those that are not compared yet.
    pub windows_left: u64,
    /// Points fetched.
    pub points: u64,
    /// For how long it has been going on.
    pub running_for: Duration,
    /// How long it still takes at this rate, where that can be told.
    pub left_for: Option<Duration>,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Which node.
    pub node: NodeId,
    /// A label for people.
    pub name: String,
    /// Failure domain; may be empty.
    pub zone: String,
    /// Release of the binary.
    pub version: String,
    /// `host:port` for clients.
    pub client_address: String,
    /// `host:port` for peers.
    pub peer_address: String,
    /// Whether it counts as a member.
    pub state: MemberState,
    /// Whether the answering node reaches it.
    pub reachable: bool,
    /// Where it stands in its life.
    pub phase: String,
    /// Which of its lives.
    pub incarnation: Incarnation,
    /// The name of its frames in this life, where known.
    pub origin: Option<Origin>,
    /// Frames that the answering node holds and that it has not reported as held.
    pub lag_frames: u64,
    /// Bytes of these frames.
    pub lag_bytes: u64,
    /// What the answering node refused of it: why, and how often.
    pub faults: Vec<(String, u64)>,
    /// When the answering node last heard from it, in ms since 1970.
    pub last_seen_ms: i64,
}

/// Whether a node counts as a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberState {
    /// It does.
    Joined,
    /// It left on purpose.
    Left,
    /// It was forgotten.
    Forgotten,
    /// The node that answered said something that this client does not know.
    Unknown,
}

/// A frame that no node could provide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    /// Whose frame.
    pub origin: Origin,
    /// Its number.
    pub seq: u64,
    /// Why it is gone.
    pub reason: String,
}

/// Points of some streams that may be missing on the answering node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// They are not before this time, in ms since 1970.
    pub from_ms: i64,
    /// Nor after this one.
    pub to_ms: i64,
    /// What is damaged.
    pub part: String,
}

/// A snapshot that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Where it is, on the node's machine.
    pub directory: String,
    /// Files.
    pub files: u64,
    /// Bytes that were copied; the rest shares its bytes with the original.
    pub copied_bytes: u64,
}

pub(crate) fn request() -> v1::MembersRequest {
    v1::MembersRequest {}
}

pub(crate) fn forget_request(node: NodeId) -> v1::ForgetRequest {
    v1::ForgetRequest { node: node.0.to_vec() }
}

/// A reply that means nothing counts as a failure of its node.
pub(crate) fn answer(reply: v1::MembersReply, address: Address) -> Result<Members, Status> {
    convert(reply, address).map_err(|error| Status::internal(error.to_string()))
}

/// Where the joined members of a reply answer clients, but for those that are about to end.
pub(crate) fn client_addresses(reply: &v1::MembersReply) -> Vec<Address> {
    let joined = reply.members.iter().filter(|member| member.state() == v1::MemberState::Joined);
    let stays = joined.filter(|member| member.phase != "leaving");
    stays.filter_map(|member| member.client_address.parse().ok()).collect()
}

fn convert(reply: v1::MembersReply, address: Address) -> Result<Members, IdError> {
    let v1::MembersReply {
        node,
        cluster,
        members,
        points,
        streams,
        series,
        frontier,
        warnings,
        holes,
        damage,
        repair,
        complete_until,
        time_ms,
        usage,
        doors,
        snapshot,
        journal_failure,
    } = reply;
    Ok(Members {
        node: node_id(&node)?,
        address,
        cluster,
        members: members.into_iter().map(member).collect::<Result<_, _>>()?,
        points,
        streams,
        series,
        frontier: frontier.try_into().ok(),
        complete_until: (complete_until != 0).then_some(complete_until),
        warnings,
        holes: holes.into_iter().map(hole).collect::<Result<_, _>>()?,
        damage: damage.into_iter().map(damage_of).collect(),
        repair: repair.map(repair_of).transpose()?,
        time_ms,
        usage: usage.map(usage_of).unwrap_or_default(),
        doors: doors.into_iter().map(door_of).collect(),
        journal_failure: Some(journal_failure).filter(|reason| !reason.is_empty()),
        snapshot: snapshot
            .map(|v1::SnapshotProgress { files, files_all }| SnapshotProgress { files, files_all }),
    })
}

fn usage_of(message: v1::Usage) -> Usage {
    let v1::Usage {
        started_ms,
        cpu_seconds,
        resident_bytes,
        memory_bytes,
        journal_bytes,
        block_bytes,
        disk_free_bytes,
        disk_bytes,
        peer_bytes_in,
        peer_bytes_out,
        frames_applied,
        requests_refused,
        retention_ms,
    } = message;
    Usage {
        started_ms,
        cpu_seconds,
        resident_bytes,
        memory_bytes,
        journal_bytes,
        block_bytes,
        disk_free_bytes,
        disk_bytes,
        peer_bytes_in,
        peer_bytes_out,
        frames_applied,
        requests_refused,
        retention: Duration::from_millis(retention_ms),
    }
}

fn door_of(message: v1::DoorCounts) -> DoorCounts {
    let v1::DoorCounts { door, accepted, refused } = message;
    let refused = refused.into_iter().map(|v1::Refused { reason, count }| (reason, count)).collect();
    DoorCounts { door, accepted, refused }
}

fn member(message: v1::Member) -> Result<Member, IdError> {
    let state = match message.state() {
        v1::MemberState::Joined => MemberState::Joined,
        v1::MemberState::Left => MemberState::Left,
        v1::MemberState::Forgotten => MemberState::Forgotten,
        v1::MemberState::Unspecified => MemberState::Unknown,
    };
    let v1::Member {
        node,
        name,
        zone,
        version,
        client_address,
        peer_address,
        state: _,
        reachable,
        phase,
        incarnation,
        origin: life,
        lag_frames,
        last_seen_ms,
        lag_bytes,
        faults,
    } = message;
    Ok(Member {
        node: node_id(&node)?,
        name,
        zone,
        version,
        client_address,
        peer_address,
        state,
        reachable,
        phase,
        incarnation: Incarnation(incarnation),
        origin: if life.is_empty() { None } else { Some(origin(&life)?) },
        lag_frames,
        lag_bytes,
        faults: faults.into_iter().map(|v1::Fault { reason, count }| (reason, count)).collect(),
        last_seen_ms,
    })
}

fn hole(message: v1::Hole) -> Result<Hole, IdError> {
    let v1::Hole { origin: life, seq, reason } = message;
    Ok(Hole { origin: origin(&life)?, seq, reason })
}

fn repair_of(message: v1::Repair) -> Result<Repair, IdError> {
    let v1::Repair { lender, windows, windows_left, points, running_ms, left_ms } = message;
    let left_for = (left_ms > 0).then(|| Duration::from_millis(left_ms));
    let running_for = Duration::from_millis(running_ms);
    Ok(Repair { lender: node_id(&lender)?, windows, windows_left, points, running_for, left_for })
}

fn damage_of(message: v1::Damage) -> Damage {
    let v1::Damage { from_ms, to_ms, first_place: _, last_place: _, part } = message;
    Damage { from_ms, to_ms, part }
}
