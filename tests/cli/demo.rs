//! The demo without a terminal: what it says, and that it leaves nothing behind however it ends.

use std::path::Path;

use rustix::process::Signal;

use crate::program::{Running, command, eventually, processes_at};

fn start(dir: &Path) -> Running {
    Running::start(command().arg("demo").env("TMPDIR", dir))
}

fn is_empty(dir: &Path) -> bool {
    std::fs::read_dir(dir).unwrap().next().is_none()
}

#[test]
fn the_demo_agrees_survives_kills_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut demo = start(dir.path());
    demo.wait_for_line("agreement", |line| line.starts_with("3 of 3 nodes answer; all agree"));
    assert_eq!(processes_at(dir.path()), 3);
    demo.type_line("k 2");
    demo.wait_for_line("the kill", |line| line == "killed node-2");
    demo.wait_for_line("agreement of the others", |line| line.starts_with("2 of 3 nodes answer; all agree"));
    demo.type_line("s 2");
    demo.wait_for_line("the start", |line| line == "started node-2");
    demo.wait_for_line("the newcomer", |line| line.starts_with("node-2  ready"));
    demo.wait_for_line("agreement of all", |line| {
        line == "3 of 3 nodes answer; all agree: the same counter, the same frontier"
    });
    let tally = demo.wait_for_line("the tally", |line| line.starts_with("the application counted"));
    assert!(tally.ends_with(" 0 failed"), "{tally}");
    demo.type_line("k 9");
    demo.wait_for_line("what it cannot do", |line| line == "there is no node 9, only 1 to 3");
    demo.close_stdin();
    demo.wait_for_line("that it goes on", |line| line.starts_with("3 of 3 nodes answer"));
    demo.signal(Signal::TERM);
    assert_eq!(demo.wait_for_end().code(), Some(0));
    assert_eq!(processes_at(dir.path()), 0);
    assert!(is_empty(dir.path()));
}

#[test]
fn the_demo_ends_cleanly_in_the_middle_of_its_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut demo = start(dir.path());
    demo.wait_for_line("the second start", |line| line == "starting node-2");
    demo.signal(Signal::INT);
    assert_eq!(demo.wait_for_end().code(), Some(0));
    assert_eq!(processes_at(dir.path()), 0);
    assert!(is_empty(dir.path()));
}

#[test]
fn a_node_that_does_not_start_ends_the_demo_with_its_last_words() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("node-2"), "in the way of a directory").unwrap();
    let mut demo = Running::start(command().arg("demo").arg("--dir").arg(dir.path()));
    assert_eq!(demo.wait_for_end().code(), Some(1));
    assert_eq!(processes_at(dir.path()), 0);
}

#[test]
fn nodes_do_not_outlive_a_demo_that_was_killed() {
    let dir = tempfile::tempdir().unwrap();
    let mut demo = start(dir.path());
    demo.wait_for_line("the last start", |line| line == "waiting until they agree");
    assert_eq!(processes_at(dir.path()), 3);
    demo.signal(Signal::KILL);
    demo.wait_for_end();
    eventually("the nodes have ended", || processes_at(dir.path()) == 0);
}
