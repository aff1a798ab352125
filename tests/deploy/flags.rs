//! Settings that `deploy/` names exist.

use std::process::Command;

use crate::manifest;
use crate::text;

fn help() -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_shoal")).args(["node", "--help"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn check(place: &str, names: &[String]) {
    assert!(!names.is_empty(), "{place} names settings");
    let help = help();
    let exists =
        |name: &String| help.split_whitespace().any(|word| word.trim_end_matches([',', '[']) == name);
    let unknown: Vec<_> = names.iter().filter(|name| !exists(name)).collect();
    assert!(unknown.is_empty(), "{place} names {unknown:?}, of which `shoal node --help` knows nothing");
}

/// The flags in a command line.
fn flags(line: &str) -> Vec<String> {
    let words = line.split(|c: char| c.is_whitespace() || "\"',[]=".contains(c));
    words.filter(|word| word.len() > 2 && word.starts_with("--")).map(str::to_owned).collect()
}

#[test]
fn the_manifests_name_flags_that_exist() {
    check("the StatefulSet", &manifest::arguments().iter().flat_map(|one| flags(one)).collect::<Vec<_>>());
}

#[test]
fn the_image_names_flags_that_exist() {
    let file = text("Containerfile");
    let line = file.lines().find(|line| line.starts_with("CMD")).expect("a command");
    check("the Containerfile", &flags(line));
}

#[test]
fn the_unit_and_its_settings_name_flags_that_exist() {
    let unit = text("systemd/shoal.service");
    let line = unit.lines().find(|line| line.starts_with("ExecStart=")).expect("a command");
    check("the unit", &flags(line));
    let settings: toml::Table = text("systemd/shoal.toml").parse().unwrap();
    check("shoal.toml", &settings.keys().map(|key| format!("--{key}")).collect::<Vec<_>>());
}
