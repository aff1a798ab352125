//! The world: one clock, one schedule, the nodes, and all that happens to them. It does what the driver of a real
//! node does, and what the network, the disks and the operators do to it, at times drawn from the seed.

mod disks;
mod drive;
mod places;
mod read;
mod rotting;
mod strike;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use rand::Rng;
use rand::rngs::StdRng;
use shoal_model::NodeId;
use shoal_store::FrameId;

use crate::disk_loss::DiskLosses;
use crate::fault::{Faults, Kind};
use crate::invariants::backlog::Backlog;
use crate::invariants::complete::Diary;
use crate::invariants::monotone::Reader;
use crate::invariants::{Invariant, Violation, replay};
use crate::life::Node;
use crate::link::{Links, Weather};
use crate::mix::Mix;
use crate::oracle::Oracle;
use crate::run::Sabotage;
use crate::schedule::Schedule;
use crate::seed::generator;
use crate::trace::Trace;
use crate::views::Views;
use crate::workload::{Door, Workload};

pub use rotting::HiddenRot;

/// Violations that are kept of one run.
const VIOLATIONS_MAX: usize = 20;
/// When the first fault may strike: the cluster has formed.
const FIRST_FAULT: Duration = Duration::from_secs(3);
/// How soon a start that the disk refused is tried again.
const START_AGAIN: Duration = Duration::from_millis(700);
/// Those who read the counter.
const READERS: usize = 3;

/// Something that happens at a time. `life` names the process that it is meant for.
enum Event {
    /// A message arrives at a place.
    Message { node: usize, from: NodeId, message: Bytes },
    /// A replica's timer rings.
    Timer { node: usize, life: u64 },
    /// A sync reaches the disk.
    SyncRun { node: usize, life: u64 },
    /// A sync is reported.
    SyncEnd { node: usize, life: u64 },
    /// Gossip has a new view.
    View { node: usize, life: u64 },
    /// A session looks at its report.
    Session { session: usize },
    /// Somebody reads.
    Read { reader: usize },
    /// A process begins.
    Start { node: usize },
    /// A process that takes no more writes is started again.
    Restart { node: usize, life: u64 },
    /// A machine whose disk was copied is set up anew.
    Rebuild { node: usize },
    /// A machine that is down is given up by another.
    GiveUp { node: usize },
    /// A disk has room again and syncs.
    MendDisk { node: usize },
    /// The weather becomes fair again.
    Fair,
    /// A fault strikes.
    Fault,
}

/// What happened, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Messages sent.
    pub messages: u64,
    /// Messages lost on the way.
    pub lost: u64,
    /// Writes sent to nodes, again and again where need be.
    pub writes: u64,
    /// Writes that a node did not take.
    pub refused: u64,
    /// Writes acknowledged.
    pub acknowledged: u64,
    /// Acknowledged writes whose only copy went with a harmed disk.
    pub void: u64,
    /// Reports laid aside and brought in later.
    pub laid_aside: u64,
    /// Sessions that began anew under another writer.
    pub reborn: u64,
    /// Reads.
    pub reads: u64,
    /// Reads of what was written, by token.
    pub tokens: u64,
    /// Words of a node on how far it is complete.
    pub complete: u64,
    /// Processes begun.
    pub lives: u64,
    /// Frames found rotten at a start.
    pub holes: u64,
    /// Frames given up because nobody has them.
    pub voided: u64,
    /// Journals that failed.
    pub journals_failed: u64,
    /// Repairs begun, of gaps that no journal fills any more and of damage.
    pub repairs: u64,
    /// Repairs that came to their end.
    pub repaired: u64,
    /// Processes that stopped because of a later life of their node.
    pub superseded: u64,
    /// Flushes, merges and the like.
    pub jobs: u64,
    /// Faults that struck, by kind.
    pub faults: BTreeMap<Kind, u64>,
}

/// Everything there is.
pub struct World {
    pub(crate) now: Duration,
    pub(crate) mix: Mix,
    pub(crate) nodes: Vec<Node>,
    pub(crate) workload: Workload,
    pub(crate) oracle: Oracle,
    pub(crate) figures: Figures,
    pub(crate) trace: Trace,
    pub(crate) violations: Vec<Violation>,
    sabotage: Option<Sabotage>,
    schedule: Schedule<Event>,
    links: Links,
    views: Views,
    faults: Faults,
    disk_losses: DiskLosses,
    /// The greatest number that the history had at a node.
    history: u64,
    /// Frames that were given up, though a node that is away may have them.
    given_up: BTreeSet<FrameId>,
    backlogs: Vec<Backlog>,
    diary: Diary,
    readers: Vec<Reader>,
    is_calm: bool,
    rng: StdRng,
}

impl World {
    /// The nodes and sessions of a mix, about to start.
    pub fn new(seed: u64, mix: Mix, sabotage: Option<Sabotage>) -> Self {
        let count = mix.nodes;
        let weather = Weather { loss: mix.loss, ..Weather::default() };
        let mut world = Self {
            now: Duration::ZERO,
            nodes: (0..count).map(Node::new).collect(),
            workload: Workload::new(seed, &mix, sabotage == Some(Sabotage::ReusedIdentity)),
            oracle: Oracle::default(),
            figures: Figures::default(),
            trace: Trace::default(),
            violations: Vec::new(),
            sabotage,
            schedule: Schedule::new(),
            links: Links::new(generator(seed, "links"), weather),
            views: Views::new(generator(seed, "views"), mix.has_bad_views),
            faults: Faults::new(generator(seed, "faults"), &mix),
            disk_losses: DiskLosses::default(),
            history: 0,
            given_up: BTreeSet::new(),
            backlogs: vec![Backlog::default(); count],
            diary: Diary::default(),
            readers: vec![Reader::default(); READERS],
            is_calm: false,
            rng: generator(seed, "world"),
            mix,
        };
        world.links.starved = (sabotage == Some(Sabotage::StarvedNode)).then_some(0);
        world.plan_the_beginning();
        world
    }

    fn plan_the_beginning(&mut self) {
        for node in 0..self.nodes.len() {
            let at = self.soon(500);
            self.schedule.push(at, Event::Start { node });
        }
        for session in 0..self.workload.session_count() {
            let at = self.soon(1_000);
            self.schedule.push(at, Event::Session { session });
        }
        for reader in 0..READERS {
            self.schedule.push(FIRST_FAULT, Event::Read { reader });
        }
        if !self.mix.weights.is_empty() {
            self.schedule.push(FIRST_FAULT, Event::Fault);
        }
    }

    /// Lets time pass.
    pub fn run_until(&mut self, end: Duration) {
        while let Some((at, event)) = self.schedule.pop_until(end) {
            self.now = at;
            self.happen(event);
        }
        self.now = end;
    }

    /// Ends all faults: links are mended, views and clocks are true, disks are well and quick, every node comes
    /// back, and sessions report what is left.
    pub fn calm(&mut self) {
        self.trace.tell(self.now, "all faults end");
        self.is_calm = true;
        self.links.mend();
        self.links.weather = Weather::default();
        self.views.clear_up();
        self.workload.end();
        for node in 0..self.nodes.len() {
            self.nodes[node].slow_until = self.now;
            self.nodes[node].paused_until = self.now;
            self.nodes[node].clock_ms = 0;
            self.nodes[node].mend_disk();
            self.start(node);
        }
    }

    /// Keeps what must never be.
    pub(crate) fn judge(&mut self, invariant: Invariant, result: Result<(), String>) {
        let Err(what) = result else { return };
        let violation = Violation { invariant, at: self.now, what };
        self.trace.tell(self.now, &format!("VIOLATION: {violation}"));
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(violation);
        }
    }

    fn happen(&mut self, event: Event) {
        if let Some(until) = self.stands_still(&event) {
            return self.schedule.push(until, event);
        }
        match event {
            Event::Message { node, from, message } => {
                self.trace.note(self.now, "message", node, &message);
                self.act(node, |replica, now| replica.handle_message(now, from, &message));
            }
            Event::Timer { node, life } => self.ring(node, life),
            Event::SyncRun { node, life } => self.run_sync(node, life),
            Event::SyncEnd { node, life } => self.end_sync(node, life),
            Event::View { node, life } => self.show_view(node, life),
            Event::Session { session } => self.run_session(session),
            Event::Read { reader } => self.read(reader),
            Event::Start { node } => self.start(node),
            Event::Restart { node, life } => self.restart(node, life),
            Event::Rebuild { node } => self.rebuild(node),
            Event::GiveUp { node } => self.give_up(node),
            Event::MendDisk { node } => self.nodes[node].mend_disk(),
            Event::Fair => self.links.weather = Weather { loss: self.mix.loss, ..Weather::default() },
            Event::Fault => self.strike_next(),
        }
    }

    /// Until when the process that an event is for stands still, if it does. A paused process does not keep its
    /// disk from writing.
    fn stands_still(&self, event: &Event) -> Option<Duration> {
        let (Event::Message { node, .. }
        | Event::Timer { node, .. }
        | Event::SyncEnd { node, .. }
        | Event::View { node, .. }) = event
        else {
            return None;
        };
        let until = self.nodes[*node].paused_until;
        (self.now < until).then_some(until)
    }

    fn start(&mut self, node: usize) {
        let one = &self.nodes[node];
        if one.life.is_some() || one.is_gone || one.is_superseded {
            return;
        }
        // The first node begins the cluster; on a new disk it has one to join like all others.
        let is_founder = node == 0 && self.nodes[node].disks_lost == 0;
        let join = if is_founder { "" } else { "n0,n1" };
        let left = self.nodes[node].past.clone().filter(|_| !self.nodes[node].is_rotten);
        let name = self.nodes[node].name.clone();
        match self.nodes[node].start(self.now, join, &self.mix, &mut self.rng) {
            Ok((sighting, found)) => {
                let profile = &sighting.profile;
                let (id, life, origin) = (profile.node, profile.incarnation.0, profile.origin);
                let line = format!("{name} starts as {id} in life {life}, its frames under {origin}");
                self.trace.tell(self.now, &line);
                self.figures.lives += 1;
                self.figures.holes +=
                    self.nodes[node].store().map_or(0, |store| store.holes().count() as u64);
                let result = replay::check(left.as_ref(), &found, &self.nodes[node].risen);
                self.judge(Invariant::Replay, result.map_err(|e| format!("{name}: {e}")));
                left.iter().for_each(|left| self.nodes[node].note_risen(left, &found));
                self.views.begin(node, sighting);
                let life = self.life_number(node);
                self.schedule.push(self.now, Event::View { node, life });
                self.carry_out(node);
            }
            // A file of which nothing may be skipped has rotted: the operator sees it, and replaces the disk.
            Err(error) if self.nodes[node].hidden_rot.is_some() => {
                self.trace.tell(self.now, &format!("{name} does not start: {error:#}"));
                self.replace_disk(node, shoal_store::MemoryDisk::new(), START_AGAIN);
            }
            // A disk that is full or fails may keep a process from starting, but only while it is.
            Err(_) if self.nodes[node].has_trouble => {
                self.schedule.push(self.now + START_AGAIN, Event::Start { node });
            }
            Err(error) => self.judge(Invariant::Replay, Err(format!("{name} does not start: {error:#}"))),
        }
    }

    fn show_view(&mut self, node: usize, life: u64) {
        if self.life_number(node) != life {
            return;
        }
        let Some(identity) = self.nodes[node].life.as_ref().map(|life| life.identity) else { return };
        let view = self.views.look(self.now, node, identity.node);
        self.act(node, |replica, now| replica.handle_view(now, &view));
        let pause = self.views.pause();
        self.schedule.push(self.now + pause, Event::View { node, life });
    }

    fn run_session(&mut self, session: usize) {
        let doors: Vec<Option<Door>> = self.nodes.iter().map(|node| node.door(self.now)).collect();
        let (request, pause) = self.workload.tick(session, self.now, &doors);
        if let Some(request) = request {
            self.write(session, &request);
        }
        self.schedule.push(self.now + pause, Event::Session { session });
    }

    /// A time within so many ms from now.
    fn soon(&mut self, ms: u64) -> Duration {
        self.now + Duration::from_micros(self.rng.random_range(0..ms * 1_000))
    }

    /// Number of the living process of a place; 0 while there is none.
    fn life_number(&self, node: usize) -> u64 {
        self.nodes[node].life.as_ref().map_or(0, |life| life.number)
    }
}

impl Node {
    fn door(&self, now: Duration) -> Option<Door> {
        let is_open = self.paused_until <= now && !self.is_leaving;
        self.life.as_ref().map(|life| Door { life: life.number, is_open })
    }
}
