//! The Kubernetes manifests as data.

use serde_json::Value;

use crate::{deployed, text};

/// The files, but for the one that lists them.
pub fn files() -> Vec<String> {
    let folder = std::fs::read_dir(deployed("kubernetes")).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> =
        names.filter(|name| name.ends_with(".yaml") && name != "kustomization.yaml").collect();
    names.sort();
    names
}

/// The documents of one file.
pub fn documents(file: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&text(&format!("kubernetes/{file}")))
        .unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The only object of a kind.
pub fn object(kind: &str) -> Value {
    let all = files().into_iter().flat_map(|file| documents(&file));
    let found: Vec<Value> = all.filter(|object| object["kind"] == kind).collect();
    let [one] = found.as_slice() else { panic!("{} of kind {kind}", found.len()) };
    one.clone()
}

/// The node's container.
pub fn container() -> Value {
    object("StatefulSet")["spec"]["template"]["spec"]["containers"][0].clone()
}

/// The arguments of the node's container.
pub fn arguments() -> Vec<String> {
    container()["args"].as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}
