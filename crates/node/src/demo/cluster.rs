//! The nodes of the demo together: the first begins a cluster, the others join it, and who comes back joins all
//! others.

use std::net::SocketAddr;
use std::path::Path;

use tokio::time::{Instant, sleep};

use super::process::{Addresses, NodeProcess};
use super::screen::Screen;
use super::{DemoError, PROGRESS, START};

/// The node processes, numbered from 1 for people.
#[derive(Debug)]
pub(super) struct Cluster {
    nodes: Vec<NodeProcess>,
}

impl Cluster {
    /// Nodes that keep their data below `dir`; none runs yet.
    pub(super) fn new(dir: &Path, count: u8) -> Self {
        Self { nodes: (1..=count).map(|number| NodeProcess::new(dir, number)).collect() }
    }

    pub(super) fn nodes(&self) -> &[NodeProcess] {
        &self.nodes
    }

    /// Where the nodes answer clients, in their order.
    pub(super) fn clients(&self) -> Vec<SocketAddr> {
        self.nodes.iter().filter_map(|node| node.addresses().map(|it| it.client)).collect()
    }

    /// Starts every node; the first before the others, because they must know where it is.
    pub(super) async fn start_all(&mut self, screen: &mut Screen) -> Result<(), DemoError> {
        let mut join: Vec<SocketAddr> = Vec::new();
        for node in &mut self.nodes {
            screen.say(&format!("starting {}", node.name()))?;
            node.start(&join).map_err(DemoError::system("starting a node"))?;
            if join.is_empty() {
                join.push(listening(node).await?.peer);
            }
        }
        for node in &mut self.nodes {
            listening(node).await?;
        }
        Ok(())
    }

    /// Fails where a node that was started has ended by itself.
    pub(super) fn check(&mut self) -> Result<(), DemoError> {
        self.nodes.iter_mut().try_for_each(NodeProcess::check)
    }

    /// Starts a node again; says what came of it.
    pub(super) fn start(&mut self, number: usize) -> String {
        let join = self.peers_but(number);
        let Some(node) = self.node(number) else { return self.no_such_node(number) };
        // It may have ended by itself, and then it may be started.
        _ = node.check();
        if node.is_started() {
            return format!("{} runs already", node.name());
        }
        match node.start(&join) {
            Ok(()) => format!("started {}", node.name()),
            Err(error) => format!("{} does not start: {error}", node.name()),
        }
    }

    /// `kill -9` of a node; says what came of it.
    pub(super) async fn kill(&mut self, number: usize) -> String {
        let Some(node) = self.node(number) else { return self.no_such_node(number) };
        if !node.is_started() {
            return format!("{} does not run", node.name());
        }
        node.kill().await;
        format!("killed {}", node.name())
    }

    /// Returns when no process is left.
    pub(super) async fn kill_all(&mut self) {
        for node in &mut self.nodes {
            node.kill().await;
        }
    }

    fn node(&mut self, number: usize) -> Option<&mut NodeProcess> {
        self.nodes.get_mut(number.checked_sub(1)?)
    }

    fn peers_but(&self, number: usize) -> Vec<SocketAddr> {
        let others = (1..).zip(&self.nodes).filter(|(other, _)| *other != number);
        others.filter_map(|(_, node)| Some(node.addresses()?.peer)).collect()
    }

    fn no_such_node(&self, number: usize) -> String {
        format!("there is no node {number}, only 1 to {}", self.nodes.len())
    }
}

/// Waits until a node that was started listens.
async fn listening(node: &mut NodeProcess) -> Result<Addresses, DemoError> {
    let deadline = Instant::now() + START;
    loop {
        node.check()?;
        if let Some(addresses) = node.find_addresses() {
            return Ok(addresses);
        }
        if Instant::now() >= deadline {
            return Err(DemoError::Silent(node.name().to_owned()));
        }
        sleep(PROGRESS).await;
    }
}
