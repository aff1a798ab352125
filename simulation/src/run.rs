//! One seed from its first event to its verdict: a time of faults, a time without in which all must be well soon,
//! and at last a power loss of every machine, after which it must still be.

use std::sync::Arc;
use std::time::Duration;

use shoal_model::Origin;
use shoal_store::{MemoryDisk, Store};

use crate::invariants::{Invariant, Violation, acknowledged, answers, convergence, exact};
use crate::life;
use crate::mix::Mix;
use crate::oracle::contents;
use crate::world::{Figures, World};

/// How soon after the last fault everything must hold.
pub const CALM_MAX: Duration = Duration::from_secs(90);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// What is to be run.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The seed.
    pub seed: u64,
    /// How long faults strike.
    pub faults: Duration,
    /// How many nodes there are at the beginning; by itself the seed draws it.
    pub nodes: Option<usize>,
    /// A deliberate defect around the nodes, so that the checkers can be seen to fail.
    pub sabotage: Option<Sabotage>,
}

impl Options {
    /// Ten minutes of faults, nothing broken on purpose.
    pub fn new(seed: u64) -> Self {
        Self { seed, faults: Duration::from_secs(600), nodes: None, sabotage: None }
    }

    fn mix(&self) -> Mix {
        let mix = Mix::draw(self.seed);
        let nodes = self.nodes.unwrap_or(mix.nodes);
        Mix { nodes, sessions: mix.sessions - mix.nodes + nodes, ..mix }
    }
}

/// A defect of the world that no invariant may overlook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Syncs are reported as done and never run.
    SkippedSyncs,
    /// No frame ever reaches the first node.
    StarvedNode,
    /// A session gives different increments one identity.
    ReusedIdentity,
}

/// What came of a seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What it drew.
    pub mix: String,
    /// How many nodes there were in the end.
    pub nodes: usize,
    /// Virtual time in all.
    pub time: Duration,
    /// How long after the last fault all was well; `None` if not in time.
    pub calmed_after: Option<Duration>,
    /// What happened, in numbers.
    pub figures: Figures,
    /// Events in the trace.
    pub events: u64,
    /// Points that the first node holds.
    pub points: u64,
    /// A digest of them.
    pub digest: u128,
    /// The hash of the whole trace.
    pub trace: u128,
    /// What must never be, in order of time.
    pub violations: Vec<Violation>,
    /// The last faults, lives and violations, a line each.
    pub story: Vec<String>,
}

/// Runs a seed.
pub fn run(options: &Options) -> Outcome {
    let mut world = World::new(options.seed, options.mix(), options.sabotage);
    world.run_until(options.faults);
    let calmed_after = conclude(&mut world);
    outcome(options.seed, world, calmed_after)
}

/// Ends the faults and checks all that must hold then.
pub fn conclude(world: &mut World) -> Option<Duration> {
    world.calm();
    let calmed_after = settle(world);
    check_stores(world);
    check_disks(world);
    calmed_after
}

/// Waits until all sessions are done and all nodes agree.
fn settle(world: &mut World) -> Option<Duration> {
    let began = world.now;
    loop {
        world.nodes.iter_mut().for_each(|node| drop(node.look_for_rot()));
        let done =
            if world.workload.is_done() { Ok(()) } else { Err("a session was not answered".to_owned()) };
        let state = done.and_then(|()| convergence::check(&world.nodes));
        let Err(what) = state else { return Some(world.now - began) };
        if world.now >= began + CALM_MAX {
            let what = convergence::check(&world.nodes).err().unwrap_or(what);
            let states: Vec<_> = world.nodes.iter().map(convergence::describe).collect();
            states.iter().for_each(|state| world.trace.tell(world.now, state));
            world.judge(Invariant::Convergence, Err(format!("{what}, {CALM_MAX:?} after the last fault")));
            return None;
        }
        world.run_until(world.now + LOOK);
    }
}

/// What the living hold is what was promised and counted, and they answer alike.
fn check_stores(world: &mut World) {
    let mut first = None;
    for node in 0..world.nodes.len() {
        let Some(store) = world.nodes[node].store() else { continue };
        let (name, held, view) = (world.nodes[node].name.clone(), contents(store), store.view());
        let kept = acknowledged::check(&world.oracle, &name, &view, &held);
        let exact =
            exact::check(&world.oracle, &world.workload, &view, &held).map_err(|e| format!("{name}: {e}"));
        world.judge(Invariant::Acknowledged, kept);
        world.judge(Invariant::Exact, exact);
        let answer = answers::answer(&view, view.horizon_ms()..=answers::EVER);
        let equal = answer.and_then(|answer| {
            let (one, known) = first.get_or_insert_with(|| (name.clone(), answer.clone()));
            answers::check((one, known), (&name, &answer))
        });
        world.judge(Invariant::Answers, equal);
    }
}

/// What the disks hold after they all lost power is still what was promised.
fn check_disks(world: &mut World) {
    for node in 0..world.nodes.len() {
        if world.nodes[node].is_gone {
            continue;
        }
        let (name, disk) = (world.nodes[node].name.clone(), world.nodes[node].disk.clone());
        let name = format!("{name}, after a last loss of power,");
        let now_ms = world.nodes[node].wall_ms(world.now, world.mix.lapse);
        let kept = after_power_loss(&disk, &world.mix, now_ms)
            .and_then(|store| acknowledged::check(&world.oracle, &name, &store.view(), &contents(&store)));
        world.judge(Invariant::Acknowledged, kept);
    }
}

/// What a disk holds that has lost power, as a process that begins at this time reads it.
fn after_power_loss(disk: &MemoryDisk, mix: &Mix, now_ms: i64) -> Result<Store, String> {
    disk.lose_power(0);
    let opened = Store::open(Arc::new(disk.clone()), Origin::default(), life::options(mix));
    let mut store = opened.map_err(|error| format!("a disk cannot be opened: {error}"))?.store;
    store.move_horizon(now_ms);
    Ok(store)
}

fn outcome(seed: u64, mut world: World, calmed_after: Option<Duration>) -> Outcome {
    world.figures.void = world.oracle.promises().iter().filter(|promise| promise.is_void).count() as u64;
    world.figures.laid_aside = world.workload.laid_aside;
    world.figures.reborn = world.workload.reborn;
    let first = world.nodes.iter().find_map(|node| node.store());
    let digest = |store: &Store| store.digest().map_or(0, |digest| digest.0);
    let (points, digest) = first.map_or((0, 0), |store| (store.point_count(), digest(store)));
    world.trace.note(world.now, "end", 0, &digest.to_le_bytes());
    Outcome {
        seed,
        mix: format!("{:?}", world.mix),
        nodes: world.nodes.len(),
        time: world.now,
        calmed_after,
        figures: world.figures,
        events: world.trace.events(),
        points,
        digest,
        trace: world.trace.hash(),
        violations: world.violations,
        story: world.trace.into_story(),
    }
}
