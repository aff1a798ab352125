//! Directed scenarios: what once was thought to be hard, each by its own name, in a world where nothing else strikes.

use std::time::Duration;

use crate::fault::{Fault, Tear};
use crate::mix::{Mix, SCRUB_ROUND};
use crate::run::conclude;
use crate::views::GRACE;
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);

/// A cluster that has formed.
fn world(seed: u64, mix: Mix) -> World {
    let mut world = World::new(seed, mix, None);
    world.run_until(5 * SECOND);
    world
}

/// Lets time pass.
fn pass(world: &mut World, time: Duration) {
    let end = world.now + time;
    world.run_until(end);
}

fn strike(world: &mut World, fault: Fault, spell: Duration) {
    let end = world.now + 60 * SECOND;
    while !world.strike(fault, spell) {
        assert!(world.now < end, "{fault:?} did not strike");
        pass(world, Duration::from_millis(7));
    }
}

/// All that must hold does.
fn assert_well(mut world: World) {
    conclude(&mut world);
    assert!(world.figures.acknowledged > 0, "nothing was written");
    assert_eq!(world.violations, [], "{}", world.trace.into_story().join("\n"));
}

/// Points' time runs so fast that the horizon passes all of a cut.
fn fast(nodes: usize) -> Mix {
    Mix { lapse: 600, retention: Duration::from_secs(48 * 3600), ..Mix::fair(nodes) }
}

#[test]
fn two_nodes_of_one_delta_writer_past_the_horizon_agree() {
    let mut world = world(1, fast(2));
    strike(&mut world, Fault::CutBothWays { a: 0, b: 1 }, 400 * SECOND);
    pass(&mut world, 405 * SECOND);
    assert_well(world);
}

#[test]
fn a_cut_longer_than_gossip_remembers_heals() {
    let mut world = world(2, Mix::fair(3));
    strike(&mut world, Fault::Isolate { node: 2 }, 20 * 60 * SECOND);
    pass(&mut world, GRACE);
    for node in 0..2 {
        strike(&mut world, Fault::Blind { viewer: 2, node }, 5 * 60 * SECOND);
        strike(&mut world, Fault::Blind { viewer: node, node: 2 }, 5 * 60 * SECOND);
    }
    pass(&mut world, 6 * 60 * SECOND);
    assert_well(world);
}

#[test]
fn a_debt_is_paid_while_points_land_in_open_windows_and_late_ones_in_compared_windows() {
    let mut world =
        world(3, Mix { lapse: 90, memtable_points: 64, journal_bytes: 8_000, sessions: 6, ..Mix::fair(3) });
    pass(&mut world, 60 * SECOND);
    for _ in 0..3 {
        strike(&mut world, Fault::Crash { node: 2 }, 90 * SECOND);
        pass(&mut world, 120 * SECOND);
    }
    assert!(world.figures.repaired > 0, "{:?}", world.figures);
    assert_well(world);
}

#[test]
fn a_wiped_node_comes_back_under_its_old_name() {
    let mut world = world(4, Mix::fair(3));
    for node in [2, 0, 1] {
        strike(&mut world, Fault::Wipe { node }, SECOND);
        pass(&mut world, 30 * SECOND);
        assert_eq!(world.nodes[node].disks_lost, 1);
    }
    assert_well(world);
}

#[test]
fn a_power_loss_of_all_right_after_an_answer_loses_nothing() {
    let mut world = world(5, Mix::fair(2));
    for _ in 0..30 {
        let answered = world.figures.acknowledged;
        while world.figures.acknowledged == answered {
            pass(&mut world, Duration::from_micros(200));
        }
        for node in 0..2 {
            world.strike(Fault::LosePower { node, tear: Tear::First(0) }, SECOND);
        }
        pass(&mut world, 3 * SECOND);
    }
    assert_well(world);
}

#[test]
fn a_frame_relayed_across_the_horizon_changes_nothing_below_it() {
    let mut world = world(6, fast(3));
    strike(&mut world, Fault::CutBothWays { a: 0, b: 2 }, 420 * SECOND);
    strike(&mut world, Fault::CutBothWays { a: 1, b: 2 }, 330 * SECOND);
    pass(&mut world, 425 * SECOND);
    assert_well(world);
}

#[test]
fn rot_in_the_newest_segment_is_made_good_by_a_peer() {
    let mut holes = 0;
    for salt in 1..8 {
        let mut world = world(7, Mix { memtable_points: 4_000, ..Mix::fair(3) });
        pass(&mut world, 20 * SECOND);
        let salt = salt * 0x1234_5678_9abc_def1;
        strike(&mut world, Fault::Rot { node: 1, salt }, SECOND);
        pass(&mut world, 10 * SECOND);
        holes += world.figures.holes;
        assert_well(world);
    }
    assert!(holes > 0, "no frame was ever found rotten");
}

#[test]
fn rot_of_a_frame_that_no_peer_has_is_named_for_ever() {
    let mut world = world(8, Mix { sessions: 4, ..Mix::fair(3) });
    strike(&mut world, Fault::Isolate { node: 0 }, 300 * SECOND);
    pass(&mut world, 20 * SECOND);
    let disk = world.nodes[0].disk.clone();
    strike(&mut world, Fault::Crash { node: 0 }, SECOND);
    let segment = disk.files().into_iter().rfind(|path| path.ends_with(".seg")).unwrap();
    let len = disk.file_len(&segment).unwrap();
    (3..6).for_each(|tenth| assert!(disk.rot(&segment, len * tenth / 10, 4)));
    world.nodes[0].is_rotten = true;
    pass(&mut world, 20 * SECOND);
    let (rotten, other) = (world.nodes[0].store().unwrap(), world.nodes[1].store().unwrap());
    assert!(rotten.holes().count() > 0, "the rot was not found");
    assert!(!rotten.held().covers(rotten.applied()), "what has rotted is still called held");
    assert_ne!(rotten.answer_hash(), other.answer_hash());
    let life = world.nodes[0].life.as_ref().unwrap();
    let warnings = life.replica.warnings(world.now - life.began);
    assert!(warnings.iter().any(|warning| warning.contains("rotted")), "{warnings:?}");
}

#[test]
fn a_node_on_an_empty_disk_learns_of_origins_that_all_others_have_let_go_of() {
    let mut world = world(9, fast(3));
    pass(&mut world, 10 * SECOND);
    let origin = world.nodes[1].life.as_ref().unwrap().origin;
    strike(&mut world, Fault::Crash { node: 1 }, SECOND);
    pass(&mut world, 420 * SECOND);
    let names_it = |world: &World, node: usize| world.nodes[node].store().unwrap().applied().get(origin) > 0;
    assert!((0..3).all(|node| !names_it(&world, node)), "the origin is still named");
    strike(&mut world, Fault::Wipe { node: 2 }, SECOND);
    pass(&mut world, 20 * SECOND);
    assert!(world.figures.repaired > 0, "{:?}", world.figures);
    assert!(!names_it(&world, 2));
    assert_well(world);
}

#[test]
fn rot_at_rest_is_found_by_a_scrub_and_made_good() {
    let mut mended = 0;
    for salt in 1..12 {
        let mix = Mix { lapse: 90, memtable_points: 64, scrub_round: SCRUB_ROUND * 90, ..Mix::fair(3) };
        let mut world = world(10, mix);
        pass(&mut world, 100 * SECOND);
        strike(&mut world, Fault::RotAtRest { node: 1, salt: salt * 0x1234_5678_9abc_def1 }, SECOND);
        pass(&mut world, 60 * SECOND);
        mended += world.figures.repaired;
        assert!(world.nodes[1].look_for_rot().is_some() || world.nodes[1].hidden_rot.is_none());
        assert_well(world);
    }
    assert!(mended > 0, "no repair was ever needed");
}

#[test]
fn frames_that_rot_where_nobody_else_has_them_are_given_up() {
    let mut voided = 0;
    for salt in 1..8 {
        let mut world = world(11, Mix { sessions: 5, ..Mix::fair(3) });
        strike(&mut world, Fault::Isolate { node: 1 }, 20 * SECOND);
        pass(&mut world, 15 * SECOND);
        let salt = salt * 0x1234_5678_9abc_def1;
        strike(&mut world, Fault::RotAlone { node: 1, salt }, SECOND);
        pass(&mut world, 60 * SECOND);
        voided += world.figures.voided;
        assert_well(world);
    }
    assert!(voided > 0, "no frame was ever lost");
}
