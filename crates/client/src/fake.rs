//! A node for tests, on a port of its own: it records what it is sent, and answers as it is told.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use shoal_proto::v1;
use shoal_proto::v1::cluster_server::{Cluster, ClusterServer};
use shoal_proto::v1::ingest_server::{Ingest, IngestServer};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status, Streaming};

/// How the fake node meets one write; each is recorded before.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Meeting {
    /// All points are accepted, with two copies.
    Accept,
    /// No answer ever.
    Silence,
    /// This status.
    Fail(Code),
}

/// A running fake node; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct FakeNode {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    server: AbortHandle,
}

#[derive(Debug)]
struct State {
    /// The next meetings; when they are used up, the last one given holds on.
    meetings: Mutex<(VecDeque<Meeting>, Meeting)>,
    writes: watch::Sender<Vec<v1::WriteRequest>>,
    members: Mutex<Vec<SocketAddr>>,
    tokens: Mutex<Vec<String>>,
}

impl FakeNode {
    /// Starts a node that meets the first writes as listed and all others as `then`.
    pub(crate) fn start(first: impl IntoIterator<Item = Meeting>, then: Meeting) -> Self {
        let incoming = TcpIncoming::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = incoming.local_addr().unwrap();
        let state = Arc::new(State {
            meetings: Mutex::new((first.into_iter().collect(), then)),
            writes: watch::Sender::default(),
            members: Mutex::new(vec![address]),
            tokens: Mutex::default(),
        });
        let server = Server::builder()
            .add_service(IngestServer::from_arc(state.clone()))
            .add_service(ClusterServer::from_arc(state.clone()))
            .serve_with_incoming(incoming);
        let server = tokio::spawn(async { server.await.unwrap() }).abort_handle();
        Self { address, state, server }
    }

    pub(crate) fn accepting() -> Self {
        Self::start([], Meeting::Accept)
    }

    /// The members that it names from now on.
    pub(crate) fn names(&self, members: &[SocketAddr]) {
        *self.state.members.lock().unwrap() = members.to_vec();
    }

    /// What it was sent so far.
    pub(crate) fn writes(&self) -> Vec<v1::WriteRequest> {
        self.state.writes.borrow().clone()
    }

    /// Waits until it was sent this many writes.
    pub(crate) async fn saw(&self, count: usize) -> Vec<v1::WriteRequest> {
        let mut writes = self.state.writes.subscribe();
        let seen = writes.wait_for(|writes| writes.len() >= count);
        tokio::time::timeout(std::time::Duration::from_secs(30), seen).await.unwrap().unwrap().clone()
    }

    pub(crate) fn tokens(&self) -> Vec<String> {
        self.state.tokens.lock().unwrap().clone()
    }
}

impl Drop for FakeNode {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[tonic::async_trait]
impl Ingest for State {
    async fn write(&self, request: Request<v1::WriteRequest>) -> Result<Response<v1::WriteReply>, Status> {
        if let Some(token) = request.metadata().get("authorization") {
            self.tokens.lock().unwrap().push(token.to_str().unwrap().to_owned());
        }
        let write = request.into_inner();
        let accepted = write.streams.iter().map(|part| part.values.len() as u64).sum();
        let meeting = {
            let mut meetings = self.meetings.lock().unwrap();
            meetings.0.pop_front().unwrap_or(meetings.1)
        };
        self.writes.send_modify(|writes| writes.push(write));
        match meeting {
            Meeting::Accept => {
                let token = Some(v1::Token { origin: vec![5; 16], seq: 1 });
                Ok(Response::new(v1::WriteReply { copies: 2, token, accepted, ..v1::WriteReply::default() }))
            }
            Meeting::Silence => std::future::pending().await,
            Meeting::Fail(code) => Err(Status::new(code, "as told")),
        }
    }

    type WriteStreamStream = tokio_stream::Empty<Result<v1::WriteReply, Status>>;

    async fn write_stream(
        &self,
        _: Request<Streaming<v1::WriteRequest>>,
    ) -> Result<Response<Self::WriteStreamStream>, Status> {
        Ok(Response::new(tokio_stream::empty()))
    }
}

#[tonic::async_trait]
impl Cluster for State {
    async fn members(&self, _: Request<v1::MembersRequest>) -> Result<Response<v1::MembersReply>, Status> {
        let member = |address: &SocketAddr| v1::Member {
            node: vec![6; 16],
            client_address: address.to_string(),
            state: v1::MemberState::Joined.into(),
            ..v1::Member::default()
        };
        let members = self.members.lock().unwrap().iter().map(member).collect();
        Ok(Response::new(v1::MembersReply { node: vec![6; 16], members, ..v1::MembersReply::default() }))
    }

    async fn forget(&self, _: Request<v1::ForgetRequest>) -> Result<Response<v1::ForgetReply>, Status> {
        Ok(Response::new(v1::ForgetReply {}))
    }

    async fn snapshot(&self, _: Request<v1::SnapshotRequest>) -> Result<Response<v1::SnapshotReply>, Status> {
        Ok(Response::new(v1::SnapshotReply::default()))
    }
    async fn log(&self, _: Request<v1::LogRequest>) -> Result<Response<v1::LogReply>, Status> {
        Ok(Response::new(v1::LogReply::default()))
    }
}
