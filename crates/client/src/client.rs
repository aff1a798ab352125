//! The client: calls that find a node that answers. Copies share connections and what is known of the nodes.

mod call;
mod refresh;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::TryRngCore;
use rand::rngs::OsRng;
use shoal_model::{Kind, NodeId, StreamPoints, Writer};
use shoal_proto::v1;
use shoal_proto::v1::cluster_client::ClusterClient;
use shoal_proto::v1::ingest_client::IngestClient;
use shoal_proto::v1::query_client::QueryClient;
use tokio::sync::Notify;
use tonic::metadata::{Ascii, MetadataValue};

use crate::address::{Address, AddressError};
use crate::limits::DEADLINE;
use crate::links::Links;
use crate::members::{self, Members, Snapshot};
use crate::query::{self, QueryAnswer, QueryOptions, When};
use crate::read::{self, ReadAnswer, ReadOptions, Selection};
use crate::roster::{NodeOrder, Roster};
use crate::write::{self, WriteOptions, WriteReceipt};

pub use call::CallError;

/// Why a client could not be made. The caller's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// A seed is no address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// There is no node to begin with.
    #[error("a client needs at least one seed")]
    NoSeeds,
    /// The token cannot stand in a header.
    #[error("the token has characters that a header cannot hold")]
    Token,
    /// The members are kept in view by a task, which needs a runtime.
    #[error("a client must be made within a tokio runtime")]
    NoRuntime,
}

/// Gathers what a client needs; see [`Client::builder`].
#[derive(Clone, Debug, Default)]
pub struct Builder {
    seeds: Vec<String>,
    order: NodeOrder,
    only_seeds: bool,
    token: Option<String>,
}

impl Builder {
    /// The nodes to begin with, `host:port` or `http://host:port`; any member will do.
    pub fn seeds<S: Into<String>>(mut self, seeds: impl IntoIterator<Item = S>) -> Self {
        self.seeds.extend(seeds.into_iter().map(Into::into));
        self
    }

    /// Which node a call asks first.
    pub fn order(mut self, order: NodeOrder) -> Self {
        self.order = order;
        self
    }

    /// Asks the seeds only, and never looks for other members: for clients that reach the nodes under other
    /// addresses than the nodes themselves give out.
    pub fn only_seeds(mut self) -> Self {
        self.only_seeds = true;
        self
    }

    /// The bearer token that the nodes ask for.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Makes the client, which connects when it is first used.
    pub fn build(self) -> Result<Client, BuildError> {
        let seeds: Vec<Address> = self.seeds.iter().map(|seed| seed.parse()).collect::<Result<_, _>>()?;
        if seeds.is_empty() {
            return Err(BuildError::NoSeeds);
        }
        let bearer = |token: String| format!("Bearer {token}").parse().map_err(|_| BuildError::Token);
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        let shared = Arc::new(Shared {
            roster: Mutex::new(Roster::new(seeds, self.order)),
            links: Links::default(),
            bearer: self.token.map(bearer).transpose()?,
            stale: Arc::new(Notify::new()),
            only_seeds: self.only_seeds,
        });
        runtime.spawn(refresh::keep_in_view(Arc::downgrade(&shared), shared.stale.clone()));
        Ok(Client { shared })
    }
}

/// A client of a cluster. Cheap to clone; the clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    roster: Mutex<Roster>,
    links: Links,
    bearer: Option<MetadataValue<Ascii>>,
    /// Told when the roster may be out of date, and when the client is gone.
    stale: Arc<Notify>,
    only_seeds: bool,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.stale.notify_one();
    }
}

impl Client {
    /// A client that is configured first.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A client that begins with these nodes and asks the nearest.
    pub fn connect<S: Into<String>>(seeds: impl IntoIterator<Item = S>) -> Result<Self, BuildError> {
        Self::builder().seeds(seeds).build()
    }

    /// Writes points and waits for the copies asked for. The points keep their identity over all attempts, so
    /// none is counted twice; after an error the same call may be made again.
    ///
    /// A delta stream without a writer needs an idempotency key for that: where the options bring none, the
    /// call draws one, which holds for this call's attempts only.
    pub async fn write(
        &self,
        streams: Vec<StreamPoints>,
        options: WriteOptions,
    ) -> Result<WriteReceipt, CallError> {
        let WriteOptions { acks, deadline, idempotency_key } = options;
        let key = idempotency_key.unwrap_or_else(|| call_key(&streams));
        let message = Arc::new(write::request(&streams, acks, key));
        drop(streams);
        self.shared
            .call(deadline, move |node, link| {
                let message = message.clone();
                async move {
                    let mut client = IngestClient::new(link.channel.clone());
                    let reply = client.write(link.request(message.as_ref().clone())).await?;
                    write::receipt(reply.into_inner(), node)
                }
            })
            .await
    }

    /// The merged values of the selected series.
    pub async fn read(
        &self,
        selection: impl Into<Selection>,
        options: ReadOptions,
    ) -> Result<ReadAnswer, CallError> {
        let deadline = options.deadline;
        let message = read::request(selection.into(), &options);
        self.shared
            .call(deadline, move |node, link| {
                let message = message.clone();
                async move {
                    let mut client = QueryClient::new(link.channel.clone())
                        .max_decoding_message_size(shoal_model::limits::MESSAGE_BYTES_MAX);
                    let reply = client.read(link.request(message)).await?;
                    read::answer(reply.into_inner(), node)
                }
            })
            .await
    }

    /// What a PromQL expression comes to.
    pub async fn query(
        &self,
        expression: &str,
        when: When,
        options: QueryOptions,
    ) -> Result<QueryAnswer, CallError> {
        let deadline = options.deadline;
        self.shared
            .call(deadline, move |node, link| {
                let (expression, options) = (expression.to_owned(), options.clone());
                async move {
                    let mut client = QueryClient::new(link.channel.clone())
                        .max_decoding_message_size(shoal_model::limits::MESSAGE_BYTES_MAX);
                    let instant = |time| query::instant(&expression, time, &options);
                    let reply = match when {
                        When::Now => client.query(link.request(instant(None))).await,
                        When::At(time) => client.query(link.request(instant(Some(time)))).await,
                        When::Over { start, end, step } => {
                            let message = query::range(&expression, (start, end, step), &options);
                            client.query_range(link.request(message)).await
                        }
                    };
                    query::answer(reply?.into_inner(), node)
                }
            })
            .await
    }

    /// The cluster as the node that answers sees it.
    pub async fn members(&self) -> Result<Members, CallError> {
        self.shared
            .call(DEADLINE, |node, link| async move {
                let mut client = ClusterClient::new(link.channel.clone());
                let reply = client.members(link.request(members::request())).await?;
                members::answer(reply.into_inner(), node)
            })
            .await
    }

    /// Stops counting a node as a member; doing it again changes nothing.
    pub async fn forget(&self, forgotten: NodeId) -> Result<(), CallError> {
        self.shared
            .call(DEADLINE, move |_, link| async move {
                let mut client = ClusterClient::new(link.channel.clone());
                client.forget(link.request(members::forget_request(forgotten))).await.map(|_| ())
            })
            .await
    }

    /// Has the node copy its store into a new directory of its own machine, and waits for that. A node has one
    /// directory below which it makes them.
    pub async fn snapshot(&self, name: &str, deadline: Duration) -> Result<Snapshot, CallError> {
        let message = v1::SnapshotRequest { name: name.to_owned() };
        self.shared
            .call(deadline, move |_, link| {
                let message = message.clone();
                async move {
                    let mut client = ClusterClient::new(link.channel.clone());
                    let reply = client.snapshot(link.request(message)).await?.into_inner();
                    let v1::SnapshotReply { files, copied_bytes, directory } = reply;
                    Ok(Snapshot { directory, files, copied_bytes })
                }
            })
            .await
    }

    /// What the node logs, after changing it where a filter is given: until it ends.
    pub async fn log_filter(&self, filter: Option<&str>) -> Result<String, CallError> {
        let message = v1::LogRequest { filter: filter.unwrap_or_default().to_owned() };
        self.shared
            .call(DEADLINE, move |_, link| {
                let message = message.clone();
                async move {
                    let mut client = ClusterClient::new(link.channel.clone());
                    Ok(client.log(link.request(message)).await?.into_inner().filter)
                }
            })
            .await
    }
}

impl Shared {
    fn roster(&self) -> std::sync::MutexGuard<'_, Roster> {
        self.roster.lock().expect("no panic while the lock is held")
    }

    fn link(&self, node: &Address, timeout: Duration) -> call::Link {
        call::Link { channel: self.links.channel(node), timeout, bearer: self.bearer.clone() }
    }
}

/// A key where the points need one, else none.
fn call_key(streams: &[StreamPoints]) -> Vec<u8> {
    let nameless =
        |part: &StreamPoints| part.stream.kind == Kind::Delta && part.stream.writer == Writer::NONE;
    if streams.iter().any(nameless) { Writer::random(&mut OsRng.unwrap_err()).0.to_vec() } else { Vec::new() }
}

#[cfg(test)]
mod tests;
