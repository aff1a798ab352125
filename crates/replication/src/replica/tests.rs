//! Whole clusters of replicas in one thread: every message passes through the codec, syncs run at once, links
//! can be cut, disks lose power.

mod faults;

use std::collections::BTreeSet;
use std::sync::Arc;

use shoal_model::{Kind, Labels, Phase, Point, Profile, Sighting, Stream, StreamPoints, Writer};
use shoal_store::{Chunk, Frame, FrameId, MemoryDisk, Options};

use super::*;
use crate::limits::{CATCH_UP, FORGET_AFTER};
use crate::member::Status;

mod debts;
mod lost;

const STEP: Duration = Duration::from_millis(10);

struct Node {
    replica: Replica,
    disk: MemoryDisk,
    life: u64,
    events: Vec<Event>,
}

struct World {
    options: Options,
    now: Duration,
    nodes: BTreeMap<NodeId, Node>,
    cut: BTreeSet<(NodeId, NodeId)>,
    down: BTreeSet<NodeId>,
}

/// Small memtables, so that flushes and merges happen.
fn options() -> Options {
    let century = Duration::from_secs(100 * 365 * 86_400);
    Options { memtable_points: (50, 50), retention: century, ..Options::default() }
}

fn id(n: u8) -> NodeId {
    NodeId([n; 16])
}

fn origin(n: u8, life: u64) -> Origin {
    let mut bytes = [n; 16];
    bytes[15] = life as u8;
    Origin(bytes)
}

fn config(n: u8, life: u64, join: &[u8]) -> Config {
    Config {
        node: id(n),
        incarnation: Incarnation(life),
        origin: origin(n, life),
        name: format!("n{n}"),
        zone: String::new(),
        join: join.iter().map(|n| format!("n{n}")).collect(),
        began_ms: 0,
        seed: u64::from(n),
    }
}

fn batch(writer: u8, time: i64, value: f64) -> Batch {
    let labels = Labels::new([("__name__", "requests_total")]).unwrap();
    let stream = Stream { labels, writer: Writer([writer; 16]), kind: Kind::Counter };
    Batch { streams: vec![StreamPoints { stream, points: vec![Point::new(time, value)] }] }
}

impl Default for World {
    fn default() -> Self {
        let (nodes, cut, down) = Default::default();
        Self { options: options(), now: Duration::ZERO, nodes, cut, down }
    }
}

impl World {
    /// Three nodes: the first begins alone, the others join it.
    fn of_three() -> Self {
        Self::of_three_with(options())
    }

    fn of_three_with(options: Options) -> Self {
        let mut world = Self { options, ..Self::default() };
        world.start(1, 1, &[], MemoryDisk::new());
        world.start(2, 1, &[1], MemoryDisk::new());
        world.start(3, 1, &[1], MemoryDisk::new());
        world.run_until("all are ready", |world| {
            world.nodes.values().all(|node| node.replica.readiness() == Readiness::Ready)
        });
        world.run_until("all see all", |world| {
            world.nodes.values().all(|node| node.replica.members().joined().count() == world.nodes.len())
        });
        world
    }

    fn start(&mut self, n: u8, life: u64, join: &[u8], disk: MemoryDisk) {
        let config = config(n, life, join);
        let opened = Store::open(Arc::new(disk.clone()), config.origin, self.options).unwrap();
        let mut replica = Replica::new(config, opened).unwrap();
        // Each node's clock begins anew; here all share one, which is as good.
        replica.next_beat = self.now;
        replica.next_compare = self.now;
        replica.next_probe = self.now;
        self.down.remove(&id(n));
        self.nodes.insert(id(n), Node { replica, disk, life, events: Vec::new() });
    }

    fn node(&mut self, n: u8) -> &mut Node {
        self.nodes.get_mut(&id(n)).unwrap()
    }

    fn replica(&mut self, n: u8) -> &mut Replica {
        &mut self.node(n).replica
    }

    fn view(&self) -> View {
        let mut view = View::default();
        for (index, (node, it)) in self.nodes.iter().enumerate() {
            let address = ([127, 0, 0, 1], 1000 + index as u16).into();
            let profile = Profile {
                node: *node,
                incarnation: Incarnation(it.life),
                origin: origin(node.0[0], it.life),
                name: String::new(),
                zone: String::new(),
                version: String::new(),
                client: address,
                peer: address,
                phase: Phase::Ready,
            };
            view.observe(Sighting { profile, alive: !self.down.contains(node) });
        }
        view
    }

    fn step(&mut self) {
        self.now += STEP;
        let (now, view) = (self.now, self.view());
        let mut messages = Vec::new();
        for (from, node) in &mut self.nodes {
            if self.down.contains(from) {
                continue;
            }
            node.replica.handle_view(now, &view);
            if node.replica.poll_timeout(now) <= now {
                node.replica.handle_timer(now);
            }
            node.pump(now);
            messages.extend(
                std::iter::from_fn(|| node.replica.poll_transmit()).map(|transmit| (*from, transmit)),
            );
        }
        for (from, Transmit { to, message, .. }) in messages {
            if !self.cut.contains(&(from, to))
                && !self.down.contains(&to)
                && let Some(node) = self.nodes.get_mut(&to)
            {
                node.replica.handle_message(now, from, &message);
                node.pump(now);
            }
        }
    }

    fn run_until(&mut self, what: &str, done: impl Fn(&World) -> bool) {
        let deadline = self.now + Duration::from_secs(60);
        while !done(self) {
            assert!(self.now < deadline, "never happened: {what}");
            self.step();
        }
    }

    fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
        }
    }

    fn write(&mut self, n: u8, batch: &Batch, acks: Acks) -> Ticket {
        let now = self.now;
        self.replica(n).submit(now, batch, acks).unwrap()
    }

    fn answer(&mut self, n: u8, ticket: Ticket) -> Result<Receipt, TooFewCopies> {
        let found = |world: &World| {
            world.nodes[&id(n)].events.iter().find_map(|event| match event {
                Event::Written { ticket: t, result } if *t == ticket => Some(*result),
                _ => None,
            })
        };
        self.run_until("the write is answered", |world| found(world).is_some());
        found(self).unwrap()
    }

    fn agree(&self) -> bool {
        let up = || {
            self.nodes
                .iter()
                .filter(|(node, _)| !self.down.contains(node))
                .map(|(_, node)| node.replica.store())
        };
        // One who cannot read all of it agrees with nobody.
        let state = |store: &Store| Some((store.answer_hash(), store.digest().ok()?));
        let first = up().next().and_then(state);
        first.is_some() && up().all(|store| state(store) == first)
    }

    fn cut_both(&mut self, a: u8, b: u8) {
        self.cut.extend([(id(a), id(b)), (id(b), id(a))]);
    }
}

impl Node {
    fn pump(&mut self, now: Duration) {
        while let Some(job) = self.replica.poll_sync() {
            let result = job.run();
            self.replica.handle_synced(now, &job, result);
        }
        while let Some(job) = self.replica.poll_job(now.as_millis() as i64) {
            self.replica.handle_done(now, job.run());
        }
        self.events.extend(std::iter::from_fn(|| self.replica.poll_event()));
    }
}

#[test]
fn a_write_is_acknowledged_with_two_copies_and_read_everywhere() {
    let mut world = World::of_three();
    let ticket = world.write(2, &batch(9, 1, 5.0), Acks::Auto);
    let receipt = world.answer(2, ticket).unwrap();
    assert!(receipt.copies >= 2);
    assert_eq!(receipt.frame.origin, origin(2, 1));
    world.run_until("all agree", World::agree);
    assert_eq!(world.replica(1).store().point_count(), 1);
}

#[test]
fn a_newcomer_takes_no_writes_before_it_is_admitted_and_says_whom_it_waits_for() {
    let mut world = World::default();
    world.start(2, 1, &[1], MemoryDisk::new());
    world.run_for(CATCH_UP * 2);
    let now = world.now;
    let error = world.replica(2).submit(now, &batch(9, 1, 1.0), Acks::Auto).unwrap_err();
    assert!(error.to_string().contains("an answer of n1"), "{error}");
}

#[test]
fn two_newcomers_admit_each_other() {
    let mut world = World::default();
    world.start(1, 1, &[2], MemoryDisk::new());
    world.start(2, 1, &[1], MemoryDisk::new());
    world.run_until("both are ready", |world| {
        world.nodes.values().all(|node| node.replica.readiness() == Readiness::Ready)
    });
}

#[test]
fn both_sides_of_a_partition_write_and_agree_after_it() {
    let mut world = World::of_three();
    world.cut_both(1, 2);
    world.cut_both(1, 3);
    world.run_for(Duration::from_secs(2));
    let alone = world.write(1, &batch(7, 1, 1.0), Acks::Auto);
    assert_eq!(world.answer(1, alone).unwrap().copies, 1);
    let pair = world.write(2, &batch(8, 1, 1.0), Acks::Auto);
    assert_eq!(world.answer(2, pair).unwrap().copies, 2);
    assert!(!world.agree());
    world.cut.clear();
    world.run_until("all agree", World::agree);
}

#[test]
fn a_chain_relays_what_its_ends_cannot_send_each_other() {
    let mut world = World::of_three();
    world.cut_both(1, 3);
    world.run_for(Duration::from_secs(1));
    world.write(1, &batch(7, 1, 1.0), Acks::Auto);
    world.write(3, &batch(8, 1, 1.0), Acks::Auto);
    world.run_until("all agree over the middle", World::agree);
    assert!(world.agree() && world.replica(1).store().point_count() == 2);
}

#[test]
fn a_one_way_link_counts_as_none() {
    let mut world = World::of_three();
    world.cut.insert((id(1), id(2)));
    world.run_for(Duration::from_secs(2));
    let now = world.now;
    assert!(!world.replica(1).reaches(now, id(2)) && !world.replica(2).reaches(now, id(1)));
    assert!(world.replica(1).reaches(now, id(3)));
}

#[test]
fn explicit_copies_that_cannot_be_had_are_refused_and_named() {
    let mut world = World::of_three();
    let now = world.now;
    let too_many = world.replica(1).submit(now, &batch(9, 1, 1.0), Acks::Count(4)).unwrap_err();
    assert!(matches!(too_many, SubmitError::TooFewMembers(TooFewCopies { copies: 0, wanted: 4 })));
    world.down.insert(id(3));
    let ticket = world.write(1, &batch(9, 1, 1.0), Acks::All);
    assert_eq!(world.answer(1, ticket), Err(TooFewCopies { copies: 2, wanted: 3 }));
}

#[test]
fn a_node_that_lost_power_pulls_even_its_own_past_from_the_others() {
    let mut world = World::of_three();
    let ticket = world.write(3, &batch(9, 1, 5.0), Acks::Auto);
    world.answer(3, ticket).unwrap();
    let disk = world.node(3).disk.clone();
    world.down.insert(id(3));
    world.write(1, &batch(8, 1, 1.0), Acks::Auto);
    world.run_for(Duration::from_secs(1));
    disk.lose_power(0);
    world.start(3, 2, &[1], disk);
    world.run_until("it is back in service", |world| {
        world.nodes[&id(3)].replica.readiness() == Readiness::Ready
    });
    world.run_until("all agree", World::agree);
    assert_eq!(world.replica(3).store().point_count(), 2);
}

#[test]
fn a_wiped_node_takes_its_name_back_as_a_new_node() {
    let mut world = World::of_three();
    let ticket = world.write(3, &batch(9, 1, 5.0), Acks::Auto);
    assert_eq!(world.answer(3, ticket).unwrap().copies, 2);
    world.run_until("all agree", World::agree);
    world.down.insert(id(3));
    let mut newcomer = config(4, 1, &[1]);
    newcomer.name = "n3".into();
    let disk = MemoryDisk::new();
    let opened = Store::open(Arc::new(disk.clone()), newcomer.origin, options()).unwrap();
    let replica = Replica::new(newcomer, opened).unwrap();
    world.nodes.insert(id(4), Node { replica, disk, life: 1, events: Vec::new() });
    world.run_until("the old node is forgotten everywhere", |world| {
        let forgot =
            |node: &Node| node.replica.members().of(id(3)).is_some_and(|m| m.status == Status::Forgotten);
        world.nodes.iter().filter(|(n, _)| **n != id(3)).all(|(_, node)| forgot(node))
    });
    world.run_until("all agree", World::agree);
    assert_eq!(world.replica(4).store().point_count(), 1);
    let told = world
        .node(4)
        .events
        .iter()
        .any(|event| matches!(event, Event::Replaced(member) if member.node == id(3)));
    assert!(told);
}

#[test]
fn rot_is_reported_while_alone_and_pulled_from_a_peer() {
    let mut world = World::of_three();
    for time in 1..9 {
        world.write(1, &batch(9, time, time as f64), Acks::Auto);
        world.run_for(STEP * 3);
    }
    world.run_until("all agree", World::agree);
    let disk = world.node(1).disk.clone();
    world.down.insert(id(1));
    let segment = "journal/0000000000000001.seg";
    let holes = |disk: &MemoryDisk| {
        Store::open(Arc::new(disk.clone()), origin(1, 9), options()).unwrap().store.holes().count()
    };
    // Rot in a table or a commit makes no hole of its own kind: look for a frame.
    let mut rotten = (disk.file_len(segment).unwrap() / 2..).step_by(7).filter(|at| {
        disk.rot(segment, *at, 1);
        let hit = holes(&disk) == 1;
        hit || !disk.rot(segment, *at, 1)
    });
    rotten.next().unwrap();

    world.start(1, 2, &[2], disk);
    let now = world.now;
    assert!(world.replica(1).warnings(now).iter().any(|warning| warning.contains("missing here")));
    world.run_until("all agree", World::agree);
    assert_eq!(world.replica(1).store().holes().count(), 0);
}

#[test]
fn frames_under_our_own_origin_that_we_did_not_write_are_refused() {
    let mut world = World::of_three();
    let mut forger = Store::open(Arc::new(MemoryDisk::new()), origin(1, 1), options()).unwrap().store;
    let frames: Vec<_> =
        (1..=20).map(|time| forger.append(&batch(6, time, 1.0), &[]).unwrap().frame).collect();
    let points = world.replica(1).store().point_count();
    let forged =
        Message::Frames { answers_pull: false, more: false, chunks: vec![], frames, gone: vec![] }.encode();
    let now = world.now;
    world.replica(1).handle_message(now, id(2), &forged);
    assert!(world.replica(1).faults().of(id(2), Fault::Forged) > 0);
    assert_eq!(world.replica(1).store().point_count(), points);
}

#[test]
fn garbage_from_a_peer_costs_that_message_only() {
    let mut world = World::of_three();
    let now = world.now;
    for garbage in [&b""[..], b"\x63", b"\x03\x00\x05", b"\x02\xff\xff\xff\xff\x0f"] {
        world.replica(1).handle_message(now, id(2), &Bytes::from_static(garbage));
    }
    let faults = world.replica(1).faults();
    assert_eq!((faults.of(id(2), Fault::Malformed), faults.of(id(2), Fault::UnknownMessage)), (3, 1));
    assert_eq!(faults.iter().filter(|(node, ..)| *node != id(2)).count(), 0);
    let ticket = world.write(1, &batch(9, 1, 1.0), Acks::Auto);
    assert!(world.answer(1, ticket).is_ok());
}

#[test]
fn a_node_that_leaves_hands_over_and_no_longer_counts() {
    let mut world = World::of_three();
    world.write(3, &batch(9, 1, 1.0), Acks::Auto);
    let now = world.now;
    world.replica(3).leave(now).unwrap();
    assert!(matches!(
        world.replica(3).submit(now, &batch(9, 2, 1.0), Acks::Auto),
        Err(SubmitError::NotReady(_))
    ));
    world.run_until("handed over", |world| world.nodes[&id(3)].replica.is_handed_over(world.now));
    world.down.insert(id(3));
    world.run_until("two members are left", |world| {
        [1, 2].iter().all(|n| world.nodes[&id(*n)].replica.members().joined().count() == 2)
    });
    let ticket = world.write(1, &batch(9, 3, 1.0), Acks::All);
    assert_eq!(world.answer(1, ticket).unwrap().copies, 2);
    let later = world.now + FORGET_AFTER;
    assert!(world.replica(1).warnings(later).iter().all(|warning| !warning.contains("n3")));
}

#[test]
fn only_an_unreachable_member_is_forgotten_and_it_may_come_back() {
    let mut world = World::of_three();
    let now = world.now;
    assert!(matches!(world.replica(1).forget(now, "n3"), Err(ForgetError::Reachable(_))));
    assert!(matches!(world.replica(1).forget(now, "n9"), Err(ForgetError::Unknown(_))));
    world.cut_both(3, 1);
    world.cut_both(3, 2);
    world.run_for(Duration::from_secs(2));
    let now = world.now;
    world.replica(1).forget(now, "n3").unwrap();
    assert!(
        world
            .replica(1)
            .warnings(now)
            .iter()
            .any(|warning| warning.contains("n3") && warning.contains("forgotten"))
    );
    world.cut.clear();
    world.run_until("it counts again", |world| {
        world.nodes.values().all(|node| node.replica.members().joined().count() == 3)
    });
}

#[test]
fn a_later_life_of_the_node_stops_this_one() {
    let mut world = World::of_three();
    let mut view = world.view();
    view.nodes.get_mut(&id(1)).unwrap().profile.incarnation = Incarnation(2);
    let now = world.now;
    world.replica(1).handle_view(now, &view);
    assert_eq!(world.replica(1).poll_event(), Some(Event::Superseded));
}

#[test]
fn a_long_absent_peer_costs_no_memory_and_catches_up_from_the_journal() {
    let mut world = World::of_three();
    world.down.insert(id(3));
    world.run_for(Duration::from_secs(2));
    for time in 1..=3_000 {
        world.write(1, &batch(9, time, time as f64), Acks::Auto);
        if time % 100 == 0 {
            world.step();
        }
        assert!(
            world
                .replica(1)
                .transmits
                .iter()
                .all(|transmit| transmit.to != id(3) || transmit.class == Class::Control)
        );
    }
    world.down.remove(&id(3));
    world.run_until("all agree", World::agree);
    assert_eq!(world.replica(3).store().point_count(), 3_000);
}

#[test]
fn frame_ids_are_never_used_twice_across_lives() {
    let mut world = World::of_three();
    let first = world.write(1, &batch(9, 1, 1.0), Acks::Auto);
    let first = world.answer(1, first).unwrap().frame;
    let disk = world.node(1).disk.clone();
    world.start(1, 2, &[], disk);
    world.run_until("it is back", |world| world.nodes[&id(1)].replica.readiness() == Readiness::Ready);
    let second = world.write(1, &batch(9, 2, 2.0), Acks::Auto);
    let second: FrameId = world.answer(1, second).unwrap().frame;
    assert_ne!(first.origin, second.origin);
}

#[test]
fn a_node_that_died_before_it_took_its_old_place_takes_it_in_its_next_life() {
    let mut world = World::of_three();
    world.down.insert(id(3));
    world.run_for(Duration::from_secs(1));
    let disk = MemoryDisk::new();
    for life in 1..=2 {
        let config = Config { name: "n3".into(), ..config(4, life, &[1]) };
        let opened = Store::open(Arc::new(disk.clone()), config.origin, options()).unwrap();
        let mut replica = Replica::new(config, opened).unwrap();
        replica.next_beat = world.now;
        world.nodes.insert(id(4), Node { replica, disk: disk.clone(), life, events: Vec::new() });
        if life == 1 {
            world.run_until("the newcomer joined", |world| {
                world.nodes[&id(1)].replica.members().counts(id(4))
            });
        }
    }
    world.run_until("the old node is forgotten", |world| {
        let members = world.nodes[&id(1)].replica.members();
        members.counts(id(4)) && !members.counts(id(3))
    });
}

#[test]
fn a_write_that_outlasts_its_time_rings_no_timer_and_a_disk_that_syncs_no_more_ends_it() {
    let disk = MemoryDisk::new();
    let config = config(1, 1, &[]);
    let opened = Store::open(Arc::new(disk.clone()), config.origin, options()).unwrap();
    let mut replica = Replica::new(config, opened).unwrap();
    let ticket = replica.submit(Duration::ZERO, &batch(9, 1, 1.0), Acks::Auto).unwrap();
    let job = replica.poll_sync().unwrap();
    let late = AUTO_WAIT * 2;
    replica.handle_timer(late);
    assert!(replica.poll_timeout(late) > late, "it would ring at once");
    disk.set_sync_fails(true);
    let result = job.run();
    replica.handle_synced(late, &job, result);
    let answered = std::iter::from_fn(|| replica.poll_event())
        .any(|event| event == Event::Written { ticket, result: Err(TooFewCopies { copies: 0, wanted: 1 }) });
    assert!(answered);
}

#[test]
fn a_node_whose_first_pull_was_lost_asks_again_though_nothing_differs() {
    let mut world = World::of_three();
    world.run_until("all agree", World::agree);
    world.run_for(Duration::from_secs(3));
    let peer = world.replica(1).peers.get_mut(&id(2)).unwrap();
    peer.compared = false;
    world.run_until("they have compared themselves", |world| {
        world.nodes[&id(1)].replica.peers[&id(2)].compared
    });
}

#[test]
fn a_reply_to_another_life_of_the_node_says_nothing_of_this_ones_clock() {
    let mut world = World::of_three();
    world.cut_both(1, 2);
    world.cut_both(1, 3);
    world.run_for(Duration::from_secs(2));
    let now = world.now;
    let stood = world.replica(1).complete_until(now);
    let late = now.as_millis() as i64 - 1;
    for (life, until) in [(9, stood), (1, Some(late))] {
        for peer in [2, 3] {
            let heads = world.replica(1).store().applied().iter().collect();
            let reply = Message::Applied { origin: origin(1, life), probe_ms: late, heads };
            world.replica(1).handle_message(now, id(peer), &reply.encode());
        }
        assert_eq!(world.replica(1).complete_until(now), until);
    }
}

#[test]
fn complete_until_follows_the_clock_and_stands_still_while_a_member_is_away() {
    let mut world = World::of_three();
    let until = |world: &World| world.nodes[&id(1)].replica.complete_until(world.now);
    world.run_until("all members have told", |world| until(world).is_some());
    world.run_for(Duration::from_secs(3));
    let lag = world.now.as_millis() as i64 - until(&world).unwrap();
    assert!(lag < 1_000, "{lag} ms behind");
    world.cut_both(1, 3);
    world.run_for(Duration::from_secs(1));
    let stood = until(&world).unwrap();
    world.write(3, &batch(9, 1, 1.0), Acks::Auto);
    world.run_for(Duration::from_secs(5));
    assert_eq!(until(&world), Some(stood), "what the member holds since then may be missing");
    world.cut.clear();
    world.run_until("it goes on", |world| until(world) > Some(stood));
    assert_eq!(world.replica(1).store().point_count(), 1);
}
