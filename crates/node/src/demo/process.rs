//! One node of the demo: a `shoal node` process that ends when this process does, its directory and its log.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, Command};

use super::DemoError;

/// How often a node writes its own metrics, so that there is something to see.
const SELF_METRICS: &str = "5s";
const FREE_PORT: &str = "127.0.0.1:0";

/// Where a node listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Addresses {
    pub(super) client: SocketAddr,
    pub(super) peer: SocketAddr,
}

/// A node, running or not.
#[derive(Debug)]
pub(super) struct NodeProcess {
    name: String,
    data: PathBuf,
    log: PathBuf,
    /// Known once it has listened for the first time, and kept: it comes back where it was.
    addresses: Option<Addresses>,
    child: Option<Child>,
}

impl NodeProcess {
    pub(super) fn new(dir: &Path, number: u8) -> Self {
        let name = format!("node-{number}");
        let (data, log) = (dir.join(&name), dir.join(format!("{name}.log")));
        Self { name, data, log, addresses: None, child: None }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn addresses(&self) -> Option<Addresses> {
        self.addresses
    }

    pub(super) fn is_started(&self) -> bool {
        self.child.is_some()
    }

    /// Starts the process; it was not running.
    pub(super) fn start(&mut self, join: &[SocketAddr]) -> std::io::Result<()> {
        // Of an earlier demo in the same directory.
        let stale = self.data.join("addresses");
        if self.addresses.is_none() && stale.exists() {
            std::fs::remove_file(stale)?;
        }
        if let Some(dir) = self.log.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(std::env::current_exe()?);
        // What the user has set for nodes of their own is not meant for these.
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_setting(name)) {
            command.env_remove(name);
        }
        let address =
            |address: Option<SocketAddr>| address.map_or_else(|| FREE_PORT.to_owned(), |it| it.to_string());
        command.arg("node").arg("--data").arg(&self.data);
        command.args(["--name", &self.name, "--cluster", "demo", "--self-metrics", SELF_METRICS]);
        command.args(["--listen", &address(self.addresses.map(|it| it.client))]);
        command.args(["--peer", &address(self.addresses.map(|it| it.peer))]);
        if !join.is_empty() {
            let join: Vec<String> = join.iter().map(SocketAddr::to_string).collect();
            command.args(["--join", &join.join(",")]);
        }
        // This process holds the other end of stdin, and however it ends, that end closes.
        command.arg("--until-stdin-closes").stdin(Stdio::piped()).kill_on_drop(true);
        command.stdout(log.try_clone()?).stderr(log);
        self.child = Some(command.spawn()?);
        Ok(())
    }

    /// Whether it has listened; reads the addresses that it wrote.
    pub(super) fn find_addresses(&mut self) -> Option<Addresses> {
        if self.addresses.is_none() {
            let text = std::fs::read_to_string(self.data.join("addresses")).ok()?;
            self.addresses = parse(&text);
        }
        self.addresses
    }

    /// Fails where the process was started and has ended by itself.
    pub(super) fn check(&mut self) -> Result<(), DemoError> {
        let ended = self.child.as_mut().is_some_and(|child| !matches!(child.try_wait(), Ok(None)));
        if ended {
            self.child = None;
            return Err(DemoError::Ended { name: self.name.clone(), last_words: self.last_words() });
        }
        Ok(())
    }

    /// `kill -9`; returns when the process is gone.
    pub(super) async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Whether or not it was still there, it is not now.
            _ = child.kill().await;
        }
    }

    fn last_words(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let last = log.lines().rev().find(|line| !line.trim().is_empty());
        let words = last.unwrap_or("it said nothing").trim();
        words.strip_prefix("shoal: ").unwrap_or(words).to_owned()
    }
}

fn is_setting(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"SHOAL_")
}

/// Reads `client=…` and `peer=…`; `None` while the file is not complete.
fn parse(text: &str) -> Option<Addresses> {
    let value = |name: &str| {
        let line = text.split_inclusive('\n').find_map(|line| line.strip_prefix(name));
        line.filter(|line| line.ends_with('\n')).and_then(|line| line.trim().parse().ok())
    };
    Some(Addresses { client: value("client=")?, peer: value("peer=")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_when_they_are_complete() {
        let [client, peer] = ["127.0.0.1:17400", "127.0.0.1:17401"].map(|it| it.parse().unwrap());
        let text = "client=127.0.0.1:17400\npeer=127.0.0.1:17401\n";
        assert_eq!(parse(text), Some(Addresses { client, peer }));
        for end in 0..text.len() {
            assert_eq!(parse(&text[..end]), None, "{end}");
        }
    }
}
