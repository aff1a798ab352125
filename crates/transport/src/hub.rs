//! What the tasks of a mesh share: it dials, accepts, and puts each connection to work.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use quinn::{Connection, Endpoint, Incoming};
use shoal_model::NodeId;
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, timeout};

use crate::arrivals::Inlet;
use crate::class::Class;
use crate::episode::Episodes;
use crate::greeting::{Greeting, is_dialable};
use crate::handshake::{HandshakeError, answer, greet};
use crate::identity::PEER;
use crate::intake::Intake;
use crate::line::{Courier, Duty};
use crate::outbox::Outbox;
use crate::peer::{Line, Offered, Standing};
use crate::refusal::Refusal;
use crate::roster::Roster;
use crate::stats::Counters;

/// From the first packet to the greeting's acceptance.
const HANDSHAKE: Duration = Duration::from_secs(2);
/// Handshakes that others have under way with us at once: each costs a signature.
const HANDSHAKES_MAX: usize = 128;

/// The state of a mesh and the tools of its tasks.
pub(crate) struct Hub {
    pub(crate) endpoint: Endpoint,
    pub(crate) greeting: Greeting,
    pub(crate) loopback_only: bool,
    pub(crate) inlet: Inlet,
    pub(crate) counters: Arc<Counters>,
    pub(crate) roster: Mutex<Roster>,
    pub(crate) episodes: Mutex<Episodes>,
    pub(crate) stop: watch::Sender<bool>,
    /// How many connections are at work.
    pub(crate) lines: watch::Sender<usize>,
    pub(crate) line_ids: AtomicU64,
    pub(crate) runtime: Handle,
}

/// Which end of a connection we are.
#[derive(Clone, Copy, Debug)]
enum End {
    Dialled(SocketAddr),
    Accepted,
}

impl Hub {
    /// Queues a message, dialling where needed; returns whether it waits.
    pub(crate) fn offer(self: &Arc<Self>, to: SocketAddr, class: Class, message: Bytes) -> bool {
        if !self.may_reach(to) {
            self.counters.dropped_out.add(1);
            return false;
        }
        let now = Instant::now();
        let mut roster = self.roster();
        let (outbox, new) = match roster.get(to) {
            Some(outbox) => (outbox, false),
            None => (roster.add(to, now), true),
        };
        let offered = outbox.peer().offer(class, message, now);
        if new || offered == Offered::Dial {
            self.start_dial(outbox.clone());
        }
        drop(roster);
        match offered {
            Offered::Queued { displaced } => self.counters.dropped_out.add(displaced),
            Offered::Dial => {}
            Offered::Dropped => self.counters.dropped_out.add(1),
        }
        outbox.ring(class);
        offered != Offered::Dropped
    }

    /// Accepts until the endpoint is closed.
    pub(crate) async fn accept_all(self: Arc<Self>) {
        let permits = Arc::new(Semaphore::new(HANDSHAKES_MAX));
        while let Some(incoming) = self.endpoint.accept().await {
            let remote = incoming.remote_address();
            if self.loopback_only && !is_loopback(remote) {
                self.counters.strangers_refused.add(1);
                if self.begins_episode(remote, "stranger") {
                    tracing::warn!(%remote, "refused a connection from beyond loopback: the development key is in use");
                }
                incoming.refuse();
                continue;
            }
            let Ok(permit) = permits.clone().try_acquire_owned() else {
                incoming.refuse();
                continue;
            };
            let hub = self.clone();
            tokio::spawn(async move {
                hub.accept(incoming).await;
                drop(permit);
            });
        }
    }

    async fn accept(self: &Arc<Self>, incoming: Incoming) {
        let remote = incoming.remote_address();
        let handshake = async {
            let connection = incoming.accept()?.await?;
            let theirs = answer(&connection, &self.greeting).await?;
            Ok((connection, theirs))
        };
        match timeout(HANDSHAKE, handshake).await.unwrap_or(Err(HandshakeError::TimedOut)) {
            Ok((connection, theirs)) => self.put_to_work(connection, &theirs, End::Accepted),
            // The port of a dialler is any: an episode is its host's.
            Err(error) => self.note_failure(SocketAddr::new(remote.ip(), 0), &error),
        }
    }

    fn start_dial(self: &Arc<Self>, outbox: Arc<Outbox>) {
        let hub = self.clone();
        self.runtime.spawn(async move { hub.dial(outbox).await });
    }

    async fn dial(self: &Arc<Self>, outbox: Arc<Outbox>) {
        let began = Instant::now();
        let address = outbox.address;
        let handshake = async {
            let connection = self.endpoint.connect(address, PEER)?.await?;
            let theirs = greet(&connection, &self.greeting).await?;
            Ok((connection, theirs))
        };
        match timeout(HANDSHAKE, handshake).await.unwrap_or(Err(HandshakeError::TimedOut)) {
            Ok((connection, theirs)) => self.put_to_work(connection, &theirs, End::Dialled(address)),
            Err(error) => {
                self.counters.dials_failed.add(1);
                self.note_failure(address, &error);
                let given_up = outbox.peer().handle_failure(began, Instant::now());
                self.counters.dropped_out.add(given_up);
            }
        }
    }

    /// Starts the task of a connection whose greetings were accepted.
    fn put_to_work(self: &Arc<Self>, connection: Connection, theirs: &Greeting, end: End) {
        if *self.stop.borrow() {
            return;
        }
        let dialler = match end {
            End::Dialled(_) => self.greeting.hello.node,
            End::Accepted => theirs.hello.node,
        };
        let line = self.line(theirs, dialler);
        let (outbox, standing) = self.install(theirs.address, &line, end);
        let duty = match standing {
            Standing::Carries { replaced } => {
                replaced.inspect(|line| line.retired.notify_one());
                Duty::Carry
            }
            Standing::Spare => Duty::Linger,
        };
        let version = line.version;
        tracing::debug!(peer = %theirs.hello.node, address = %theirs.address, version, ?end, ?duty, "connected");
        self.episodes().end(theirs.address);
        let (from, address) = (theirs.hello.node, theirs.address);
        let intake = Intake { from, address, inlet: self.inlet.clone(), counters: self.counters.clone() };
        let courier =
            Courier { line, connection, outbox: outbox.clone(), intake, stop: self.stop.subscribe() };
        let hub = self.clone();
        self.lines.send_modify(|lines| *lines += 1);
        self.runtime.spawn(async move {
            let id = courier.line.id;
            courier.run(duty).await;
            hub.lines.send_modify(|lines| *lines -= 1);
            hub.handle_loss(&outbox, id);
        });
    }

    /// Makes a connection known under the peer's own address, and under the one that was dialled.
    fn install(&self, address: SocketAddr, line: &Line, end: End) -> (Arc<Outbox>, Standing) {
        let now = Instant::now();
        let mut roster = self.roster();
        let outbox = match roster.get(address).filter(|outbox| outbox.address == address) {
            Some(outbox) => outbox,
            None => roster.add(address, now),
        };
        if let End::Dialled(dialled) = end
            && let Some(former) = roster.lead(dialled, &outbox)
        {
            let waiting = std::mem::take(&mut former.peer().queues);
            self.counters.dropped_out.add(outbox.peer().queues.absorb(waiting));
            outbox.ring_all();
        }
        let standing = outbox.peer().handle_line(line);
        (outbox, standing)
    }

    fn handle_loss(self: &Arc<Self>, outbox: &Arc<Outbox>, id: u64) {
        let mut roster = self.roster();
        let mut peer = outbox.peer();
        let dial = peer.handle_loss(id, Instant::now());
        let is_up = peer.is_up();
        drop(peer);
        if !is_up {
            roster.forget_leads(outbox);
        }
        if dial {
            self.start_dial(outbox.clone());
        }
    }

    fn line(&self, theirs: &Greeting, dialler: NodeId) -> Line {
        Line {
            id: self.line_ids.fetch_add(1, Ordering::Relaxed),
            origin: theirs.hello.origin,
            version: self.greeting.versions.agreed(theirs.versions),
            dialler,
            since: Instant::now(),
            retired: Arc::new(Notify::new()),
        }
    }

    fn may_reach(&self, to: SocketAddr) -> bool {
        let stops = *self.stop.borrow();
        !stops && is_dialable(to) && to != self.greeting.address && (!self.loopback_only || is_loopback(to))
    }

    fn note_failure(&self, address: SocketAddr, error: &HandshakeError) {
        match error {
            HandshakeError::Refused(refusal) => self.counters.count_refusal(*refusal),
            HandshakeError::Certificate(_) => self.counters.handshakes_refused.add(1),
            _ => {}
        }
        if !self.begins_episode(address, &error.to_string()) {
            return;
        }
        match error {
            HandshakeError::Refused(Refusal::Oneself) | HandshakeError::RefusedByPeer(Refusal::Oneself) => {
                tracing::debug!(%address, "this address is our own");
            }
            HandshakeError::Refused(_)
            | HandshakeError::RefusedByPeer(_)
            | HandshakeError::Certificate(_) => {
                tracing::warn!(%address, %error, "no connection with a node that does not belong here");
            }
            _ => tracing::debug!(%address, %error, "no connection"),
        }
    }

    fn begins_episode(&self, address: SocketAddr, trouble: &str) -> bool {
        self.episodes().begins(address, trouble, Instant::now())
    }

    pub(crate) fn roster(&self) -> MutexGuard<'_, Roster> {
        self.roster.lock().expect("nobody panics while holding the lock")
    }

    fn episodes(&self) -> MutexGuard<'_, Episodes> {
        self.episodes.lock().expect("nobody panics while holding the lock")
    }
}

fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}
