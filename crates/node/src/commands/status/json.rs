//! The cluster for programs: everything that the node said, as JSON.

use std::collections::BTreeMap;

use serde::Serialize;
use shoal_client::{Damage, DoorCounts, Hole, Member, Members, Repair, SnapshotProgress, Usage};

use super::state;
use crate::commands::figure::hex;

#[derive(Serialize)]
struct Answer<'a> {
    cluster: &'a str,
    node: String,
    address: String,
    frontier: Option<String>,
    complete_until: Option<i64>,
    points: u64,
    streams: u64,
    series: u64,
    members: Vec<JsonMember<'a>>,
    warnings: &'a [String],
    holes: Vec<JsonHole<'a>>,
    damage: Vec<JsonDamage<'a>>,
    repair: Option<JsonRepair>,
    time_ms: i64,
    usage: JsonUsage,
    doors: BTreeMap<&'a str, JsonDoor<'a>>,
    snapshot: Option<JsonSnapshot>,
    journal_failure: Option<&'a str>,
}

#[derive(Serialize)]
struct JsonSnapshot {
    files: u64,
    files_all: u64,
}

#[derive(Serialize)]
struct JsonUsage {
    started_ms: i64,
    cpu_seconds: f64,
    resident_bytes: u64,
    memory_bytes: u64,
    journal_bytes: u64,
    block_bytes: u64,
    disk_free_bytes: u64,
    disk_bytes: u64,
    peer_bytes_in: u64,
    peer_bytes_out: u64,
    frames_applied: u64,
    requests_refused: u64,
    retention_seconds: f64,
}

#[derive(Serialize)]
struct JsonDoor<'a> {
    accepted: u64,
    refused: BTreeMap<&'a str, u64>,
}

#[derive(Serialize)]
struct JsonRepair {
    lender: String,
    windows: u64,
    windows_left: u64,
    points: u64,
    running_seconds: f64,
    left_seconds: Option<f64>,
}

#[derive(Serialize)]
struct JsonMember<'a> {
    node: String,
    name: &'a str,
    zone: &'a str,
    version: &'a str,
    client_address: &'a str,
    peer_address: &'a str,
    state: &'a str,
    reachable: bool,
    incarnation: u64,
    origin: Option<String>,
    lag_frames: u64,
    lag_bytes: u64,
    faults: BTreeMap<&'a str, u64>,
    last_seen_ms: i64,
}

#[derive(Serialize)]
struct JsonHole<'a> {
    origin: String,
    seq: u64,
    reason: &'a str,
}

#[derive(Serialize)]
struct JsonDamage<'a> {
    from_ms: i64,
    to_ms: i64,
    part: &'a str,
}

/// All of it.
pub(super) fn json(members: &Members) -> String {
    serde_json::to_string_pretty(&answer(members)).expect("texts and numbers are JSON") + "\n"
}

/// The same in one line.
pub(super) fn line(members: &Members) -> String {
    serde_json::to_string(&answer(members)).expect("texts and numbers are JSON") + "\n"
}

fn answer(answer: &Members) -> Answer<'_> {
    let Members {
        node,
        address,
        cluster,
        members,
        points,
        streams,
        series,
        frontier,
        complete_until,
        warnings,
        holes,
        damage,
        repair,
        time_ms,
        usage,
        doors,
        snapshot,
        journal_failure,
    } = answer;
    Answer {
        cluster,
        node: node.to_string(),
        address: address.to_string(),
        frontier: frontier.map(|hash| hex(&hash)),
        complete_until: *complete_until,
        points: *points,
        streams: *streams,
        series: *series,
        members: members.iter().map(json_member).collect(),
        warnings,
        holes: holes.iter().map(json_hole).collect(),
        damage: damage.iter().map(json_damage).collect(),
        repair: repair.as_ref().map(json_repair),
        time_ms: *time_ms,
        usage: json_usage(usage),
        doors: doors.iter().map(json_door).collect(),
        journal_failure: journal_failure.as_deref(),
        snapshot: snapshot.map(|SnapshotProgress { files, files_all }| JsonSnapshot { files, files_all }),
    }
}

fn json_member(member: &Member) -> JsonMember<'_> {
    JsonMember {
        node: member.node.to_string(),
        name: &member.name,
        zone: &member.zone,
        version: &member.version,
        client_address: &member.client_address,
        peer_address: &member.peer_address,
        state: state(member),
        reachable: member.reachable,
        incarnation: member.incarnation.0,
        origin: member.origin.map(|origin| origin.to_string()),
        lag_frames: member.lag_frames,
        lag_bytes: member.lag_bytes,
        faults: member.faults.iter().map(|(reason, count)| (reason.as_str(), *count)).collect(),
        last_seen_ms: member.last_seen_ms,
    }
}

fn json_usage(usage: &Usage) -> JsonUsage {
    let Usage {
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
        retention,
    } = *usage;
    JsonUsage {
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
        retention_seconds: retention.as_secs_f64(),
    }
}

fn json_door(counts: &DoorCounts) -> (&str, JsonDoor<'_>) {
    let DoorCounts { door, accepted, refused } = counts;
    let refused = refused.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
    (door, JsonDoor { accepted: *accepted, refused })
}

fn json_repair(repair: &Repair) -> JsonRepair {
    JsonRepair {
        lender: repair.lender.to_string(),
        windows: repair.windows,
        windows_left: repair.windows_left,
        points: repair.points,
        running_seconds: repair.running_for.as_secs_f64(),
        left_seconds: repair.left_for.map(|left| left.as_secs_f64()),
    }
}

fn json_hole(hole: &Hole) -> JsonHole<'_> {
    JsonHole { origin: hole.origin.to_string(), seq: hole.seq, reason: &hole.reason }
}

fn json_damage(damage: &Damage) -> JsonDamage<'_> {
    JsonDamage { from_ms: damage.from_ms, to_ms: damage.to_ms, part: &damage.part }
}
