//! The world: one clock, one schedule, the nodes, and all that happens to them. It does what the driver of a real
//! node does, and what the network and the disks do to it, at times drawn from the seed.

mod drive;
mod strike;

use std::time::Duration;

use bytes::Bytes;
use rand::Rng;
use rand::rngs::StdRng;
use shoal_model::NodeId;

use crate::disk_loss::DiskLosses;
use crate::fault::{Faults, NODES_MAX};
use crate::invariants::backlog::Backlog;
use crate::invariants::{Invariant, Violation, replay};
use crate::life::Node;
use crate::link::{Links, Weather};
use crate::oracle::Oracle;
use crate::run::{Options, Sabotage};
use crate::schedule::Schedule;
use crate::seed::generator;
use crate::trace::Trace;
use crate::views::Views;
use crate::workload::{Door, Workload};

/// Violations that are kept of one run.
const VIOLATIONS_MAX: usize = 20;
/// When the first fault may strike: the cluster has formed.
const FIRST_FAULT: Duration = Duration::from_secs(3);

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
    /// A process begins.
    Start { node: usize },
    /// The weather becomes fair again.
    Fair,
    /// A fault strikes.
    Fault,
}

/// What happened, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    /// Acknowledged writes whose only copy went with a lost disk.
    pub void: u64,
    /// Faults that struck.
    pub faults: u64,
    /// Processes begun.
    pub lives: u64,
    /// Power losses of one machine.
    pub power_losses: u64,
    /// Disks replaced by empty ones.
    pub wipes: u64,
}

/// Everything there is.
pub struct World {
    pub(crate) now: Duration,
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
    backlogs: Vec<Backlog>,
    is_calm: bool,
    rng: StdRng,
}

impl World {
    /// Three to five nodes that are about to start, and twice as many sessions.
    pub fn new(options: &Options) -> Self {
        let Options { seed, sabotage, .. } = *options;
        let mut rng = generator(seed, "world");
        let count = rng.random_range(3..=NODES_MAX);
        let reuses_identity = sabotage == Some(Sabotage::ReusedIdentity);
        let mut world = Self {
            now: Duration::ZERO,
            nodes: (0..count).map(Node::new).collect(),
            workload: Workload::new(seed, 2 * count, count, reuses_identity),
            oracle: Oracle::default(),
            figures: Figures::default(),
            trace: Trace::default(),
            violations: Vec::new(),
            sabotage,
            schedule: Schedule::new(),
            links: Links::new(generator(seed, "links")),
            views: Views::new(generator(seed, "views")),
            faults: Faults::new(generator(seed, "faults"), count),
            disk_losses: DiskLosses::default(),
            backlogs: vec![Backlog::default(); count],
            is_calm: false,
            rng,
        };
        world.links.starved = (sabotage == Some(Sabotage::StarvedNode)).then_some(0);
        world.plan_the_beginning();
        world
    }

    fn plan_the_beginning(&mut self) {
        for node in 0..self.nodes.len() {
            let at = self.rng.random_range(Duration::ZERO..Duration::from_millis(500));
            self.schedule.push(at, Event::Start { node });
        }
        for session in 0..self.workload.session_count() {
            let at = self.rng.random_range(Duration::ZERO..Duration::from_millis(1_000));
            self.schedule.push(at, Event::Session { session });
        }
        self.schedule.push(FIRST_FAULT, Event::Fault);
    }

    /// Lets time pass.
    pub fn run_until(&mut self, end: Duration) {
        while let Some((at, event)) = self.schedule.pop_until(end) {
            self.now = at;
            self.happen(event);
        }
        self.now = end;
    }

    /// Ends all faults: links are mended, views are true, disks are quick, every node comes back, and sessions
    /// report what is left.
    pub fn calm(&mut self) {
        self.trace.tell(self.now, "all faults end");
        self.is_calm = true;
        self.links.mend();
        self.links.weather = Weather::default();
        self.views.is_bad = false;
        self.workload.end();
        for node in 0..self.nodes.len() {
            self.nodes[node].slow_until = self.now;
            self.nodes[node].paused_until = self.now;
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
            Event::Start { node } => self.start(node),
            Event::Fair => self.links.weather = Weather::default(),
            Event::Fault => self.strike_next(),
        }
    }

    /// Until when the process that an event is for stands still, if it does.
    fn stands_still(&self, event: &Event) -> Option<Duration> {
        let node = match event {
            Event::Message { node, .. }
            | Event::Timer { node, .. }
            | Event::SyncEnd { node, .. }
            | Event::View { node, .. } => *node,
            // A paused process does not keep its disk from writing.
            Event::SyncRun { .. }
            | Event::Session { .. }
            | Event::Start { .. }
            | Event::Fair
            | Event::Fault => return None,
        };
        let until = self.nodes[node].paused_until;
        (self.now < until).then_some(until)
    }

    fn start(&mut self, node: usize) {
        if self.nodes[node].life.is_some() {
            return;
        }
        // The first node begins the cluster; on a new disk it has one to join like all others.
        let is_founder = node == 0 && self.nodes[node].disks_lost == 0;
        let join = if is_founder { "" } else { "n0,n1" };
        let left = self.nodes[node].past.clone();
        let name = self.nodes[node].name.clone();
        match self.nodes[node].start(self.now, join, &mut self.rng) {
            Ok((sighting, found)) => {
                let profile = &sighting.profile;
                let line = format!("{name} starts as {} in life {}", profile.node, profile.incarnation.0);
                self.trace.tell(self.now, &line);
                self.figures.lives += 1;
                self.judge(
                    Invariant::Replay,
                    replay::check(left.as_ref(), &found).map_err(|e| format!("{name}: {e}")),
                );
                self.views.begin(node, sighting);
                let life = self.life_number(node);
                self.schedule.push(self.now, Event::View { node, life });
                self.carry_out(node);
            }
            Err(error) => self.judge(Invariant::Replay, Err(format!("{name} does not start: {error:#}"))),
        }
    }

    fn show_view(&mut self, node: usize, life: u64) {
        if self.life_number(node) != life {
            return;
        }
        let Some(identity) = self.nodes[node].life.as_ref().map(|life| life.identity) else { return };
        let view = self.views.look(node, identity.node);
        self.act(node, |replica, now| replica.handle_view(now, &view));
        let pause = self.views.pause();
        self.schedule.push(self.now + pause, Event::View { node, life });
    }

    fn strike_next(&mut self) {
        if self.is_calm {
            return;
        }
        let (fault, spell) = self.faults.draw();
        self.strike(fault, spell);
        let pause = self.faults.pause();
        self.schedule.push(self.now + pause, Event::Fault);
    }

    fn run_session(&mut self, session: usize) {
        let doors: Vec<Option<Door>> = self.nodes.iter().map(|node| node.door(self.now)).collect();
        let (request, pause) = self.workload.tick(session, self.now, &doors);
        if let Some(request) = request {
            self.write(session, &request);
        }
        self.schedule.push(self.now + pause, Event::Session { session });
    }

    /// Number of the living process of a place; 0 while there is none.
    fn life_number(&self, node: usize) -> u64 {
        self.nodes[node].life.as_ref().map_or(0, |life| life.number)
    }
}

impl Node {
    fn door(&self, now: Duration) -> Option<Door> {
        self.life.as_ref().map(|life| Door { life: life.number, is_open: self.paused_until <= now })
    }
}
