//! One look at the cluster: every node is asked by itself, through a client that asks no other.

use std::net::SocketAddr;
use std::time::Duration;

use futures::future::join_all;
use shoal_client::{BuildError, Client, Members, ReadOptions};
use tokio::time::timeout;

use super::application::CLICKS;
use super::cluster::Cluster;

/// How long a node has to answer: a look is taken every second.
const PATIENCE: Duration = Duration::from_millis(800);

/// What was seen of one node.
#[derive(Clone, Debug)]
pub(super) struct Look {
    /// The node's name.
    pub(super) name: String,
    /// Where it answers clients.
    pub(super) address: SocketAddr,
    /// Whether it was started and not killed.
    pub(super) is_started: bool,
    /// The cluster as it sees it, where it answered.
    pub(super) members: Option<Members>,
    /// The merged counter, where it has one.
    pub(super) clicks: Option<f64>,
}

/// One client for each node.
#[derive(Debug)]
pub(super) struct Lookout {
    clients: Vec<(SocketAddr, Client)>,
}

impl Lookout {
    /// Where the nodes answer clients, in their order.
    pub(super) fn new(nodes: &[SocketAddr]) -> Result<Self, BuildError> {
        let pinned = |node: &SocketAddr| Client::builder().seeds([node.to_string()]).only_seeds().build();
        let client = |node: &SocketAddr| pinned(node).map(|client| (*node, client));
        Ok(Self { clients: nodes.iter().map(client).collect::<Result<_, _>>()? })
    }

    /// Asks all nodes at the same time.
    pub(super) async fn look(&self, cluster: &Cluster) -> Vec<Look> {
        let looks = cluster.nodes().iter().zip(&self.clients).map(|(node, (address, client))| {
            let (name, address, is_started) = (node.name().to_owned(), *address, node.is_started());
            async move {
                if !is_started {
                    return Look { name, address, is_started, members: None, clicks: None };
                }
                let (members, clicks) = tokio::join!(members(client), clicks(client));
                Look { name, address, is_started, members, clicks }
            }
        });
        join_all(looks).await
    }
}

async fn members(client: &Client) -> Option<Members> {
    timeout(PATIENCE, client.members()).await.ok()?.ok()
}

async fn clicks(client: &Client) -> Option<f64> {
    let options = ReadOptions { deadline: PATIENCE, ..ReadOptions::default() };
    let answer = client.read(CLICKS, options).await.ok()?;
    answer.series.first().map(|series| series.value)
}
