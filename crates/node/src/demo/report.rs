//! What the demo shows, as text. Pure.

use std::net::SocketAddr;
use std::path::Path;

use shoal_client::{Member, MemberState, Members};

use super::application::{CLICKS, Tally};
use super::look::Look;
use crate::commands::{Table, hex, value_text};

/// Digits of a frontier hash that people can compare at a glance.
const FRONTIER_DIGITS: usize = 8;

/// What the user sees and can do; short, because the report must fit below it on a small screen.
pub(super) fn introduction(nodes: &[SocketAddr]) -> String {
    let (Some(first), Some(last)) = (nodes.first(), nodes.last()) else { return String::new() };
    let (shoal, count) = (program(), nodes.len());
    format!(
        "{count} nodes on this machine, one cluster, no leader: each takes writes, each answers.\n\
         An application counts clicks through the SDK, on whichever node answers.\n\
         Each row asks its own node. Kill one and watch the others.\n\n\
         In another terminal:\n\
         \x20 {shoal} status --node {first}\n\
         \x20 {shoal} read {CLICKS} --parts --node {last}\n\
         \x20 curl http://{first}/metrics\n\n\
         Type and press Enter:  k 2  kill -9 node 2    s 2  start it again    q  quit\n"
    )
}

/// How this program is started from here.
fn program() -> String {
    let Ok(path) = std::env::current_exe() else { return "shoal".to_owned() };
    let here = std::env::current_dir().unwrap_or_default();
    let shown = path.strip_prefix(&here).unwrap_or(Path::new(&path));
    shown.display().to_string()
}

/// Whether every node is ready and reaches all of them, and all hold the same.
pub(super) fn is_one_cluster(looks: &[Look]) -> bool {
    let reaches_all = |members: &Members| {
        let here = members.members.iter().filter(|it| it.state == MemberState::Joined && it.reachable);
        here.count() == looks.len() && own(members).is_some_and(|member| member.phase == "ready")
    };
    let complete = looks.iter().all(|look| look.members.as_ref().is_some_and(reaches_all));
    complete && all_equal(looks.iter().map(|look| look.members.as_ref().and_then(|members| members.frontier)))
}

/// The table of all nodes, and a line that says whether they agree.
pub(super) fn report(looks: &[Look], tally: &Tally) -> String {
    let mut table = Table::new(["NODE", "STATE", "POINTS", "LAG", "CLICKS", "FRONTIER", "ADDRESS"]);
    for look in looks {
        let members = look.members.as_ref();
        let frontier = members.and_then(|members| members.frontier).map(|hash| hex(&hash));
        table.row([
            look.name.clone(),
            state(look),
            members.map_or_else(String::new, |members| members.points.to_string()),
            lag(&look.name, looks).map_or_else(String::new, |frames| frames.to_string()),
            look.clicks.map_or_else(String::new, value_text),
            frontier.map_or_else(String::new, |digits| digits.chars().take(FRONTIER_DIGITS).collect()),
            format!("http://{}", look.address),
        ]);
    }
    format!("{}\n{}\n{}\n", table.text(), agreement(looks), application(tally))
}

fn agreement(looks: &[Look]) -> String {
    let answering: Vec<&Look> = looks.iter().filter(|look| look.members.is_some()).collect();
    let count = format!("{} of {} nodes answer", answering.len(), looks.len());
    let frontiers = answering.iter().map(|look| look.members.as_ref().and_then(|members| members.frontier));
    // Before the first write, none has the counter; that is agreement too.
    let clicks = answering.iter().map(|look| Some(look.clicks.map(f64::to_bits)));
    if answering.is_empty() {
        count
    } else if !all_equal(clicks) {
        format!("{count}; they do not agree yet: one is catching up")
    } else if all_equal(frontiers) {
        format!("{count}; all agree: the same counter, the same frontier")
    } else {
        format!("{count}; all agree: the same counter (newer points are on their way)")
    }
}

fn application(tally: &Tally) -> String {
    let copies = tally.copies.map_or_else(String::new, |copies| format!(", {copies} copies of the last"));
    format!(
        "the application counted {} clicks; {} SDK calls{copies}, {} failed",
        value_text(tally.clicks),
        tally.calls,
        tally.failed
    )
}

fn state(look: &Look) -> String {
    match &look.members {
        Some(members) => own(members).map_or_else(|| "no member".to_owned(), |member| member.phase.clone()),
        None if look.is_started => "no answer".to_owned(),
        None => "killed".to_owned(),
    }
}

/// What a node says of itself.
fn own(members: &Members) -> Option<&Member> {
    members.members.iter().find(|member| member.node == members.node)
}

/// The most frames that another node misses on this one.
fn lag(name: &str, looks: &[Look]) -> Option<u64> {
    let others = looks.iter().filter(|look| look.name != name).filter_map(|look| look.members.as_ref());
    let seen = |members: &Members| {
        let mut named = members.members.iter().filter(|member: &&Member| member.name == name);
        named.next().map(|member| member.lag_frames)
    };
    others.filter_map(seen).max()
}

/// Whether all are there and equal.
fn all_equal<T: PartialEq>(values: impl IntoIterator<Item = Option<T>>) -> bool {
    let mut values = values.into_iter();
    match values.next() {
        None => true,
        Some(None) => false,
        Some(first) => values.all(|value| value == first),
    }
}

#[cfg(test)]
mod tests;
