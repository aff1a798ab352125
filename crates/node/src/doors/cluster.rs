//! gRPC `Cluster`: who belongs, how they stand, giving a member up, and snapshots.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use shoal_proto::{convert, v1};
use shoal_replication::{ForgetError, MemberStatus, Readiness, RepairStatus, Status as Standing};
use shoal_store::{Damage, Hole, SnapshotRefused, SnapshotSize};
use tonic::{Request, Response, Status};

use super::refusals::Counts;
use super::{Context, Door};
use crate::clock::wall_ms;
use crate::engine::{self, ForgetMemberError, Status as EngineStatus, Stopped, TakeSnapshotError};
use crate::host::Machine;

/// Bytes of a snapshot's name.
const SNAPSHOT_NAME_BYTES_MAX: usize = 128;

/// The service.
#[derive(Clone)]
pub(super) struct Cluster(pub(super) Context);

#[tonic::async_trait]
impl v1::cluster_server::Cluster for Cluster {
    async fn members(&self, _: Request<v1::MembersRequest>) -> Result<Response<v1::MembersReply>, Status> {
        let reply = members(&self.0).await.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(Response::new(reply))
    }

    async fn forget(&self, request: Request<v1::ForgetRequest>) -> Result<Response<v1::ForgetReply>, Status> {
        let v1::ForgetRequest { node } = request.into_inner();
        let node =
            convert::node_id(&node).map_err(|error| Status::invalid_argument(format!("node: {error}")))?;
        let forgotten = self.0.engine.forget(node.to_string()).await;
        forgotten.map(|_| Response::new(v1::ForgetReply {})).map_err(|error| forget_status(&error))
    }

    async fn snapshot(
        &self,
        request: Request<v1::SnapshotRequest>,
    ) -> Result<Response<v1::SnapshotReply>, Status> {
        let v1::SnapshotRequest { name } = request.into_inner();
        let refused = |error| snapshot_status(&error);
        let directory = snapshot_directory(&self.0.about.snapshots, &name).map_err(refused)?;
        let taken = self.0.engine.take_snapshot(directory.clone()).await;
        let SnapshotSize { files, copied_bytes } = taken.map_err(refused)?;
        Ok(Response::new(v1::SnapshotReply { files, copied_bytes, directory }))
    }

    async fn log(&self, request: Request<v1::LogRequest>) -> Result<Response<v1::LogReply>, Status> {
        let v1::LogRequest { filter } = request.into_inner();
        if !filter.is_empty() {
            let changed = self.0.log.change(&filter);
            changed.map_err(|error| Status::invalid_argument(format!("filter: {error}")))?;
        }
        Ok(Response::new(v1::LogReply { filter: self.0.log.text() }))
    }
}

/// Everything that the node tells of the cluster, for gRPC and JSON alike.
pub(super) async fn members(context: &Context) -> Result<v1::MembersReply, Stopped> {
    let status = context.engine.status().await?;
    let data = context.about.data.clone();
    // The file system may take its time.
    let machine = tokio::task::spawn_blocking(move || Machine::look(&data)).await.map_err(|_| Stopped)?;
    let usage = usage(context, &status, machine);
    Ok(reply(context, status, usage))
}

fn reply(context: &Context, status: EngineStatus, usage: v1::Usage) -> v1::MembersReply {
    let EngineStatus {
        readiness,
        members,
        totals,
        frontier,
        holes,
        damage,
        repair,
        snapshot,
        complete_until,
        warnings,
        counters: _,
        faults: _,
        failure,
    } = status;
    let hole = |(id, hole): (shoal_store::FrameId, Hole)| v1::Hole {
        origin: id.origin.0.to_vec(),
        seq: id.seq,
        reason: match hole {
            Hole::Rot => "it has rotted on disk".to_owned(),
            Hole::Unread(_) => "it has rotted on disk, but its points are here".to_owned(),
            Hole::NoTable(_) => "the table of its streams is missing".to_owned(),
        },
    };
    let counts = context.refusals.counts();
    v1::MembersReply {
        node: context.engine.node().0.to_vec(),
        cluster: context.about.cluster.clone(),
        members: members.into_iter().map(|member| member_message(context, readiness, member)).collect(),
        points: totals.points,
        streams: totals.streams,
        series: totals.series,
        frontier: frontier.to_be_bytes().to_vec(),
        warnings,
        holes: holes.into_iter().map(hole).collect(),
        complete_until: complete_until.unwrap_or_default(),
        damage: damage.iter().map(damage_message).collect(),
        repair: repair.map(|repair| repair_message(&repair)),
        time_ms: wall_ms(),
        usage: Some(usage),
        doors: door_messages(counts),
        journal_failure: failure.unwrap_or_default(),
        snapshot: snapshot.map(|(files, files_all)| v1::SnapshotProgress { files, files_all }),
    }
}

fn usage(context: &Context, status: &EngineStatus, machine: Machine) -> v1::Usage {
    let Machine { started_ms, cpu_seconds, resident_bytes, memory_bytes, disk_free_bytes, disk_bytes } =
        machine;
    let moved = context.mesh.stats();
    v1::Usage {
        started_ms,
        cpu_seconds,
        resident_bytes,
        memory_bytes,
        journal_bytes: status.totals.journal_bytes,
        block_bytes: status.totals.block_bytes,
        disk_free_bytes,
        disk_bytes,
        peer_bytes_in: moved.bytes_in,
        peer_bytes_out: moved.bytes_out,
        frames_applied: status.counters.frames_applied,
        requests_refused: context.intake.refused(),
        retention_ms: context.about.retention.as_millis() as u64,
    }
}

/// The doors in order, each with its refusals.
fn door_messages(counts: Counts) -> Vec<v1::DoorCounts> {
    let Counts { accepted, refused } = counts;
    let mut doors: BTreeMap<Door, v1::DoorCounts> = BTreeMap::new();
    for (door, points) in accepted {
        doors.entry(door).or_default().accepted = points;
    }
    for ((door, reason), count) in refused {
        doors.entry(door).or_default().refused.push(v1::Refused { reason: reason.to_owned(), count });
    }
    let named =
        |(door, counts): (Door, v1::DoorCounts)| v1::DoorCounts { door: door.word().to_owned(), ..counts };
    doors.into_iter().map(named).collect()
}

fn repair_message(repair: &RepairStatus) -> v1::Repair {
    let left = repair.left_for().unwrap_or_default();
    v1::Repair {
        lender: repair.lender.0.to_vec(),
        windows: repair.windows as u64,
        windows_left: repair.windows_left as u64,
        points: repair.points,
        running_ms: repair.running_for.as_millis() as u64,
        left_ms: left.as_millis() as u64,
    }
}

fn damage_message(damage: &Damage) -> v1::Damage {
    let (millis, Damage { window: _, first, last, part }) = (damage.millis(), damage);
    v1::Damage {
        from_ms: *millis.start(),
        to_ms: *millis.end(),
        first_place: *first,
        last_place: *last,
        part: part.to_string(),
    }
}

fn member_message(context: &Context, readiness: Readiness, status: MemberStatus) -> v1::Member {
    let MemberStatus {
        member,
        profile,
        is_reachable,
        is_alive: _,
        lag_frames,
        lag_bytes,
        faults,
        silent_for,
    } = status;
    let is_self = member.node == context.engine.node();
    let profile = if is_self { Some(context.about.profile.clone()) } else { profile };
    let phase = match (is_self, &profile) {
        (true, _) => engine::phase(readiness).word(),
        (false, Some(profile)) => profile.phase.word(),
        (false, None) => "",
    };
    let address = |pick: fn(&shoal_model::Profile) -> SocketAddr| profile.as_ref().map(pick);
    let text = |address: Option<SocketAddr>| address.map(|address| address.to_string()).unwrap_or_default();
    v1::Member {
        node: member.node.0.to_vec(),
        client_address: text(address(|profile| profile.client)),
        peer_address: text(address(|profile| profile.peer)),
        version: profile.as_ref().map(|profile| profile.version.clone()).unwrap_or_default(),
        name: member.name,
        zone: member.zone,
        state: state(member.status).into(),
        reachable: is_reachable,
        phase: phase.to_owned(),
        incarnation: member.incarnation.0,
        origin: member.origin.0.to_vec(),
        lag_frames,
        lag_bytes,
        faults: faults
            .into_iter()
            .map(|(fault, count)| v1::Fault { reason: fault.word().to_owned(), count })
            .collect(),
        last_seen_ms: silent_for.map_or(0, |silent| wall_ms() - silent.as_millis() as i64),
    }
}

fn state(standing: Standing) -> v1::MemberState {
    match standing {
        Standing::Joined => v1::MemberState::Joined,
        Standing::Left => v1::MemberState::Left,
        Standing::Forgotten => v1::MemberState::Forgotten,
    }
}

/// Where a snapshot of that name goes. Whoever may ask for one names a directory below one of the operator's choice, and
/// no other.
fn snapshot_directory(below: &Path, name: &str) -> Result<String, TakeSnapshotError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let is_name = (1..=SNAPSHOT_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(fits);
    if !is_name || name.starts_with('.') {
        return Err(TakeSnapshotError::Name(name.to_owned()));
    }
    let failed = |error| TakeSnapshotError::Directory(below.to_owned(), error);
    let below = std::path::absolute(below).map_err(failed)?;
    std::fs::create_dir_all(&below).map_err(failed)?;
    let directory = below.join(name).into_os_string();
    directory.into_string().map_err(|_| failed(std::io::Error::other("the path is not UTF-8")))
}

/// A snapshot is asked of one node: no other is to be tried.
fn snapshot_status(error: &TakeSnapshotError) -> Status {
    let text = error.to_string();
    match error {
        TakeSnapshotError::Refused(SnapshotRefused::Relative) => {
            Status::invalid_argument(format!("directory: {text}"))
        }
        TakeSnapshotError::Name(_) => Status::invalid_argument(format!("name: {text}")),
        TakeSnapshotError::Refused(SnapshotRefused::Busy)
        | TakeSnapshotError::Failed(_)
        | TakeSnapshotError::Directory(..) => Status::failed_precondition(text),
        TakeSnapshotError::Stopped(_) => Status::unavailable(text),
    }
}

fn forget_status(error: &ForgetMemberError) -> Status {
    let text = error.to_string();
    match error {
        ForgetMemberError::Refused(ForgetError::Unknown(_)) => Status::not_found(text),
        ForgetMemberError::Refused(ForgetError::Reachable(_) | ForgetError::Ambiguous(_)) => {
            Status::failed_precondition(text)
        }
        ForgetMemberError::Refused(ForgetError::Store(_)) | ForgetMemberError::Stopped(_) => {
            Status::unavailable(text)
        }
    }
}
