//! `shoal status`: the cluster as one node sees it.

use std::collections::BTreeMap;

use serde::Serialize;
use shoal_client::{Damage, DoorCounts, Hole, Member, MemberState, Members, Repair, Usage};

use super::figure::time_text;
use super::{CommandError, Table, Target, hex};

/// What is typed after `shoal status`.
#[derive(Debug, clap::Args)]
pub(crate) struct Status {
    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    target: Target,
}

impl Status {
    pub(crate) async fn run(&self) -> Result<String, CommandError> {
        let members = self.target.client()?.members().await?;
        Ok(if self.json { json(&members) } else { text(&members) })
    }
}

/// Digits of an id that people are shown; `--json` has all 32.
const SHORT: usize = 8;

fn text(members: &Members) -> String {
    let mut table = Table::new([
        "NAME",
        "NODE",
        "ZONE",
        "VERSION",
        "STATE",
        "REACHABLE",
        "LAG",
        "LAG BYTES",
        "CLIENTS",
        "PEERS",
    ]);
    let mut by_name: Vec<&Member> = members.members.iter().collect();
    by_name.sort_by_key(|member| (&member.name, member.node));
    for member in by_name {
        table.row([
            member.name.clone(),
            short(&member.node.to_string()),
            member.zone.clone(),
            member.version.clone(),
            state(member).to_owned(),
            (if member.reachable { "yes" } else { "no" }).to_owned(),
            member.lag_frames.to_string(),
            member.lag_bytes.to_string(),
            member.client_address.clone(),
            member.peer_address.clone(),
        ]);
    }
    let Members { points, series, streams, cluster, address, node, .. } = members;
    let frontier = members.frontier.map_or_else(|| "-".to_owned(), |hash| hex(&hash));
    let complete = members.complete_until.map_or_else(
        || "unknown: a member has not told yet what it holds".to_owned(),
        |until| format!("up to {}", time_text(until)),
    );
    let mut text = table.text();
    text.push_str(&format!(
        "\ncluster   {cluster}, as {} at {address} sees it\nholds     {points} points, {series} series, {streams} \
         streams\nfrontier  {frontier}\ncomplete  {complete}\n",
        short(&node.to_string())
    ));
    members.repair.iter().for_each(|repair| text.push_str(&repair_text(repair, members)));
    members.warnings.iter().for_each(|warning| text.push_str(&format!("warning   {warning}\n")));
    members.members.iter().for_each(|member| text.push_str(&faults_text(member)));
    members.holes.iter().for_each(|hole| text.push_str(&hole_text(hole)));
    members.damage.iter().for_each(|damage| text.push_str(&damage_text(damage)));
    text
}

fn repair_text(repair: &Repair, members: &Members) -> String {
    let Repair { lender, windows, windows_left, points, running_for, left_for } = repair;
    let name =
        members.members.iter().find(|member| member.node == *lender).map(|member| member.name.as_str());
    let name = name.map_or_else(|| short(&lender.to_string()), str::to_owned);
    let left = left_for.map_or_else(String::new, |left| format!(", about {} s left", left.as_secs() + 1));
    format!(
        "repair    {} of {windows} windows compared with {name}, {points} points fetched, for {} s{left}\n",
        windows - windows_left,
        running_for.as_secs()
    )
}

/// Gaps come with every reordering and are told by `--json` only.
fn faults_text(member: &Member) -> String {
    let line = |(reason, count): &(String, u64)| format!("refused   {count} of {}: {reason}\n", member.name);
    member.faults.iter().filter(|(reason, _)| reason != "gap").map(line).collect()
}

fn hole_text(hole: &Hole) -> String {
    let Hole { origin, seq, reason } = hole;
    format!("hole      {origin}:{seq} {reason}\n")
}

fn damage_text(damage: &Damage) -> String {
    let Damage { from_ms, to_ms, part } = damage;
    format!("damage    points from {from_ms} to {to_ms} ms: the {part} of a block\n")
}

fn short(id: &str) -> String {
    id.chars().take(SHORT).collect()
}

/// Where a member stands: in its life while it counts, else why it does not.
pub(crate) fn state(member: &Member) -> &str {
    match member.state {
        MemberState::Joined => &member.phase,
        MemberState::Left => "left",
        MemberState::Forgotten => "forgotten",
        MemberState::Unknown => "unknown",
    }
}

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

fn json(answer: &Members) -> String {
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
    } = answer;
    let answer = Answer {
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
    };
    let text = serde_json::to_string_pretty(&answer).expect("texts and numbers are JSON");
    text + "\n"
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
