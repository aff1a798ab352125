//! The cluster for people: a table of its members, then what the answering node says of itself, a line for each.

use std::time::Duration;

use shoal_client::{Damage, Hole, Member, MemberState, Members, Repair, SnapshotProgress, Usage};

use super::{short, state};
use crate::commands::Table;
use crate::commands::figure::{hex, time_text};
use crate::commands::progress::{bar, bytes_text, count_text, span_text};

/// The answer, and the rates since the one before.
pub(super) fn text(members: &Members, before: Option<&Members>) -> String {
    let mut lines = Lines(table(members));
    lines.0.push('\n');
    let Members { points, series, streams, cluster, address, node, .. } = members;
    lines.add("cluster", format!("{cluster}, as {} at {address} sees it", short(&node.to_string())));
    lines.add("complete", complete(members));
    lines.add("holds", format!("{points} points, {series} series, {streams} streams"));
    lines.add("takes", rates(members, before));
    let Usage {
        resident_bytes, memory_bytes, disk_free_bytes, disk_bytes, journal_bytes, block_bytes, ..
    } = members.usage;
    lines.add("memory", format!("{} of {}", bytes_text(resident_bytes), bytes_text(memory_bytes)));
    let (journal, blocks) = (bytes_text(journal_bytes), bytes_text(block_bytes));
    let (free, disk) = (bytes_text(disk_free_bytes), bytes_text(disk_bytes));
    lines.add("disk", format!("journal {journal}, blocks {blocks}; {free} of {disk} free"));
    lines.add("up", span_text(since(members.usage.started_ms, members.time_ms)));
    lines.add("frontier", members.frontier.map_or_else(|| "-".to_owned(), |hash| hex(&hash)));
    if let Some(reason) = &members.journal_failure {
        lines.add("failure", format!("no more writes until this node is started again: {reason}"));
    }
    if let Some(SnapshotProgress { files, files_all }) = members.snapshot {
        let part = bar(files as f64 / files_all.max(1) as f64);
        lines.add("snapshot", format!("{part} {files} of about {files_all} files"));
    }
    members.repair.iter().for_each(|repair| lines.add("repair", repair_text(repair, members)));
    members.warnings.iter().for_each(|warning| lines.add("warning", warning.clone()));
    members.members.iter().for_each(|member| faults(&mut lines, member));
    members.holes.iter().for_each(|hole| lines.add("hole", hole_text(hole)));
    members.damage.iter().for_each(|damage| lines.add("damage", damage_text(damage)));
    lines.0
}

/// Lines with a word in front.
struct Lines(String);

impl Lines {
    fn add(&mut self, word: &str, text: String) {
        self.0.push_str(&format!("{word:<8}  {text}\n"));
    }
}

fn table(members: &Members) -> String {
    let mut table =
        Table::new(["NAME", "NODE", "ZONE", "VERSION", "STATE", "REACHABLE", "LAG", "CLIENTS", "PEERS"]);
    let mut by_name: Vec<&Member> = members.members.iter().collect();
    by_name.sort_by_key(|member| (&member.name, member.node));
    for member in by_name {
        table.row([
            member.name.clone(),
            short(&member.node.to_string()),
            member.zone.clone(),
            member.version.clone(),
            state(member).to_owned(),
            reachable(member, members),
            lag(member),
            member.client_address.clone(),
            member.peer_address.clone(),
        ]);
    }
    table.text()
}

/// One word, so that columns stay countable.
fn reachable(member: &Member, members: &Members) -> String {
    match (member.reachable, member.last_seen_ms) {
        (true, _) => "yes".to_owned(),
        (false, 0) => "no".to_owned(),
        (false, seen_ms) => format!("no,{}s", since(seen_ms, members.time_ms).as_secs()),
    }
}

fn lag(member: &Member) -> String {
    match (member.lag_frames, member.lag_bytes) {
        _ if member.state != MemberState::Joined => String::new(),
        (0, _) => "0".to_owned(),
        (frames, bytes) => format!("{frames}/{}", bytes_text(bytes).replace(' ', "")),
    }
}

fn since(ms: i64, now_ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(now_ms.saturating_sub(ms)).unwrap_or_default())
}

fn complete(members: &Members) -> String {
    let Some(until) = members.complete_until else {
        return "unknown: a member has not told yet what it holds".to_owned();
    };
    let age = since(until, members.time_ms).as_secs_f64();
    let age = if age < 10.0 { format!("{age:.1} s") } else { span_text(Duration::from_secs_f64(age)) };
    format!("up to {age} ago, {}", time_text(until))
}

/// What came in since the node started, or since the answer before.
fn rates(members: &Members, before: Option<&Members>) -> String {
    let accepted = |members: &Members| members.doors.iter().map(|door| door.accepted).sum::<u64>();
    let refused = members.doors.iter().flat_map(|door| &door.refused).map(|(_, count)| count).sum::<u64>();
    let total = format!("{} points since its start, {refused} refused", accepted(members));
    let Some(before) = before.filter(|before| before.node == members.node) else { return total };
    let seconds = since(before.time_ms, members.time_ms).as_secs_f64().max(0.001);
    // A node that restarted in between counts from 0 again.
    let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / seconds;
    let bytes = |of: fn(&Usage) -> u64| bytes_text(rate(of(&members.usage), of(&before.usage)) as u64);
    format!(
        "{} points/s at its doors, {} points/s in all; peers {}/s in, {}/s out; {total}",
        count_text(rate(accepted(members), accepted(before))),
        count_text(rate(members.points, before.points)),
        bytes(|usage| usage.peer_bytes_in),
        bytes(|usage| usage.peer_bytes_out),
    )
}

fn repair_text(repair: &Repair, members: &Members) -> String {
    let Repair { lender, windows, windows_left, points, running_for, left_for } = repair;
    let name =
        members.members.iter().find(|member| member.node == *lender).map(|member| member.name.as_str());
    let name = name.map_or_else(|| short(&lender.to_string()), str::to_owned);
    let left = left_for.map_or_else(String::new, |left| format!(", about {} left", span_text(left)));
    let done = windows - windows_left;
    let part = bar(done as f64 / (*windows).max(1) as f64);
    format!(
        "{part} {done} of {windows} windows compared with {name}, {points} points fetched, for {}{left}",
        span_text(*running_for)
    )
}

/// Gaps come with every reordering and are told by `--json` only.
fn faults(lines: &mut Lines, member: &Member) {
    for (reason, count) in member.faults.iter().filter(|(reason, _)| reason != "gap") {
        lines.add("refused", format!("{count} of {}: {reason}", member.name));
    }
}

fn hole_text(hole: &Hole) -> String {
    let Hole { origin, seq, reason } = hole;
    format!("{origin}:{seq} {reason}")
}

fn damage_text(damage: &Damage) -> String {
    let Damage { from_ms, to_ms, part } = damage;
    format!("points from {from_ms} to {to_ms} ms: the {part} of a block")
}
