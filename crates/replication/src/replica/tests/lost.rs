//! Repairs where something is lost on more than one side: they end all the same, and what is lost is named.

use super::debts::{forgetful, rot_frame, write_much};
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
