//! What a node does not start with, and what it says then.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::program::{Running, Said, command, run, shoal};

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A directory with a file in it.
fn file(name: &str, text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    (dir, path)
}

/// A node with these flags, in a fresh directory unless they name one; it ends at once, if it starts at all.
fn node(args: &[&str]) -> Said {
    let dir = tempfile::tempdir().unwrap();
    let mut command = command();
    command.args(["node", "--until-stdin-closes", "--self-metrics", "off"]).args(args);
    run(command.env("SHOAL_DATA", dir.path().join("data")))
}

fn refused(args: &[&str], parts: &[&str]) {
    let said = node(args);
    assert_eq!(said.code, Some(1), "{args:?}: {}", said.err);
    let last = said.err.lines().last().unwrap_or_default();
    assert!(last.starts_with("shoal: "), "{args:?}: {last}");
    for part in parts {
        assert!(last.contains(part), "{args:?}: {part:?} is not in {last:?}");
    }
}

#[test]
fn a_peer_address_beyond_this_machine_needs_a_key() {
    refused(&["--peer", "0.0.0.0:0", "--listen", "127.0.0.1:0"], &["--cluster-key", "shoal keygen"]);
}

#[test]
fn a_client_address_beyond_this_machine_needs_tokens_or_open() {
    refused(&["--listen", "0.0.0.0:0", "--peer", "127.0.0.1:0"], &["--token-file", "--open"]);
}

#[test]
fn a_generated_key_and_an_open_door_are_enough_to_be_reached_from_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("cluster.key");
    let made = shoal(["keygen", "--out", text(&key)]);
    assert_eq!(made.code, Some(0), "{}", made.err);
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let addresses = ["--peer", "0.0.0.0:0", "--listen", "0.0.0.0:0", "--open"];
    let told = ["--advertise", "127.0.0.1:1", "--advertise-peer", "127.0.0.1:2"];
    let said = node(&[&addresses[..], &told, &["--cluster-key", text(&key)]].concat());
    assert_eq!(said.code, Some(0), "{}", said.err);
}

#[test]
fn a_key_is_never_overwritten_and_never_the_same() {
    let (_dir, path) = file("cluster.key", "precious");
    let said = shoal(["keygen", "--out", text(&path)]);
    assert_eq!((said.code, said.err.lines().count()), (Some(1), 1), "{}", said.err);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    let [one, two] = [shoal(["keygen"]), shoal(["keygen"])].map(|said| said.out);
    assert!(one.starts_with("shoal-key-1:") && one != two, "{one}");
}

#[test]
fn files_that_are_wrong_are_named() {
    let (_dir, config) = file("shoal.toml", "zone = 'a'\nretension = '15d'\n");
    refused(&["--config", text(&config)], &["shoal.toml, line 2", "`retension`"]);
    refused(&["--config", "absent.toml"], &["absent.toml"]);
    let (_dir, key) = file("cluster.key", "secret\n");
    refused(&["--cluster-key", text(&key)], &["cluster.key", "shoal-key-1:"]);
    let (_dir, tokens) = file("tokens", "\n");
    refused(&["--token-file", text(&tokens)], &["tokens", "holds no token"]);
}

#[test]
fn a_directory_of_a_newer_release_is_left_alone() {
    let (dir, format) = file("FORMAT", "shoal 2\n");
    refused(&["--data", text(dir.path()), "--listen", "127.0.0.1:0", "--peer", "127.0.0.1:0"], &["format 2"]);
    assert_eq!(std::fs::read_to_string(format).unwrap(), "shoal 2\n");
}

#[test]
fn a_directory_serves_one_process_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let addresses = ["--data", text(dir.path()), "--listen", "127.0.0.1:0", "--peer", "127.0.0.1:0"];
    let mut first = Running::start(command().arg("node").args(addresses).args(["--log", "error"]));
    first.wait_for_line("its addresses", |line| line.starts_with("client="));
    refused(&addresses, &["another process uses this directory"]);
    first.signal(rustix::process::Signal::TERM);
    assert_eq!(first.wait_for_end().code(), Some(0));
    assert_eq!(shoal(["node", "--until-stdin-closes"].iter().chain(&addresses)).code, Some(0));
}

#[test]
fn a_log_filter_that_means_nothing_is_refused() {
    refused(&["--log", "shoal=loud"], &["--log"]);
}

#[test]
fn a_log_for_programs_is_one_json_object_a_line() {
    let said = node(&["--log-format", "json", "--listen", "127.0.0.1:0", "--peer", "127.0.0.1:0"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let lines: Vec<serde_json::Value> =
        said.err.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(
        lines.iter().any(|line| line["message"] == "stdin was closed" && line["level"] == "INFO"),
        "{lines:?}"
    );
}

#[test]
fn flags_win_over_the_environment_and_the_environment_over_the_file() {
    let (_dir, config) = file("shoal.toml", "self-metrics = '1ms'\n");
    let start = |variable: Option<&str>, flag: Option<&str>| {
        let mut command = command();
        command.args(["node", "--until-stdin-closes", "--listen", "127.0.0.1:0", "--peer", "127.0.0.1:0"]);
        command.arg("--config").arg(&config).arg("--data").arg(config.with_extension("data"));
        command.args(flag.iter().flat_map(|value| ["--self-metrics", value]));
        run(command.envs(variable.map(|value| ("SHOAL_SELF_METRICS", value))))
    };
    let check = |variable, flag, wrong: &str| {
        let said = start(variable, flag);
        assert!(said.code == Some(1) && said.err.contains(wrong), "{variable:?} {flag:?}: {}", said.err);
    };
    check(None, None, "\"1ms\"");
    check(Some("2ms"), None, "\"2ms\"");
    check(Some("2ms"), Some("3ms"), "\"3ms\"");
    assert_eq!(start(Some("2ms"), Some("off")).code, Some(0));
}

#[test]
fn what_is_not_understood_ends_with_code_two() {
    for args in [&["nod"][..], &["node", "--scrap", "x"], &["read"], &["add", "clicks", "many"]] {
        let said = shoal(args);
        assert!(said.code == Some(2) && said.out.is_empty(), "{args:?}: {}", said.err);
    }
    for args in [["--help"], ["--version"]] {
        let said = shoal(args);
        assert!(said.code == Some(0) && said.err.is_empty() && said.out.contains("shoal"), "{args:?}");
    }
}
