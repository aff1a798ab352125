//! What the demo says of what it saw.

use super::*;
use shoal_client::Usage;
use shoal_model::{Incarnation, NodeId};

fn member(number: u8, reachable: bool) -> Member {
    Member {
        node: NodeId([number; 16]),
        name: format!("node-{number}"),
        zone: String::new(),
        version: String::new(),
        client_address: String::new(),
        peer_address: String::new(),
        state: MemberState::Joined,
        reachable,
        phase: "ready".to_owned(),
        incarnation: Incarnation(1),
        origin: None,
        lag_frames: u64::from(number) * 10,
        lag_bytes: 0,
        faults: vec![],
        last_seen_ms: 0,
    }
}

fn address() -> SocketAddr {
    ([127, 0, 0, 1], 7400).into()
}

fn look(number: u8, frontier: u8, clicks: f64) -> Look {
    let members = Members {
        node: NodeId([number; 16]),
        address: "127.0.0.1:1".parse().unwrap(),
        cluster: "demo".to_owned(),
        members: vec![member(1, true), member(2, true)],
        points: 7,
        streams: 1,
        series: 1,
        frontier: Some([frontier; 16]),
        complete_until: None,
        warnings: Vec::new(),
        holes: Vec::new(),
        damage: Vec::new(),
        repair: None,
        time_ms: 0,
        usage: Usage::default(),
        doors: Vec::new(),
        snapshot: None,
        journal_failure: None,
    };
    let (name, address) = (format!("node-{number}"), address());
    Look { name, address, is_started: true, members: Some(members), clicks: Some(clicks) }
}

fn killed(number: u8) -> Look {
    let name = format!("node-{number}");
    Look { name, address: address(), is_started: false, members: None, clicks: None }
}

#[test]
fn agreement_is_said_only_of_equal_counters() {
    let check = |looks: &[Look], part: &str| {
        let text = report(looks, &Tally::default());
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    };
    check(&[look(1, 1, 5.0), look(2, 1, 5.0)], "2 of 2 nodes answer; all agree: the same counter, the same");
    check(&[look(1, 1, 5.0), look(2, 2, 5.0)], "2 of 2 nodes answer; all agree: the same counter (");
    check(&[look(1, 1, 5.0), look(2, 1, 6.0)], "do not agree yet");
    let silent = |number| Look { clicks: None, ..look(number, 1, 0.0) };
    check(&[silent(1), silent(2)], "2 of 2 nodes answer; all agree");
    check(&[look(1, 1, 0.0), silent(2)], "do not agree yet");
    check(&[look(1, 1, 5.0), killed(2)], "1 of 2 nodes answer; all agree");
    check(&[killed(1), killed(2)], "0 of 2 nodes answer\n");
}

#[test]
fn a_row_shows_what_the_node_says_and_what_others_say_of_it() {
    let tally = Tally { clicks: 5.0, calls: 3, failed: 1, copies: Some(2) };
    let text = report(&[look(1, 0xab, 5.0), killed(2)], &tally);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[1], "node-1  ready   7       -    5       abababab  http://127.0.0.1:7400");
    assert_eq!(lines[2], "node-2  killed  -       20   -       -         http://127.0.0.1:7400");
    assert!(text.ends_with("5 clicks; 3 SDK calls, 2 copies of the last, 1 failed\n"), "{text}");
}

#[test]
fn nodes_are_one_cluster_when_each_sees_all_and_all_hold_the_same() {
    assert!(is_one_cluster(&[look(1, 1, 0.0), look(2, 1, 0.0)]));
    assert!(!is_one_cluster(&[look(1, 1, 0.0), look(2, 2, 0.0)]));
    assert!(!is_one_cluster(&[look(1, 1, 0.0), killed(2)]));
    assert!(!is_one_cluster(&[look(1, 1, 0.0)]));
    let mut blind = look(2, 1, 0.0);
    blind.members.as_mut().unwrap().members[0] = member(1, false);
    assert!(!is_one_cluster(&[look(1, 1, 0.0), blind]));
}
