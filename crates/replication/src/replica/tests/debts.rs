//! Gaps that no journal fills, and damage: fetched window by window from another node's view.

use shoal_store::Disk;

use super::*;

/// Two hours in ms.
pub(super) const WINDOW_MS: i64 = 7_200_000;

/// Journals that forget what was flushed.
pub(super) fn forgetful() -> Options {
    Options { journal_bytes_max: 0, ..options() }
}

/// Points of many streams over some windows, in many frames.
pub(super) fn write_much(
    world: &mut World,
    n: u8,
    writers: std::ops::Range<u8>,
    times: std::ops::Range<i64>,
) {
    for time in times {
        for writer in writers.clone() {
            world.write(
                n,
                &batch(writer, time * WINDOW_MS / 4, f64::from(writer) + time as f64),
                Acks::Count(1),
            );
        }
        world.step();
    }
    world.run_for(Duration::from_secs(1));
}

fn is_in_service(n: u8) -> impl Fn(&World) -> bool {
    move |world| world.nodes[&id(n)].replica.readiness() == Readiness::Ready
}

/// Whether a node is in debt, and has that on its disk.
fn owes(world: &World, n: u8) -> bool {
    let store = world.nodes[&id(n)].replica.store();
    store.debt().is_some() && store.is_debt_recorded()
}

fn repaired(world: &World, n: u8) -> usize {
    let events = &world.nodes[&id(n)].events;
    events.iter().filter(|event| matches!(event, Event::Repaired { .. })).count()
}

#[test]
fn a_wiped_node_fetches_what_the_journals_have_forgotten() {
    let mut world = World::of_three_with(forgetful());
    write_much(&mut world, 1, 10..30, 0..20);
    write_much(&mut world, 2, 30..40, 3..9);
    world.run_until("all agree", World::agree);
    let points = world.replica(1).store().digest().unwrap();
    world.down.insert(id(3));
    world.start(4, 1, &[1], MemoryDisk::new());
    write_much(&mut world, 1, 10..12, 20..22);
    world.run_until("the new node is in service", is_in_service(4));
    world.run_until("all agree", World::agree);
    assert_ne!(world.replica(4).store().digest().unwrap(), points);
    assert_eq!(repaired(&world, 4), 1);
    assert!(world.replica(4).members().of(id(2)).is_some(), "it knows who belongs");
}

#[test]
fn a_node_that_was_away_for_longer_than_the_journals_reach_catches_up() {
    let mut world = World::of_three_with(forgetful());
    write_much(&mut world, 1, 10..30, 0..8);
    world.run_until("all agree", World::agree);
    world.cut_both(1, 3);
    world.cut_both(2, 3);
    world.run_for(Duration::from_secs(2));
    write_much(&mut world, 1, 10..30, 6..12);
    write_much(&mut world, 2, 30..33, 2..9);
    write_much(&mut world, 3, 50..60, 4..11);
    world.cut.clear();
    world.run_until("all agree", World::agree);
    assert!(repaired(&world, 3) > 0);
    assert!(world.replica(3).store().debt().is_none());
}

#[test]
fn a_node_in_debt_says_so_and_owes_still_after_a_restart() {
    let mut world = World::of_three_with(forgetful());
    write_much(&mut world, 1, 10..30, 0..20);
    world.down.insert(id(3));
    world.start(4, 1, &[1], MemoryDisk::new());
    world.run_until("it is in debt", |world| owes(world, 4));
    let now = world.now;
    assert_ne!(world.replica(4).readiness(), Readiness::Ready);
    assert_eq!(world.replica(4).complete_until(now), None);
    assert!(world.replica(4).warnings(now).iter().any(|warning| warning.contains("may be missing")));
    assert_ne!(world.replica(4).store().answer_hash(), world.replica(1).store().answer_hash());
    let disk = world.node(4).disk.clone();
    disk.lose_power(3);
    world.start(4, 2, &[1], disk);
    assert!(world.replica(4).store().debt().is_some());
    world.run_until("all agree", World::agree);
    assert!(world.replica(4).store().debt().is_none());
}

#[test]
fn a_copy_that_is_owed_does_not_count() {
    let mut world = World::of_three_with(forgetful());
    write_much(&mut world, 1, 10..30, 0..20);
    world.down.extend([id(2), id(3)]);
    world.start(4, 1, &[1], MemoryDisk::new());
    world.run_until("it is in debt", |world| owes(world, 4));
    world.run_for(Duration::from_millis(200));
    let head = world.replica(1).store().applied().get(origin(1, 1));
    let is_owed = |world: &World| {
        let peer = &world.nodes[&id(1)].replica.peers[&id(4)];
        world.nodes[&id(4)].replica.store().debt().is_some() && (peer.holds(1) || peer.holds(head))
    };
    assert!(!is_owed(&world));
    world.run_until("the debt is settled and the copy counts", |world| {
        world.nodes[&id(1)].replica.peers[&id(4)].holds(head)
    });
}

#[test]
fn a_lender_that_dies_is_replaced_by_another() {
    let mut world = World::of_three_with(forgetful());
    write_much(&mut world, 1, 10..30, 0..20);
    world.run_until("all agree", World::agree);
    world.start(4, 1, &[1], MemoryDisk::new());
    world.run_until("a repair has begun", |world| world.nodes[&id(4)].replica.repair(world.now).is_some());
    let now = world.now;
    let lender = world.replica(4).repair(now).unwrap().lender;
    world.down.insert(lender);
    world.run_until("the new node is in service", is_in_service(4));
    world.run_until("all agree", World::agree);
}

#[test]
fn a_debt_that_names_an_origin_that_is_over_by_now_ends() {
    let mut world = World::of_three_with(Options { retention: Duration::from_secs(3_600), ..forgetful() });
    write_much(&mut world, 3, 10..30, 0..20);
    world.run_until("all agree", World::agree);
    world.start(4, 1, &[1], MemoryDisk::new());
    world.run_until("a newcomer is in debt", |world| owes(world, 4));
    (1..=3).for_each(|n| world.cut_both(4, n));
    let now = world.now;
    // That its life is over stands in a frame that the newcomer does not have.
    let disk = world.node(3).disk.clone();
    world.start(3, 2, &[1], disk);
    world.run_for(Duration::from_secs(2));
    world.replica(1).forget(now + Duration::from_secs(2), "n4").unwrap();
    world.run_for(Duration::from_secs(2));
    for n in 1..=3 {
        pass_time(&mut world, n, 12 * 3_600_000);
    }
    let over = origin(3, 1);
    let names_it = |world: &World, n: u8| world.nodes[&id(n)].replica.store().applied().get(over) > 0;
    world.run_until("it is over", |world| (1..=3).all(|n| !names_it(world, n)));
    assert!(owes(&world, 4) && names_it(&world, 4));
    world.cut.clear();
    pass_time(&mut world, 4, 12 * 3_600_000);
    world.run_until("the debt is settled", |world| !owes(world, 4));
    assert!(!names_it(&world, 4));
    assert_eq!((repaired(&world, 4), world.replica(4).counters().frames_voided), (1, 0));
}

/// A newcomer, node 4, is lent a view that names a stranger, under these terms else; it takes on no debt.
fn comes_to_nothing(full_disk: bool, terms: impl Fn(Origin) -> crate::wire::Terms) {
    let mut world = World::of_three_with(forgetful());
    write_much(&mut world, 1, 10..30, 0..20);
    world.start(4, 1, &[1], MemoryDisk::new());
    world.run_until("a repair has begun", |world| world.nodes[&id(4)].replica.loan().is_some());
    let (now, loan) = (world.now, world.replica(4).loan().unwrap());
    let lender = world.replica(4).repair(now).unwrap().lender;
    let stranger = Member { node: id(9), ..world.replica(1).members().of(id(1)).unwrap().clone() };
    world.node(4).disk.set_bytes_max(full_disk.then_some(0));
    let terms = crate::wire::Terms { members: vec![stranger.encode().into()], ..terms(loan) };
    let lend = Message::Lend { loan, lend: Box::new(crate::wire::Lend::View(terms)) };
    world.replica(4).handle_message(now, lender, &lend.encode());
    assert!(world.replica(4).loan().is_none());
    assert!(world.replica(4).members().of(id(9)).is_none());
}

#[test]
fn what_a_lender_knows_of_members_is_taken_with_the_debt_only() {
    // Something of it is damaged, so another lender is looked for first.
    comes_to_nothing(false, |_| crate::wire::Terms { damaged: vec![1], ..Default::default() });
}

#[test]
fn a_full_disk_takes_nothing_of_a_loan() {
    comes_to_nothing(true, |loan| {
        let header = shoal_store::Header { id: FrameId { origin: loan, seq: 1 }, table_len: 0, points: 0 };
        let notes = Some(Frame::encode(header, &[]).unwrap());
        crate::wire::Terms { notes, ..Default::default() }
    });
}

#[test]
fn a_lender_tells_of_a_view_once_all_of_it_is_synced() {
    let mut world = World::of_three_with(forgetful());
    let (now, loan) = (world.now, Origin([7; 16]));
    let lends = |world: &mut World| {
        let sent = std::iter::from_fn(|| world.replica(1).poll_transmit()).collect::<Vec<_>>();
        sent.iter().filter(|sent| matches!(Message::decode(&sent.message), Ok(Message::Lend { .. }))).count()
    };
    world.replica(1).submit(now, &batch(9, 1, 1.0), Acks::Count(1)).unwrap();
    let sync = world.replica(1).poll_sync().unwrap();
    let ask = Message::Ask { loan, ask: crate::wire::Ask::View };
    world.replica(1).handle_message(now, id(2), &ask.encode());
    while let Some(job) = world.replica(1).poll_job(0) {
        world.replica(1).handle_done(now, job.run());
    }
    assert_eq!(lends(&mut world), 0);
    let result = sync.run();
    world.replica(1).handle_synced(now, &sync, result);
    assert_eq!(lends(&mut world), 1);
}

#[test]
fn frames_that_came_back_without_their_table_are_told_of_as_gone() {
    let mut world = World::of_three_with(forgetful());
    write_much(&mut world, 3, 10..14, 0..8);
    for n in [3, 1] {
        world.run_until("all agree", World::agree);
        let disk = world.node(n).disk.clone();
        world.start(n, 2, &[2], disk);
    }
    world.run_until("all are in service", |world| (1..=3).all(|n| is_in_service(n)(world)));
    // A loss of power undoes the removal of segments, which nothing syncs, when their tables are gone from the file.
    let disk = world.node(1).disk.clone();
    let names = Disk::list(&disk, "journal").unwrap();
    let read = |name| {
        let path = format!("journal/{name}");
        let content = shoal_store::disk::read_all(&*disk.open(&path).unwrap()).unwrap();
        (path, content)
    };
    let before: Vec<_> = names.into_iter().map(read).collect();
    write_much(&mut world, 1, 20..40, 8..24);
    assert_eq!(world.replica(1).store().table_len(origin(3, 1)), 0);
    world.down.extend([id(1), id(2), id(3)]);
    for (path, content) in before.into_iter().filter(|(path, _)| disk.open(path).is_err()) {
        disk.create(&path).unwrap().append(&content).unwrap();
    }
    world.start(1, 3, &[], disk);
    world.start(4, 1, &[1], MemoryDisk::new());
    world.step();
    let (now, over) = (world.now, origin(3, 1));
    let store = world.replica(1).store();
    assert!(store.servable(over) > 0 && store.table_len(over) == 0);
    let have = vec![crate::wire::Have { origin: over, seq: 1, table_len: 0 }];
    world.replica(1).handle_message(now, id(4), &Message::Pull { have }.encode());
    let told =
        std::iter::from_fn(|| world.replica(1).poll_transmit()).find_map(|sent| {
            match Message::decode(&sent.message) {
                Ok(Message::Frames { gone, .. }) => Some(gone),
                _ => None,
            }
        });
    assert!(told.unwrap().contains(&over));
}

#[test]
fn what_a_lender_was_lent_beyond_its_frontier_it_tells_its_own_debtors_of() {
    let mut world = World::of_three_with(forgetful());
    write_much(&mut world, 1, 10..30, 0..20);
    world.run_until("all agree", World::agree);
    // Node 1 has lost a frame that nobody else has, and shows what came after it.
    world.cut_both(1, 2);
    world.cut_both(1, 3);
    world.run_for(Duration::from_secs(2));
    let [lost, last] = lose_first_of_two(&mut world, Acks::Count(1), 2);
    world.cut.clear();
    world.down.insert(id(3));
    for (n, lender) in [(4, 1), (5, 4)] {
        world.start(n, 1, &[lender], MemoryDisk::new());
        world.run_until("the new node is in service", is_in_service(n));
        assert_eq!(repaired(&world, n), 1);
        let store = world.replica(n).store();
        assert!(store.applied().get(last.origin) < lost.seq && store.shown().get(last.origin) == last.seq);
        world.down.insert(id(lender));
    }
}

#[test]
fn debtors_whose_lender_is_gone_for_good_join_what_they_have() {
    let mut world = World::of_three_with(forgetful());
    write_much(&mut world, 1, 10..30, 0..20);
    world.down.extend([id(2), id(3)]);
    for n in [4, 5, 6] {
        world.start(n, 1, &[1], MemoryDisk::new());
        world.run_until("it is in debt", |world| owes(world, n));
        world.cut_both(n, 1);
    }
    world.down.insert(id(1));
    world.run_for(Duration::from_secs(40));
    assert!((4..=6).all(|n| owes(&world, n)), "nobody knows that the others are gone for good");
    let now = world.now;
    let gone: Vec<_> = world.replica(4).members().joined().map(|member| member.node).collect();
    for node in gone.into_iter().filter(|node| *node < id(4)) {
        world.replica(4).forget(now, &node.to_string()).unwrap();
    }
    world.run_until("no debt is left", |world| (4..=6).all(|n| !owes(world, n)));
    world.run_until("all agree", World::agree);
    let written_off = |n: &u8| world.nodes[&id(*n)].replica.counters().debts_written_off;
    assert_eq!([4, 5, 6].iter().map(written_off).sum::<u64>(), 1);
    assert_eq!((repaired(&world, 4), repaired(&world, 5), repaired(&world, 6)), (2, 1, 1));
}

#[test]
fn what_a_newcomer_did_not_see_go_it_is_told_of() {
    let mut world = World::of_three_with(Options { retention: Duration::from_secs(3_600), ..forgetful() });
    write_much(&mut world, 3, 10..14, 0..2);
    for life in [2, 3] {
        let disk = world.node(3).disk.clone();
        world.start(3, life, &[1], disk);
        world.run_until("all agree", World::agree);
    }
    let over = [origin(3, 1), origin(3, 2)];
    for n in 1..=3 {
        pass_time(&mut world, n, 12 * 3_600_000);
    }
    world.run_until("both lives are over", |world| {
        let stores = world.nodes.values().map(|node| node.replica.store());
        stores.into_iter().all(|store| over.iter().all(|origin| store.applied().get(*origin) == 0))
    });
    // Nobody's horizon has moved by a window since: only the origins themselves say that something went.
    assert!(world.replica(1).members().of(id(3)).is_some());
    world.start(4, 1, &[1], MemoryDisk::new());
    pass_time(&mut world, 4, 12 * 3_600_000);
    world.run_until("the new node is in service", is_in_service(4));
    world.run_until("all agree", World::agree);
    assert_eq!(repaired(&world, 4), 1);
    let members = |n| world.nodes[&id(n)].replica.members();
    assert_eq!(members(4), members(1));
}

/// Node 3 begins another life, and the points of its first one fall below all horizons.
fn let_first_life_grow_old(world: &mut World) {
    let disk = world.node(3).disk.clone();
    world.start(3, 2, &[1], disk);
    world.run_until("all agree", World::agree);
    (1..=3).for_each(|n| pass_time(world, n, 12 * 3_600_000));
}

#[test]
fn what_went_does_not_come_back_from_the_journal_as_lost() {
    let mut world = World::of_three_with(Options { retention: Duration::from_secs(3_600), ..options() });
    write_much(&mut world, 3, 10..14, 0..18);
    let_first_life_grow_old(&mut world);
    let names_it = |world: &World, n: u8| world.nodes[&id(n)].replica.store().applied().get(origin(3, 1)) > 0;
    world.run_until("it is over", |world| (1..=3).all(|n| !names_it(world, n)));
    world.run_for(Duration::from_secs(1));
    let disk = world.node(1).disk.clone();
    let opened = Store::open(Arc::new(disk.fork()), origin(1, 9), world.options).unwrap().store;
    assert!(opened.holes().count() > 0, "the checkpoint lies between its frames");
    world.start(1, 2, &[2], disk);
    assert!(!names_it(&world, 1) && world.replica(1).store().holes().count() == 0);
    world.run_until("all agree", World::agree);
    assert_eq!(world.replica(1).counters().frames_voided, 0);
}

#[test]
fn a_newcomer_that_does_not_know_what_was_before_it_is_no_lender() {
    let mut world = World::of_three_with(Options { retention: Duration::from_secs(3_600), ..forgetful() });
    write_much(&mut world, 3, 10..14, 0..2);
    let_first_life_grow_old(&mut world);
    world.run_until("an origin is over", |world| {
        world.nodes.values().all(|node| node.replica.store().applied().get(HISTORY) > 1)
    });
    world.down.insert(id(2));
    world.start(4, 1, &[1], MemoryDisk::new());
    let owes = |world: &World| world.nodes[&id(4)].replica.store().debt().is_some();
    world.run_until("a newcomer is in debt", owes);
    world.down.extend([id(1), id(3)]);
    world.start(5, 1, &[4], MemoryDisk::new());
    world.run_for(Duration::from_secs(40));
    assert!(owes(&world), "the newest node has nothing to lend");
    world.down.clear();
    world.run_until("the debt is settled", |world| !owes(world));
    assert_eq!(world.replica(4).counters().debts_written_off, 0);
}

#[test]
fn what_has_rotted_in_blocks_comes_back_from_a_peer() {
    let mut world = World::of_three_with(forgetful());
    write_much(&mut world, 1, 10..30, 0..20);
    world.run_until("all agree", World::agree);
    let disk = world.node(2).disk.clone();
    let blocks: Vec<_> =
        world.replica(2).store().view().windows().iter().flat_map(|(_, blocks)| blocks).cloned().collect();
    for block in &blocks {
        assert!(disk.rot(block.path(), 40, 1));
    }
    // A read finds it.
    assert!(world.replica(2).store().digest().is_err());
    world.run_until("it is marked", |world| !world.nodes[&id(2)].replica.store().damage().is_empty());
    world.run_until("all agree", World::agree);
    assert!(repaired(&world, 2) > 0);
}

/// Flips a bit in the points of one frame of a node's journal.
pub(super) fn rot_frame(disk: &MemoryDisk, id: FrameId) {
    let header = [b"SHF\x01".as_slice(), &id.origin.0, &id.seq.to_le_bytes()].concat();
    for name in Disk::list(disk, "journal").unwrap() {
        let path = format!("journal/{name}");
        let content = shoal_store::disk::read_all(&*disk.open(&path).unwrap()).unwrap();
        if let Some(at) = content.windows(header.len()).position(|bytes| bytes == header) {
            assert!(path.ends_with(".seg") && disk.rot(&path, at + 56, 0x10));
        }
    }
}

/// Node 1 writes two frames, goes down with node 2, and finds the first rotted when it starts again.
pub(super) fn lose_first_of_two(world: &mut World, acks: Acks, join: u8) -> [FrameId; 2] {
    let frames = [40, 41].map(|writer| {
        let ticket = world.write(1, &batch(writer, 1, 1.0), acks);
        let frame = world.answer(1, ticket).unwrap().frame;
        // The commit of one sync is made durable by the next.
        world.run_for(Duration::from_secs(1));
        frame
    });
    world.down.extend([id(1), id(2)]);
    let disk = world.node(1).disk.clone();
    disk.lose_power(0);
    rot_frame(&disk, frames[0]);
    world.start(1, 2, &[join], disk);
    frames
}

#[test]
fn a_frame_that_nobody_has_is_given_up_and_what_follows_it_spreads() {
    let mut world = World::of_three();
    world.cut_both(1, 2);
    world.cut_both(1, 3);
    world.run_for(Duration::from_secs(2));
    let receipts: Vec<_> = (1..=3)
        .map(|n| {
            let ticket = world.write(1, &batch(n, i64::from(n), 1.0), Acks::Count(1));
            world.answer(1, ticket).unwrap().frame
        })
        .collect();
    // The commit of one sync is made durable by the next.
    world.run_for(Duration::from_secs(1));
    let last = world.write(1, &batch(9, 9, 1.0), Acks::Count(1));
    world.answer(1, last).unwrap();
    let disk = world.node(1).disk.clone();
    world.down.insert(id(1));
    disk.lose_power(0);
    rot_frame(&disk, receipts[1]);
    world.start(1, 2, &[2], disk);
    assert_eq!(world.replica(1).store().holes().count(), 1);
    world.cut.clear();
    world.run_until("all agree", World::agree);
    let voided = world.nodes[&id(1)].events.contains(&Event::Voided(receipts[1]));
    assert!(voided && world.replica(1).counters().frames_voided == 1);
    assert_eq!(world.replica(2).store().point_count(), 3, "all but what is lost");
}

/// Moves a node's horizon as the clock does.
pub(super) fn pass_time(world: &mut World, n: u8, now_ms: i64) {
    let now = world.now;
    while let Some(job) = world.replica(n).poll_job(now_ms) {
        world.replica(n).handle_done(now, job.run());
    }
}

#[test]
fn an_origin_that_is_over_goes_from_the_frontiers_and_does_not_come_back() {
    let mut world = World::of_three_with(Options { retention: Duration::from_secs(3_600), ..forgetful() });
    write_much(&mut world, 3, 10..14, 0..2);
    world.run_until("all agree", World::agree);
    let disk = world.node(3).disk.clone();
    world.start(3, 2, &[1], disk);
    world.run_until("all agree", World::agree);
    let over = origin(3, 1);
    assert!(world.replica(1).store().applied().get(over) > 0);
    pass_time(&mut world, 1, 12 * 3_600_000);
    world.run_for(Duration::from_secs(3));
    assert_eq!(world.replica(1).store().applied().get(over), 0, "the others have it still");
    assert!(world.replica(2).store().applied().get(over) > 0);
    for n in [2, 3] {
        pass_time(&mut world, n, 12 * 3_600_000);
    }
    world.run_until("all have let go", |world| {
        world.nodes.values().all(|node| node.replica.store().applied().get(over) == 0)
    });
    world.run_until("all agree", World::agree);
    assert!((1..=3).all(|n| repaired(&world, n) == 0));
}

#[test]
fn a_clock_that_leads_those_of_the_members_lets_nothing_go() {
    let mut world = World::of_three_with(Options { retention: Duration::from_secs(3_600), ..forgetful() });
    write_much(&mut world, 1, 10..40, 0..4);
    world.run_for(Duration::from_secs(2));
    let held = |world: &World| world.nodes[&id(1)].replica.store().view().windows().iter().count();
    let windows = held(&world);
    assert!(windows > 0);
    pass_time(&mut world, 1, 12 * 3_600_000);
    assert_eq!(held(&world), windows, "the others' clocks say that it is early");
    world.run_for(Duration::from_secs(1));
    for peer in world.replica(1).peers.values_mut() {
        peer.clock = peer.clock.map(|(at, ms)| (at, ms + 12 * 3_600_000));
    }
    pass_time(&mut world, 1, 12 * 3_600_000);
    assert_eq!(held(&world), 0);
}
