//! Repairs where something is lost on more than one side: they end all the same, and what is lost is named.

use super::debts::{WINDOW_MS, forgetful, lose_first_of_two, pass_time, rot_frame, write_much};
use super::*;

fn is_in_debt(world: &World, n: u8) -> bool {
    world.nodes[&id(n)].replica.store().debt().is_some()
}

#[test]
fn two_nodes_that_lack_frames_of_one_another_both_come_to_have_all() {
    let mut world = World::of_three_with(forgetful());
    world.down.insert(id(3));
    world.cut_both(1, 2);
    world.run_for(Duration::from_secs(2));
    write_much(&mut world, 1, 10..30, 0..20);
    write_much(&mut world, 2, 30..50, 0..20);
    world.cut.clear();
    world.run_until("one is in debt", |world| is_in_debt(world, 1) || is_in_debt(world, 2));
    assert!(!(is_in_debt(&world, 1) && is_in_debt(&world, 2)), "neither could lend after a restart");
    let disk = world.node(1).disk.clone();
    disk.lose_power(3);
    world.start(1, 2, &[2], disk);
    world.run_until("neither is in debt", |world| !is_in_debt(world, 1) && !is_in_debt(world, 2));
    world.run_until("all agree", World::agree);
}

#[test]
fn a_member_that_was_given_up_brings_back_a_frame_that_was_voided_since() {
    let mut world = World::of_three();
    world.cut_both(1, 3);
    world.cut_both(2, 3);
    world.run_for(Duration::from_secs(2));
    lose_first_of_two(&mut world, Acks::Count(2), 3);
    world.cut.clear();
    world.run_for(Duration::from_secs(2));
    let now = world.now;
    world.replica(3).forget(now, &id(2).to_string()).unwrap();
    world.run_until("the frame is given up", |world| {
        world.nodes[&id(1)].replica.counters().frames_voided > 0 && world.agree()
    });
    assert_eq!(total(&world, 3), 1.0, "only the last one");
    world.down.clear();
    world.run_until("all agree", World::agree);
    assert_eq!(total(&world, 3), 2.0);
    assert_eq!(world.replica(2).counters().remnants, 1);
}

#[test]
fn what_a_broken_loan_brought_of_lost_frames_comes_to_be_everywhere() {
    let mut world = World::of_three_with(forgetful());
    write_much(&mut world, 1, 10..30, 0..20);
    world.run_until("all agree", World::agree);
    for n in [2, 3] {
        world.cut_both(1, n);
        world.cut_both(4, n);
    }
    world.run_for(Duration::from_secs(2));
    // A point in each window: whichever is lent first, something of what will be lost is in it.
    for window in 0..5 {
        world.write(1, &batch(40, window * WINDOW_MS, 1.0), Acks::Count(1));
    }
    world.start(4, 1, &[1], MemoryDisk::new());
    world.run_until("some points have come", |world| {
        world.nodes[&id(4)].replica.repair(world.now).is_some_and(|repair| repair.points > 0)
    });
    assert!(is_in_debt(&world, 4));
    world.down.insert(id(1));
    world.cut.clear();
    world.run_for(Duration::from_secs(2));
    let now = world.now;
    world.replica(2).forget(now, &id(1).to_string()).unwrap();
    world.run_until("all agree", |world| !is_in_debt(world, 4) && world.agree());
    let counters = world.replica(4).counters();
    assert!(counters.frames_voided > 1 && counters.remnants == 1, "told once: {counters:?}");
    assert!(world.replica(2).store().stream_count() > 20, "something of it is there");
}

#[test]
fn damage_at_the_only_lender_is_inherited_by_name_and_keeps_nobody_out() {
    let mut world = World { options: forgetful(), ..World::default() };
    world.start(1, 1, &[], MemoryDisk::new());
    write_much(&mut world, 1, 10..30, 0..20);
    let disk = world.node(1).disk.clone();
    let view = world.replica(1).store().view();
    let (_, blocks) = view.windows().iter().next().unwrap();
    assert!(disk.rot(blocks[0].path(), 40, 1));
    assert!(world.replica(1).store().digest().is_err());
    world.run_until("it is marked", |world| !world.nodes[&id(1)].replica.store().damage().is_empty());
    world.start(4, 1, &[1], MemoryDisk::new());
    world.run_until("the newcomer is in service", |world| {
        world.nodes[&id(4)].replica.readiness() == Readiness::Ready && !is_in_debt(world, 4)
    });
    let store = world.replica(4).store();
    assert!(store.point_count() > 0 && !store.damage().is_empty(), "what is missing here too is named");
}

#[test]
fn of_several_lost_frames_only_those_are_given_up_that_no_member_has() {
    let mut world = World::of_three();
    let write_everywhere = |world: &mut World, n: u8, writer: u8| {
        let ticket = world.write(n, &batch(writer, i64::from(writer), 1.0), Acks::Count(3));
        world.answer(n, ticket).unwrap().frame
    };
    let frames: Vec<_> = (1..=3).map(|writer| write_everywhere(&mut world, 1, writer)).collect();
    // The commit of one sync is made durable by the next.
    for writer in [10, 20] {
        world.run_for(Duration::from_secs(1));
        for n in 1..=3 {
            write_everywhere(&mut world, n, writer + n);
        }
    }
    let disks: Vec<_> = (1..=3).map(|n| world.node(n).disk.clone()).collect();
    for (n, disk) in (1..=3).zip(&disks) {
        disk.lose_power(0);
        rot_frame(disk, frames[0]);
        if n == 1 {
            rot_frame(disk, frames[1]);
        }
        world.down.insert(id(n));
    }
    for (n, disk) in (1..=3).zip(disks) {
        world.start(n, 2, &[1], disk);
    }
    assert_eq!(world.replica(1).store().holes().count(), 2);
    world.run_until("no hole is left", |world| {
        world.nodes.values().all(|node| node.replica.store().holes().count() == 0)
    });
    world.run_until("all agree", World::agree);
    assert_eq!(world.replica(1).store().point_count(), 8, "all but the frame that nobody has");
}

/// What each counter had come to, summed up.
fn total(world: &World, n: u8) -> f64 {
    let store = world.nodes[&id(n)].replica.store();
    let (view, catalogue) = (store.view(), store.catalogue());
    let places = 0..catalogue.read().places();
    let streams: Vec<_> = places.filter_map(|place| Some((place, catalogue.read().kind(place)?))).collect();
    let reads = view.read_many(&streams, i64::MIN..=i64::MAX);
    reads.iter().filter_map(|read| read.points.iter().map(|point| point.value).reduce(f64::max)).sum()
}

#[test]
fn a_newcomer_learns_what_origins_left_that_no_frontier_names_any_more() {
    let mut world = World::of_three_with(Options { retention: Duration::from_secs(3_600), ..forgetful() });
    write_much(&mut world, 3, 10..40, 0..4);
    world.run_until("all agree", World::agree);
    let disk = world.node(3).disk.clone();
    world.start(3, 2, &[1], disk);
    world.run_until("all agree", World::agree);
    let expected = total(&world, 1);
    assert!(expected > 0.0);
    let later = 48 * 3_600_000;
    let pass_all = |world: &mut World| {
        for n in world.nodes.keys().map(|node| node.0[0]).collect::<Vec<_>>() {
            pass_time(world, n, later);
        }
    };
    pass_all(&mut world);
    world.run_until("all have let go", |world| {
        world.nodes.values().all(|node| node.replica.store().applied().get(origin(3, 1)) == 0)
    });
    assert_eq!(total(&world, 1), expected, "totals outlive their windows");
    // The clocks of the others may be behind for a window.
    for n in 1..=3 {
        pass_time(&mut world, n, later + 3 * WINDOW_MS);
    }
    world.run_for(Duration::from_secs(3));
    world.start(4, 1, &[1], MemoryDisk::new());
    world.run_until("the newcomer is in service", |world| {
        world.nodes[&id(4)].replica.readiness() == Readiness::Ready
    });
    pass_time(&mut world, 4, later + 3 * WINDOW_MS);
    world.run_until("all agree", World::agree);
    assert_eq!(total(&world, 4), expected);
}

#[test]
fn a_journal_that_a_write_finds_to_fail_is_told_of_by_the_next_timer() {
    let mut world = World { options: forgetful(), ..World::default() };
    world.start(1, 1, &[], MemoryDisk::new());
    world.node(1).disk.set_sync_fails(true);
    let now = world.now;
    // No sync is run: it is the next segment that cannot be begun.
    let failed = (1..10_000).find(|time| {
        let _ = world.replica(1).submit(now, &batch(9, *time, 1.0), Acks::Auto);
        world.replica(1).store().failure().is_some()
    });
    assert!(failed.is_some(), "the journal goes on");
    let tells = |replica: &mut Replica| {
        std::iter::from_fn(|| replica.poll_event()).any(|event| matches!(event, Event::JournalFailed(_)))
    };
    assert!(!tells(world.replica(1)));
    world.replica(1).handle_timer(now + crate::limits::BEAT);
    assert!(tells(world.replica(1)), "whoever starts it again would never learn of it");
}

#[test]
fn a_new_life_reads_from_the_horizon_of_its_clock_on() {
    let mut world = World::default();
    world.start(1, 1, &[], MemoryDisk::new());
    let hour_ms = 3_600_000;
    let (disk, retention) = (world.node(1).disk.clone(), world.options.retention);
    let began_ms = retention.as_millis() as i64 + 100 * hour_ms;
    let config = Config { began_ms, ..config(1, 2, &[]) };
    let opened = Store::open(Arc::new(disk), config.origin, world.options).unwrap();
    assert_eq!(opened.store.horizon_ms(), i64::MIN, "nothing has been let go of yet");
    let replica = Replica::new(config, opened).unwrap();
    assert_eq!(replica.store().horizon_ms(), 100 * hour_ms);
}

#[test]
fn a_node_that_leaves_hands_over_what_its_earlier_lives_wrote() {
    let mut world = World::of_three_with(forgetful());
    world.cut_both(1, 3);
    world.cut_both(2, 3);
    world.run_for(Duration::from_secs(2));
    // What the third wrote in its life before is in its blocks only.
    write_much(&mut world, 3, 10..30, 0..20);
    let (first, head) = (origin(3, 1), world.replica(3).store().held_of(origin(3, 1)));
    let disk = world.node(3).disk.clone();
    world.start(3, 2, &[1], disk);
    world.run_until("it serves alone", |world| world.nodes[&id(3)].replica.readiness() == Readiness::Ready);
    world.cut.clear();
    let now = world.now;
    world.replica(3).leave(now).unwrap();
    let has_all = |world: &World, n: u8| {
        let store = world.nodes[&id(n)].replica.store();
        store.held_of(first) >= head && store.debt().is_none()
    };
    assert!(!has_all(&world, 1) && !has_all(&world, 2));
    world.run_until("handed over", |world| {
        let leaving = &world.nodes[&id(3)].replica;
        (1..3).any(|n| leaving.reaches(world.now, id(n))) && leaving.is_handed_over(world.now)
    });
    assert!(has_all(&world, 1) || has_all(&world, 2), "what only the third held goes with it");
}
