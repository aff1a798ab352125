//! A node as the world sees it: a name, an address and a disk that stay, and a process that comes and goes. Each
//! start goes through the production code: data directory, journal, replica.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rand::Rng;
use rand::rngs::StdRng;
use shoal_merge::{Digest, Frontier};
use shoal_model::{Origin, Phase, Profile, Sighting};
use shoal_replication::{Config, Replica};
use shoal_store::{Identity, MemoryDisk, Options, Store, SyncJob, directory};

/// A place in the cluster.
pub struct Node {
    /// The label that operators give it.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// The disk, which outlives the process.
    pub disk: MemoryDisk,
    /// How many disks it had before this one.
    pub disks_lost: u32,
    /// The process, while it lives.
    pub life: Option<Life>,
    /// What the last process left behind.
    pub past: Option<Past>,
    /// Until when the process stands still.
    pub paused_until: Duration,
    /// Until when syncs take long.
    pub slow_until: Duration,
    lives: u64,
}

/// A process.
pub struct Life {
    /// The state machine.
    pub replica: Replica,
    /// Which process of the place this is: what was meant for an earlier one is void.
    pub number: u64,
    /// When it began; its clock counts from here.
    pub began: Duration,
    /// Who it is.
    pub identity: Identity,
    /// The sync that runs.
    pub sync: Option<SyncJob>,
    /// When its timer will ring.
    pub timer_at: Option<Duration>,
}

/// What a process held when it died.
#[derive(Clone, Debug)]
pub struct Past {
    /// What it had read and written.
    pub applied: Frontier,
    /// What was synced, by its own account.
    pub held: Frontier,
    /// All its points.
    pub digest: Digest,
    /// Whether the unsynced rest survived, as it does when only the process dies.
    pub kept_cache: bool,
}

impl Node {
    /// An empty place; `number` makes name and address.
    pub fn new(number: usize) -> Self {
        Self {
            name: format!("n{number}"),
            address: ([10, 0, 0, number as u8 + 1], 7401).into(),
            disk: MemoryDisk::new(),
            disks_lost: 0,
            life: None,
            past: None,
            paused_until: Duration::ZERO,
            slow_until: Duration::ZERO,
            lives: 0,
        }
    }

    /// Begins a life. Returns what gossip may tell of it, and what the store found on the disk.
    pub fn start(&mut self, now: Duration, join: &str, rng: &mut StdRng) -> anyhow::Result<(Sighting, Past)> {
        let identity = directory::begin_life(&self.disk, 0, rng).context("the data directory")?;
        let origin = Origin::random(rng);
        let opened = Store::open(Arc::new(self.disk.clone()), origin, options()).context("the store")?;
        let found = Past::of(&opened.store);
        let config = Config {
            node: identity.node,
            incarnation: identity.incarnation,
            origin,
            name: self.name.clone(),
            zone: String::new(),
            join: if join.is_empty() { Vec::new() } else { vec![join.to_owned()] },
            began_ms: 0,
            seed: rng.random(),
        };
        let replica = Replica::new(config, opened).context("the replica")?;
        self.lives += 1;
        let number = self.lives;
        self.paused_until = now;
        self.life = Some(Life { replica, number, began: now, identity, sync: None, timer_at: None });
        Ok((self.sighting(identity, origin), found))
    }

    /// Ends the process, if there is one.
    pub fn stop(&mut self) {
        if let Some(life) = self.life.take() {
            self.past = Some(Past::of(life.replica.store()));
        }
    }

    /// The machine loses power; the process must have ended.
    pub fn lose_power(&mut self, kept: usize) {
        self.disk.lose_power(kept);
        if let Some(past) = &mut self.past {
            past.kept_cache = false;
        }
    }

    /// The disk is replaced by an empty one; the process must have ended.
    pub fn wipe(&mut self) {
        self.disk = MemoryDisk::new();
        self.disks_lost += 1;
        self.past = None;
    }

    /// The store of the living process.
    pub fn store(&self) -> Option<&Store> {
        self.life.as_ref().map(|life| life.replica.store())
    }

    /// How far an origin's frames are synced on the disk, by the account of the last process.
    pub fn held_of(&self, origin: Origin) -> u64 {
        match (&self.life, &self.past) {
            (Some(life), _) => life.replica.store().held_of(origin),
            (None, Some(past)) => past.held.get(origin),
            (None, None) => 0,
        }
    }

    fn sighting(&self, identity: Identity, origin: Origin) -> Sighting {
        let profile = Profile {
            node: identity.node,
            incarnation: identity.incarnation,
            origin,
            name: self.name.clone(),
            zone: String::new(),
            version: String::new(),
            client: self.address,
            peer: self.address,
            phase: Phase::Ready,
        };
        Sighting { profile, alive: true }
    }
}

/// Small memtables, so that flushes and merges happen; nothing expires.
pub fn options() -> Options {
    let century = Duration::from_secs(100 * 365 * 86_400);
    Options { memtable_points: (64, 64), retention: century, ..Options::default() }
}

/// The digest of all that a store shows.
pub fn digest(store: &Store) -> Digest {
    store.digest().expect("no disk rots here")
}

impl Past {
    fn of(store: &Store) -> Self {
        Self { applied: store.applied().clone(), held: store.held(), digest: digest(store), kept_cache: true }
    }
}
