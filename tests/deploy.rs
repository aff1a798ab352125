//! What an operator puts around the binary, from `deploy/`: proxies, alerts, dashboard, manifests, image and unit, each
//! used as its users use it. A test whose program is not installed says `skipped: needs X` and passes; `.ci/run`
//! installs them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[path = "deploy/alerts.rs"]
mod alerts;
#[path = "deploy/container.rs"]
mod container;
#[path = "deploy/dashboard.rs"]
mod dashboard;
#[path = "deploy/flags.rs"]
mod flags;
#[expect(dead_code, reason = "the harness serves several test targets, none of which uses all of it")]
#[path = "cluster/harness.rs"]
mod harness;
#[path = "deploy/http.rs"]
mod http;
#[path = "clients/installed.rs"]
mod installed;
#[path = "deploy/kubernetes.rs"]
mod kubernetes;
#[path = "deploy/manifest.rs"]
mod manifest;
#[path = "deploy/pod.rs"]
mod pod;
#[path = "deploy/proxies.rs"]
mod proxies;
#[path = "deploy/proxy.rs"]
mod proxy;
#[path = "deploy/resolver.rs"]
mod resolver;
#[path = "deploy/systemd.rs"]
mod systemd;
#[path = "deploy/traffic.rs"]
mod traffic;
#[path = "deploy/watching.rs"]
mod watching;

use std::path::{Path, PathBuf};

/// A file of `deploy/`.
fn deployed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(name)
}

/// Its text.
fn text(name: &str) -> String {
    let path = deployed(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
