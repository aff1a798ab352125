//! A node as the world sees it: a name, an address and a disk that stay, and a process that comes and goes. Each
//! start goes through the production code: data directory, journal, replica.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rand::Rng;
use rand::rngs::StdRng;
use shoal_merge::{Digest, Frontier, Mutant};
use shoal_model::{NodeId, Origin, Phase, Profile, Sighting};
use shoal_replication::{Config, Replica};
use shoal_store::{FrameId, Identity, MemoryDisk, Options, Store, SyncJob, directory};

use crate::fault::Tear;
use crate::mix::Mix;
use crate::world::HiddenRot;

/// Wall time at the world's beginning, in ms.
pub const EPOCH_MS: i64 = 1_700_000_000_000;

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
    /// What the last process left behind, as far as the disk must still have it.
    pub past: Option<Past>,
    /// Origins that had been let go of and came back from the journal at a start: they go again at any time.
    pub risen: BTreeSet<Origin>,
    /// The last snapshot of the disk.
    pub snapshot: Option<MemoryDisk>,
    /// Until when the process stands still.
    pub paused_until: Duration,
    /// Until when syncs take long.
    pub slow_until: Duration,
    /// How far its wall clock is off, in ms.
    pub clock_ms: i64,
    /// After how many operations of its disk the process is killed.
    pub doom: Option<u64>,
    /// Whether its disk may be full or fail to sync.
    pub has_trouble: bool,
    /// The node that ran here last.
    pub last_id: Option<NodeId>,
    /// Whether bits of its disk have flipped, found or not.
    pub is_rotten: bool,
    /// Whether the last process lacked something that it knew of when it ended.
    pub ended_lacking: bool,
    /// A bit that has flipped and that nobody knows of yet.
    pub hidden_rot: Option<HiddenRot>,
    /// Whether it has left for good.
    pub is_gone: bool,
    /// Whether it is about to leave.
    pub is_leaving: bool,
    /// Whether another process of the same node has taken over: the machine waits to be set up anew.
    pub is_superseded: bool,
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
    /// Its wall clock then, in ms.
    pub began_ms: i64,
    /// Who it is.
    pub identity: Identity,
    /// The name of its frames.
    pub origin: Origin,
    /// The sync that runs.
    pub sync: Option<Sync>,
    /// When its timer will ring.
    pub timer_at: Option<Duration>,
}

/// A sync that was asked for.
pub struct Sync {
    /// What is to be synced.
    pub job: SyncJob,
    /// What the disk said, once it has.
    pub result: Option<io::Result<()>>,
}

/// What a process held when it died.
#[derive(Clone, Debug)]
pub struct Past {
    /// What it had read and written.
    pub applied: Frontier,
    /// What was synced, by its own account.
    pub held: Frontier,
    /// What of that it still had to fetch.
    pub owed: Frontier,
    /// All its points from the horizon on; none while some of them cannot be read.
    pub digest: Option<Digest>,
    /// The horizon, which moves with the clock.
    pub horizon_ms: i64,
    /// Whether the unsynced rest survived, as it does when only the process dies.
    pub kept_cache: bool,
}

impl Node {
    /// An empty place; `number` makes name and address.
    pub fn new(number: usize) -> Self {
        Self {
            name: format!("n{number}"),
            address: ([10, 0, (number >> 8) as u8, number as u8], 7401).into(),
            disk: MemoryDisk::new(),
            disks_lost: 0,
            life: None,
            past: None,
            risen: BTreeSet::new(),
            snapshot: None,
            paused_until: Duration::ZERO,
            slow_until: Duration::ZERO,
            clock_ms: 0,
            doom: None,
            has_trouble: false,
            last_id: None,
            is_rotten: false,
            ended_lacking: false,
            hidden_rot: None,
            is_gone: false,
            is_leaving: false,
            is_superseded: false,
            lives: 0,
        }
    }

    /// The node's wall clock.
    pub fn wall_ms(&self, now: Duration, lapse: u32) -> i64 {
        wall_ms(now, lapse) + self.clock_ms
    }

    /// Begins a life. Returns what gossip may tell of it, and what the store found on the disk.
    pub fn start(
        &mut self,
        now: Duration,
        join: &str,
        mix: &Mix,
        rng: &mut StdRng,
    ) -> anyhow::Result<(Sighting, Past)> {
        let began_ms = self.wall_ms(now, mix.lapse);
        let identity = directory::begin_life(&self.disk, began_ms, rng).context("the data directory")?;
        let origin = Origin::random(rng);
        let origin = if Mutant::OriginReused.is_on() { Origin(identity.node.0) } else { origin };
        let mut opened =
            Store::open(Arc::new(self.disk.clone()), origin, options(mix)).context("the store")?;
        opened.store.move_horizon(began_ms);
        let found = Past::of(&opened.store);
        let config = Config {
            node: identity.node,
            incarnation: identity.incarnation,
            origin,
            name: self.name.clone(),
            zone: String::new(),
            join: if join.is_empty() { Vec::new() } else { vec![join.to_owned()] },
            began_ms,
            seed: rng.random(),
        };
        let replica = Replica::new(config, opened).context("the replica")?;
        self.lives += 1;
        let number = self.lives;
        self.paused_until = now;
        self.is_leaving = false;
        self.last_id = Some(identity.node);
        self.life = Some(Life {
            replica,
            number,
            began: now,
            began_ms,
            identity,
            origin,
            sync: None,
            timer_at: None,
        });
        Ok((self.sighting(identity, origin), found))
    }

    /// Takes note of origins that a start has found and the process before it did not name.
    pub fn note_risen(&mut self, left: &Past, found: &Past) {
        let risen = found.applied.iter().map(|(origin, _)| origin).filter(|o| left.applied.get(*o) == 0);
        self.risen.extend(risen);
    }

    /// Ends the process, if there is one.
    pub fn stop(&mut self) {
        if self.doom.take().is_some() {
            self.disk.end_trouble();
        }
        self.ended_lacking = self.lacks_something();
        if let Some(life) = self.life.take() {
            self.past = Some(Past::of(life.replica.store()));
        }
    }

    /// The machine loses power; the process must have ended.
    pub fn lose_power(&mut self, tear: Tear) {
        match tear {
            Tear::First(kept) => self.disk.lose_power(kept),
            Tear::Pages(seed) => self.disk.lose_power_by(seed),
        }
        if let Some(past) = &mut self.past {
            past.kept_cache = false;
        }
    }

    /// The disk is replaced by another; the process must have ended.
    pub fn replace_disk(&mut self, disk: MemoryDisk) {
        self.disk = disk;
        self.disks_lost += 1;
        self.past = None;
        self.risen.clear();
        self.snapshot = None;
        self.is_rotten = false;
        self.hidden_rot = None;
        self.has_trouble = false;
    }

    /// All that is wrong with the disk ends, but for rot.
    pub fn mend_disk(&mut self) {
        self.disk.set_bytes_max(None);
        self.disk.set_sync_fails(false);
        self.has_trouble = false;
    }

    /// Whether the process has met its doom: what it does from here on never happened.
    pub fn is_killed(&self) -> bool {
        self.life.is_some() && self.doom.is_some_and(|doom| self.disk.operations() > doom)
    }

    /// The store of the living process.
    pub fn store(&self) -> Option<&Store> {
        self.life.as_ref().map(|life| life.replica.store())
    }

    /// Whether the disk holds a frame, synced, by the account of the last process.
    pub fn holds(&self, frame: FrameId) -> bool {
        let held = match (&self.life, &self.past) {
            (Some(life), _) => life.replica.store().held_of(frame.origin),
            (None, Some(past)) => past.held.get(frame.origin),
            (None, None) => 0,
        };
        held >= frame.seq
    }

    /// The same where what a node in debt may still have to fetch does not count.
    pub fn surely_holds(&self, frame: FrameId) -> bool {
        let owed = match (&self.life, &self.past) {
            (Some(life), _) => life.replica.store().debt().is_some_and(|debt| debt.covers(frame)),
            (None, past) => past.as_ref().is_some_and(|past| past.owed.get(frame.origin) >= frame.seq),
        };
        self.holds(frame) && !owed
    }

    /// The store of the living process, if all that it names is there.
    pub fn whole_store(&self) -> Option<&Store> {
        self.store().filter(|store| {
            store.debt().is_none() && store.holes().next().is_none() && store.damage().is_empty()
        })
    }

    /// Whether the process lacks something that it knows of, or the last one did.
    pub fn lacks_something(&self) -> bool {
        if self.life.is_some() { self.whole_store().is_none() } else { self.ended_lacking }
    }

    /// Takes note if hidden rot has been found and made good.
    pub fn look_for_rot(&mut self) -> Option<HiddenRot> {
        let is_whole = self.whole_store().is_some();
        let found = self.hidden_rot.take_if(|rot| is_whole && !rot.is_on(&self.disk));
        self.is_rotten &= found.is_none();
        found
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

/// A clock that is right.
pub fn wall_ms(now: Duration, lapse: u32) -> i64 {
    EPOCH_MS + now.as_millis() as i64 * i64::from(lapse)
}

/// The stores of a mix.
pub fn options(mix: &Mix) -> Options {
    let points = mix.memtable_points;
    Options {
        scrub_round: mix.scrub_round,
        memtable_points: (points, points),
        retention: mix.retention,
        journal_bytes_max: mix.journal_bytes,
        ..Options::default()
    }
}

impl Past {
    fn of(store: &Store) -> Self {
        Self {
            applied: store.applied().clone(),
            held: store.held(),
            owed: store.debt().map(|debt| debt.frontier.clone()).unwrap_or_default(),
            digest: store.digest().ok(),
            horizon_ms: store.view().horizon_ms(),
            kept_cache: true,
        }
    }
}
