//! What a reviewer would otherwise have to look for by hand: who imports whom, file headers and lengths, names
//! that say nothing, leftovers. Each rule is a pure function over a path and a text, or over the graph of
//! crates, and is broken on purpose by a test of its own.

#[path = "tidy/edges.rs"]
mod edges;
#[path = "tidy/rules.rs"]
mod rules;

use std::fs;
use std::path::{Path, PathBuf};

use rules::{RULES, Source};

/// Folders that hold nothing of ours: what git or cargo made, and a node's data.
const NOT_OURS: [&str; 6] = [".git", "target", "shoal-data", "fuzz/target", "fuzz/corpus", "fuzz/artifacts"];

#[test]
fn every_file_keeps_the_rules() {
    let sources = sources();
    assert!(sources.len() > 50, "only {} files were found under {}", sources.len(), root().display());
    let findings: Vec<String> = RULES
        .iter()
        .flat_map(|rule| sources.iter().flat_map(move |(path, text)| rule(&Source { path, text })))
        .collect();
    assert!(findings.is_empty(), "{} findings:\n{}\n", findings.len(), findings.join("\n"));
}

/// The workspace's root.
fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().expect("the workspace is where it was compiled")
}

/// Every text file of the workspace with its path from the root, in order of path.
fn sources() -> Vec<(String, String)> {
    let root = root();
    let mut folders = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the workspace can be read") {
            let path = entry.expect("a folder of the workspace can be read").path();
            let name = path.strip_prefix(&root).expect("it was found there").display().to_string();
            if path.is_dir() && !path.is_symlink() && !NOT_OURS.contains(&name.as_str()) {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                found.push((name, text));
            }
        }
    }
    found.sort();
    found
}
