//! One node from start to end: takes its data directory, joins store, replica, transport, gossip and doors, and
//! on SIGTERM leaves in order.

mod directory;
mod ending;
mod gathering;
mod own_metrics;
mod supervisor;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use rand::RngCore;
use shoal_membership::{GossipLink, Membership, MembershipConfig};
use shoal_model::{Origin, Phase, Profile};
use shoal_replication::{Config, Replica};
use shoal_store::{Opened, Options, RealDisk, Replayed, Store};
use shoal_transport::{Arrival, Arrivals, Class, Hello, Mesh, MeshConfig};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::clock::wall_ms;
use crate::config::NodeConfig;
use crate::doors::{self, About, Context, Intake, Refusals, Turns};
use crate::engine::{Engine, Wiring};
use crate::log::LogFilter;
use directory::DataDirectory;
use ending::{Ending, Signals};
use gathering::{Gathering, Sockets};

/// Messages that wait between the transport and gossip.
const BACKLOG: usize = 64;

/// Runs a node until a signal ends it, or something that it cannot live without fails.
pub async fn run(config: NodeConfig, log: LogFilter) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let directory = DataDirectory::take(&config.data)?;
    let mut rng = rand::rng();
    let (identity, origin) = (directory.begin_life(&mut rng)?, Origin::random(&mut rng));
    let listener =
        TcpListener::bind(config.listen).await.with_context(|| format!("--listen {}", config.listen))?;
    let hello = Hello { node: identity.node, incarnation: identity.incarnation, origin };
    let (mesh, mut arrivals) = bind_mesh(&config, hello)?;
    let profile = profile(&config, hello, listener.local_addr()?, mesh.local_addr());
    let opened = open_store(directory.disk(), origin, options(&config)).await?;
    let replica = Replica::new(replica_config(&config, hello, rng.next_u64()), opened)?;

    let gossip = gossip(arrivals.take_gossip());
    let link = Gossip(mesh.clone());
    let mut membership_config = MembershipConfig::new(config.cluster.clone(), config.join.clone());
    membership_config.grace = config.gossip_grace.unwrap_or(membership_config.grace);
    let membership = Membership::spawn(membership_config, profile.clone(), link, gossip).await?;
    let wiring = Wiring { replica, mesh: mesh.clone(), arrivals, membership, series_max: config.series_max };
    let (engine, mut task) = Engine::start(wiring, identity.node);
    let (stop, stopping) = watch::channel(false);
    let context = Context {
        engine: engine.clone(),
        about: Arc::new(about(&config, profile.clone())),
        refusals: Arc::new(Refusals::default()),
        scraped: Arc::default(),
        intake: Arc::new(Intake::default()),
        buffers: Arc::default(),
        known: Arc::default(),
        mesh: mesh.clone(),
        turns: Turns::default(),
        timing: Arc::default(),
        log,
        stopping: stopping.clone(),
    };
    let sockets = Sockets::bind(&config)?;
    directory.announce(listener.local_addr()?, mesh.local_addr(), sockets.statsd())?;
    tracing::info!(
        node = %identity.node, name = config.name, incarnation = identity.incarnation.0,
        client = %profile.client, peer = %profile.peer, "listening"
    );
    let gathering = Gathering::start(&context, &config, sockets)?;
    let served = tokio::spawn(doors::serve(listener, context, wait(stopping)));
    let told = tokio::select! {
        told = signals.next() => told,
        ended = &mut task => return ended.context("the engine")?,
    };
    Ending { engine, gathering, stop, served, drain: config.drain }.run(told, &mut signals).await?;
    let ended = task.await.context("the engine")?;
    mesh.shutdown().await;
    directory.retract();
    ended
}

async fn wait(mut stopping: watch::Receiver<bool>) {
    // A dropped sender means the node is ending too.
    let _ = stopping.wait_for(|stop| *stop).await;
}

fn bind_mesh(config: &NodeConfig, hello: Hello) -> anyhow::Result<(Mesh, Arrivals)> {
    // A wildcard cannot be dialled; the port is not known before the bind, so it is taken first where it is 0.
    let bind = take_port(config.peer)?;
    let wildcard = bind.ip().is_unspecified().then(|| SocketAddr::new(default_route(bind.ip()), bind.port()));
    let mesh = Mesh::bind(MeshConfig {
        bind,
        cluster: config.cluster.clone(),
        keys: config.keys.clone(),
        greeting: hello,
        advertise: config.advertise_peer.or(wildcard),
    });
    mesh.with_context(|| format!("--peer {}", config.peer))
}

/// A free port where 0 is asked for on a wildcard; else the address itself.
fn take_port(address: SocketAddr) -> anyhow::Result<SocketAddr> {
    if address.port() != 0 || !address.ip().is_unspecified() {
        return Ok(address);
    }
    Ok(UdpSocket::bind(address).and_then(|socket| socket.local_addr())?)
}

/// The address that this machine would send from to the outside; nothing is sent to find out.
fn default_route(wildcard: IpAddr) -> IpAddr {
    let (any, far): (SocketAddr, SocketAddr) = match wildcard {
        IpAddr::V4(_) => (([0, 0, 0, 0], 0).into(), ([192, 0, 2, 1], 9).into()),
        IpAddr::V6(_) => (([0_u16; 8], 0).into(), ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 9).into()),
    };
    let local = UdpSocket::bind(any).and_then(|socket| {
        socket.connect(far)?;
        socket.local_addr()
    });
    local.map_or(IpAddr::V4([127, 0, 0, 1].into()), |address| address.ip())
}

fn profile(config: &NodeConfig, hello: Hello, client: SocketAddr, peer: SocketAddr) -> Profile {
    let dialable = |bound: SocketAddr| {
        if bound.ip().is_unspecified() {
            SocketAddr::new(default_route(bound.ip()), bound.port())
        } else {
            bound
        }
    };
    Profile {
        node: hello.node,
        incarnation: hello.incarnation,
        origin: hello.origin,
        name: config.name.clone(),
        zone: config.zone.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        client: config.advertise.unwrap_or_else(|| dialable(client)),
        peer: config.advertise_peer.unwrap_or_else(|| dialable(peer)),
        phase: Phase::Joining,
    }
}

fn about(config: &NodeConfig, profile: Profile) -> About {
    About {
        profile,
        cluster: config.cluster.clone(),
        data: config.data.clone(),
        snapshots: config.snapshots.clone(),
        retention: config.retention,
        future: config.future,
        replica_label: config.replica_label.clone(),
        tokens: config.tokens.clone(),
    }
}

fn replica_config(config: &NodeConfig, hello: Hello, seed: u64) -> Config {
    Config {
        node: hello.node,
        incarnation: hello.incarnation,
        origin: hello.origin,
        name: config.name.clone(),
        zone: config.zone.clone(),
        join: config.join.clone(),
        began_ms: wall_ms(),
        seed,
    }
}

fn options(config: &NodeConfig) -> Options {
    Options {
        retention: config.retention,
        totals: config.totals,
        journal_bytes_max: config.journal_bytes_max,
        ..Options::default()
    }
}

async fn open_store(disk: RealDisk, origin: Origin, options: Options) -> anyhow::Result<Opened> {
    let opened = tokio::task::spawn_blocking(move || Store::open(Arc::new(disk), origin, options));
    let opened = opened.await.context("the store")?.context("the journal cannot be read")?;
    let Replayed { frames, cut_bytes, rot } = &opened.replayed;
    tracing::info!(frames, points = opened.store.point_count(), "journal replayed");
    if *cut_bytes > 0 {
        tracing::warn!(cut_bytes, "a torn tail of the journal was cut: none of it had been promised");
    }
    for rot in rot {
        tracing::error!(segment = rot.position.segment, offset = rot.position.offset, len = rot.len,
            frame = ?rot.frame, "the journal has rotted here: the frame is asked of the other members");
    }
    Ok(opened)
}

/// Gossip as membership takes it: who sent it is told by the address.
fn gossip(mut arrivals: mpsc::Receiver<Arrival>) -> mpsc::Receiver<(SocketAddr, Bytes)> {
    let (gossip, taken) = mpsc::channel(BACKLOG);
    tokio::spawn(async move {
        while let Some(arrival) = arrivals.recv().await {
            // Gossip that nobody takes in time is stale: it is dropped.
            let delivered = gossip.try_send((arrival.address, arrival.message));
            if matches!(delivered, Err(mpsc::error::TrySendError::Closed(_))) {
                return;
            }
        }
    });
    taken
}

#[derive(Clone)]
struct Gossip(Mesh);

impl GossipLink for Gossip {
    fn send(&self, to: SocketAddr, message: Bytes) {
        // The mesh counts what it drops; the next round of gossip makes up for it.
        let _ = self.0.send(to, Class::Gossip, message);
    }
}
