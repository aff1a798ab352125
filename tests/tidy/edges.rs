//! Who may import whom. The table of `docs/ARCHITECTURE.md` is the law, and `cargo metadata` says what is. Tests
//! and build scripts may use what they like: only normal dependencies are judged.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::process::Command;

use serde_json::Value;

use crate::root;

/// The crates of ours that each crate of ours imports.
type Edges = BTreeMap<String, BTreeSet<String>>;

/// What must not be reached, not even through others.
const NEVER: [(&str, &str); 6] = [
    ("shoal-store", "tokio"),
    ("shoal-merge", "tokio"),
    ("shoal-query", "tokio"),
    ("shoal-replication", "tokio"),
    ("shoal-simulation", "tokio"),
    ("shoal-client", "shoal-node"),
];
/// What no crate may reach: C code for what `ring` does, once more.
const NOWHERE: [&str; 4] = ["aws-lc-rs", "aws-lc-sys", "openssl", "openssl-sys"];

#[test]
fn crates_import_only_whom_they_may() {
    let document = std::fs::read_to_string(root().join("docs/ARCHITECTURE.md")).expect("it can be read");
    let wrong = differences(&allowed(&document), &actual(&metadata()));
    assert!(
        wrong.is_empty(),
        "the table of docs/ARCHITECTURE.md and Cargo.toml differ:\n{}\n",
        wrong.join("\n")
    );
}

#[test]
fn pure_crates_reach_no_runtime_and_nothing_reaches_foreign_cryptography() {
    let graph = Graph::new(&metadata());
    assert!(graph.path("shoal-node", "tokio").is_some(), "the node has a runtime, so the graph is not whole");
    let everywhere = graph.members.iter().flat_map(|member| NOWHERE.map(|target| (member.as_str(), target)));
    let found: Vec<String> =
        NEVER.into_iter().chain(everywhere).filter_map(|(from, to)| graph.path(from, to)).collect();
    assert!(found.is_empty(), "reached:\n{}\n", found.join("\n"));
}

/// Reads the rows ``| `crate` | what it is | imports |`` of the table headed `crate`. The imports are names with
/// commas between; `all` stands for the rows above, and a dash for none.
fn allowed(markdown: &str) -> Edges {
    let mut edges = Edges::new();
    let table = markdown.lines().skip_while(|line| !line.starts_with("| crate |")).skip(2);
    for line in table.take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, .., imports] = cells[..] else { continue };
        let imports = match imports {
            "all" => edges.keys().cloned().collect(),
            "–" => BTreeSet::new(),
            names => names.split(", ").map(package).collect(),
        };
        edges.insert(package(name.trim_matches('`')), imports);
    }
    edges
}

fn package(folder: &str) -> String {
    format!("shoal-{folder}")
}

fn actual(metadata: &Value) -> Edges {
    let members: BTreeSet<&str> = array(&metadata["workspace_members"]).iter().map(text).collect();
    let ours = array(&metadata["packages"]).iter().filter(|package| members.contains(text(&package["id"])));
    ours.map(|package| {
        let normal = array(&package["dependencies"]).iter().filter(|dependency| dependency["kind"].is_null());
        let names = normal.map(|dependency| text(&dependency["name"]).to_owned());
        (text(&package["name"]).to_owned(), names.filter(|name| name.starts_with("shoal-")).collect())
    })
    .collect()
}

fn differences(allowed: &Edges, actual: &Edges) -> Vec<String> {
    let none = BTreeSet::new();
    let names: BTreeSet<&String> = allowed.keys().chain(actual.keys()).collect();
    let mut wrong = Vec::new();
    for name in names {
        if !allowed.contains_key(name) || !actual.contains_key(name) {
            wrong.push(format!("{name} stands in one of them only"));
        }
        let (may, does) = (allowed.get(name).unwrap_or(&none), actual.get(name).unwrap_or(&none));
        wrong.extend(does.difference(may).map(|other| format!("{name} imports {other} and may not")));
        wrong.extend(may.difference(does).map(|other| format!("{name} may import {other} and does not")));
    }
    wrong
}

/// Packages and the packages that they depend on in a normal build, by `name version`.
struct Graph {
    members: Vec<String>,
    edges: Edges,
}

impl Graph {
    fn new(metadata: &Value) -> Self {
        let packages = array(&metadata["packages"]).iter();
        let names: BTreeMap<&str, (&str, &str)> = packages
            .map(|package| (text(&package["id"]), (text(&package["name"]), text(&package["version"]))))
            .collect();
        let label = |id: &Value| {
            names.get(text(id)).map_or_else(String::new, |(name, version)| format!("{name} {version}"))
        };
        let edges = array(&metadata["resolve"]["nodes"]).iter().map(|node| {
            let normal = array(&node["deps"])
                .iter()
                .filter(|dep| array(&dep["dep_kinds"]).iter().any(|kind| kind["kind"].is_null()));
            (label(&node["id"]), normal.map(|dep| label(&dep["pkg"])).collect())
        });
        let members = array(&metadata["workspace_members"]).iter().filter_map(|id| names.get(text(id)));
        Self { members: members.map(|(name, _)| (*name).to_owned()).collect(), edges: edges.collect() }
    }

    /// The shortest way from one package to another, for people; `None` where there is none.
    fn path(&self, from: &str, to: &str) -> Option<String> {
        let is = |label: &str, name: &str| label.split(' ').next() == Some(name);
        let start = self.edges.keys().find(|label| is(label, from));
        let start = start.unwrap_or_else(|| panic!("no package is called {from}"));
        let mut queue = VecDeque::from([vec![start]]);
        let mut seen = BTreeSet::from([start]);
        while let Some(way) = queue.pop_front() {
            let last = way[way.len() - 1];
            if is(last, to) {
                return Some(way.iter().map(|label| label.as_str()).collect::<Vec<_>>().join(" -> "));
            }
            for next in self.edges.get(last).into_iter().flatten() {
                if seen.insert(next) {
                    queue.push_back([way.as_slice(), &[next]].concat());
                }
            }
        }
        None
    }
}

/// What cargo knows of the workspace on this platform, without the network: other platforms' packages were
/// never downloaded.
fn metadata() -> Value {
    let version = cargo(&["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("cargo names its host");
    let arguments = ["metadata", "--offline", "--locked", "--format-version", "1", "--filter-platform", host];
    serde_json::from_str(&cargo(&arguments)).expect("cargo metadata is JSON")
}

fn cargo(arguments: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().expect("cargo runs");
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo writes UTF-8")
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[test]
fn a_forbidden_import_and_a_stale_row_are_found() {
    let table = "# Crates
| a | b |

| crate | what | imports |
|---|---|---|
| `a` | A. | – |
\
        | `b` | B. | a, d |
| `c` | C. | all |

| `other` | O. | a |
";
    let edges = |pairs: &[(&str, &[&str])]| -> Edges {
        pairs
            .iter()
            .map(|(name, to)| (package(name), to.iter().map(|name| package(name)).collect()))
            .collect()
    };
    assert_eq!(allowed(table), edges(&[("a", &[]), ("b", &["a", "d"]), ("c", &["a", "b"])]));
    let found = differences(
        &allowed(table),
        &edges(&[("a", &["b"]), ("b", &["a"]), ("c", &["a", "b"]), ("new", &[])]),
    );
    let expected = [
        "shoal-a imports shoal-b and may not",
        "shoal-b may import shoal-d and does not",
        "shoal-new stands in one of them only",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_runtime_is_found_through_others_and_not_through_tests() {
    let package = |name: &str| serde_json::json!({ "id": name, "name": name, "version": "1.0.0" });
    let metadata = serde_json::json!({
        "workspace_members": ["a"],
        "packages": [package("a"), package("b"), package("tokio"), package("openssl")],
        "resolve": { "nodes": [
            { "id": "a", "deps": [
                { "pkg": "b", "dep_kinds": [{ "kind": null }] },
                { "pkg": "openssl", "dep_kinds": [{ "kind": "dev" }] },
            ] },
            { "id": "b", "deps": [{ "pkg": "tokio", "dep_kinds": [{ "kind": "build" }, { "kind": null }] }] },
            { "id": "tokio", "deps": [] },
            { "id": "openssl", "deps": [] },
        ] },
    });
    let graph = Graph::new(&metadata);
    assert_eq!(graph.members, ["a"]);
    assert_eq!(graph.path("a", "tokio").as_deref(), Some("a 1.0.0 -> b 1.0.0 -> tokio 1.0.0"));
    assert_eq!(graph.path("a", "openssl"), None);
}
