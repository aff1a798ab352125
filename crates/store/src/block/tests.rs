//! Blocks through their public verbs, over a disk with faults; the oracle is a map of point maps.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use proptest::prelude::*;
use shoal_merge::{PointMap, StreamMix};
use shoal_model::time::delta_time;
use shoal_model::{Kind, Point, SeriesId, StreamId, Writer as Who};

use super::footer::{FOOTER_BYTES, Footer};
use super::*;
use crate::codec::CHUNK_POINTS_MAX;
use crate::disk::{Disk, memory::MemoryDisk, read_all};

const WINDOW: i64 = 236_111;
const START: i64 = WINDOW * WINDOW_MS;

type Streams = BTreeMap<u32, PointMap>;

fn create(disk: &MemoryDisk, path: &str) -> Writer {
    Writer::create(disk, path, WINDOW, 1, 0).unwrap()
}

fn write(disk: &MemoryDisk, path: &str, streams: &Streams) -> Arc<Block> {
    let mut writer = create(disk, path);
    for (place, points) in streams {
        writer.add(*place, &points.iter().collect::<Vec<_>>()).unwrap();
    }
    let meta = writer.finish(None).unwrap();
    Arc::new(Block::open(disk, path, &meta).unwrap())
}

/// Everything in a block, by way of the scan.
fn content(block: &Block) -> Result<Streams, BlockError> {
    let mut streams = Streams::new();
    let mut scan = block.scan();
    while let Some(chunk) = scan.advance() {
        chunk?;
        let points = scan.times().iter().zip(scan.values()).map(|(time, value)| Point::new(*time, *value));
        streams.entry(scan.place()).or_default().extend(points);
    }
    Ok(streams)
}

fn scrape(streams: u32, points: i64) -> Streams {
    (0..streams)
        .map(|place| {
            (
                place * 3,
                (0..points).map(|i| Point::new(START + i * 1000, (i + i64::from(place)) as f64)).collect(),
            )
        })
        .collect()
}

fn mix_of(place: u32) -> Option<ShardMix> {
    let series = SeriesId([place as u8; 16]);
    let stream = StreamId { series, writer: Who::NONE, kind: Kind::Sample };
    Some(ShardMix { shard: place as u8, mix: StreamMix::new(&stream) })
}

fn digests_of(streams: &Streams) -> ShardDigests {
    let mut digests = ShardDigests::new();
    for (place, points) in streams {
        let (times, values): (Vec<_>, Vec<_>) = points.iter().map(|point| (point.time, point.value)).unzip();
        digests.add(mix_of(*place).unwrap(), &times, &values);
    }
    digests
}

fn union(parts: &[Streams]) -> Streams {
    let mut all = Streams::new();
    for (place, points) in parts.iter().flatten() {
        all.entry(*place).or_default().merge(points);
    }
    all
}

fn merged(disk: &MemoryDisk, path: &str, inputs: &[Arc<Block>]) -> Arc<Block> {
    let merged = merge(inputs, create(disk, path), |_| true, Some(&mix_of)).unwrap();
    assert_eq!((merged.rot, merged.unnamed), (Vec::new(), 0));
    Arc::new(Block::open(disk, path, &merged.meta).unwrap())
}

fn streams() -> impl Strategy<Value = Streams> {
    let value = prop_oneof![any::<f64>(), any::<u64>().prop_map(f64::from_bits), Just(1.0), Just(2.0)];
    let point = (0..40_i64, value).prop_map(|(i, value)| Point::new(START + i * 1000, value));
    let points = prop::collection::vec(point, 1..30).prop_map(PointMap::from_iter);
    prop::collection::btree_map(0..200_u32, points, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_written_comes_back(streams in streams(), from in 0..40_i64, len in 0..40_i64) {
        let block = write(&MemoryDisk::new(), "b", &streams);
        prop_assert_eq!(&content(&block).unwrap(), &streams);
        prop_assert_eq!(block.meta().points, streams.values().map(|points| points.len() as u64).sum::<u64>());
        prop_assert_eq!(block.meta().streams as usize, streams.len());
        let range = START + from * 1000..=START + (from + len) * 1000;
        for place in 0..205 {
            let mut columns = Columns::default();
            prop_assert_eq!(block.read(place, range.clone(), &mut columns), []);
            let found: PointMap =
                columns.times.iter().zip(&columns.values).map(|(time, value)| Point::new(*time, *value)).collect();
            let expected = streams.get(&place).map(|points| points.range(range.clone()).collect());
            prop_assert_eq!(found, expected.unwrap_or_default());
        }
    }

    #[test]
    fn many_streams_read_as_one_by_one(streams in streams(), picked in prop::collection::btree_set(0..205_u32, 0..99)) {
        let block = write(&MemoryDisk::new(), "b", &streams);
        let picked: Vec<u32> = picked.into_iter().collect();
        let mut found = Streams::new();
        let rot = block.read_many(&picked, i64::MIN..=i64::MAX, |place, times, values| {
            let points = times.iter().zip(values).map(|(time, value)| Point::new(*time, *value));
            found.entry(place).or_default().extend(points);
        });
        prop_assert_eq!(rot, []);
        let expected = streams.into_iter().filter(|(place, _)| picked.contains(place)).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_merge_is_the_union_however_the_points_were_split(parts in prop::collection::vec(streams(), 1..5)) {
        let disk = MemoryDisk::new();
        let blocks: Vec<_> =
            parts.iter().enumerate().map(|(i, part)| write(&disk, &format!("{i}"), part)).collect();
        let all = union(&parts);
        let at_once = merged(&disk, "once", &blocks);
        prop_assert_eq!(&content(&at_once).unwrap(), &all);
        prop_assert_eq!(at_once.digests().unwrap(), Some(digests_of(&all)));

        let (left, right) = blocks.split_at(blocks.len() / 2);
        let halves = [merged(&disk, "left", left), merged(&disk, "right", right), Arc::clone(&blocks[0])];
        let in_steps = merged(&disk, "steps", &halves);
        prop_assert_eq!(in_steps.digests().unwrap(), at_once.digests().unwrap());
        prop_assert_eq!(content(&in_steps).unwrap(), all);
    }
}

#[test]
fn a_long_stream_spans_chunks_and_pages() {
    let many = 70 * CHUNK_POINTS_MAX as i64 + 3;
    let mut streams = scrape(3, 2);
    streams.insert(3, (0..many).map(|i| Point::new(START + i, i as f64)).collect());
    let block = write(&MemoryDisk::new(), "b", &streams);
    assert_eq!(content(&block).unwrap(), streams);
    let mut columns = Columns::default();
    assert_eq!(block.read(3, START + 70_000..=START + 70_001, &mut columns), []);
    assert_eq!(block.read(3, START + 2..=START + 3, &mut columns), []);
    assert_eq!(columns.values, [70_000.0, 70_001.0, 2.0, 3.0]);
    let mut count = 0;
    let rot = block.read_many(&[0, 3, 6], i64::MIN..=i64::MAX, |_, times, _| count += times.len());
    assert_eq!(rot, []);
    assert_eq!(count, many as usize + 4);
}

#[test]
fn pieces_of_a_stream_make_one() {
    let disk = MemoryDisk::new();
    let mut writer = create(&disk, "b");
    for i in 0..3_000 {
        writer.add_columns(7, &[START + i], &[i as f64]).unwrap();
    }
    let meta = writer.finish(None).unwrap();
    let block = Block::open(&disk, "b", &meta).unwrap();
    assert_eq!((meta.streams, meta.points), (1, 3_000));
    assert_eq!(content(&block).unwrap()[&7].len(), 3_000);
}

#[test]
fn streams_of_one_scrape_share_their_times() {
    let disk = MemoryDisk::new();
    let one = write(&disk, "one", &scrape(1, 100)).meta().bytes;
    let constant = |streams: u32| -> Streams {
        (0..streams)
            .map(|place| (place, (0..100).map(|i| Point::new(START + i * 1000, 1.0)).collect()))
            .collect()
    };
    let (few, many) = (write(&disk, "few", &constant(2)), write(&disk, "many", &constant(102)));
    let each = (many.meta().bytes - few.meta().bytes) / 100;
    assert!(each < one.min(100 * 8 + 20), "{each} bytes a stream");
}

#[test]
fn the_bounds_are_in_ms_on_either_axis() {
    let disk = MemoryDisk::new();
    let mut writer = create(&disk, "b");
    writer.add(1, &[Point::new(delta_time(0, START + 5, b"k").unwrap(), 1.0)]).unwrap();
    writer.add(2, &[Point::new(START + 7, 1.0), Point::new(START + 9, 1.0)]).unwrap();
    let meta = writer.finish(None).unwrap();
    assert_eq!((meta.first_ms, meta.last_ms), (START + 5, START + 9));
}

#[test]
fn an_empty_block_can_be_read() {
    let block = write(&MemoryDisk::new(), "b", &Streams::new());
    assert_eq!(content(&block).unwrap(), Streams::new());
    assert_eq!((block.meta().points, block.meta().first_ms), (0, START));
    assert_eq!(block.verify(), []);
    let mut columns = Columns::default();
    assert_eq!(block.read(1, 0..=i64::MAX, &mut columns), []);
    assert_eq!(columns, Columns::default());
}

#[test]
fn what_cannot_be_kept_in_order_is_refused() {
    let check = |adds: &[(u32, &[i64])]| {
        let disk = MemoryDisk::new();
        let mut writer = create(&disk, "b");
        let added = adds
            .iter()
            .try_for_each(|(place, times)| writer.add_columns(*place, times, &vec![0.0; times.len()]));
        let error = added.and_then(|()| writer.finish(None)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{adds:?}");
    };
    check(&[(2, &[START]), (1, &[START])]);
    check(&[(1, &[START + 1, START])]);
    check(&[(1, &[START]), (1, &[START])]);
    let full: Vec<i64> = (0..CHUNK_POINTS_MAX as i64).map(|i| START + i).collect();
    check(&[(1, &full), (1, &full)]);
    check(&[(1, &[START - 1])]);
    check(&[(1, &[START + WINDOW_MS])]);
}

#[test]
fn a_full_disk_ends_the_block() {
    let disk = MemoryDisk::new();
    disk.set_bytes_max(Some(100));
    let mut writer = create(&disk, "b");
    writer.add(1, &[Point::new(START, 1.0)]).unwrap();
    assert_eq!(writer.finish(None).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert!(matches!(Block::open_any(&disk, "b"), Err(BlockError::Rot(_))));
}

#[test]
fn a_failed_sync_fails_the_block() {
    let disk = MemoryDisk::new();
    disk.set_sync_fails(true);
    assert!(create(&disk, "b").finish(None).is_err());
}

#[test]
fn a_finished_block_survives_a_power_loss() {
    let disk = MemoryDisk::new();
    let block = write(&disk, "b", &scrape(70, 3));
    disk.sync_dir("").unwrap();
    disk.lose_power(0);
    assert_eq!(content(&Block::open(&disk, "b", block.meta()).unwrap()).unwrap(), scrape(70, 3));
}

#[test]
fn a_view_has_the_digests_of_its_points() {
    let (times, values) = ([START, START + 1], [1.0, 2.0]);
    let parts =
        [(1, &times[..1], &values[..1]), (2, &times[..], &values[..]), (1, &times[1..], &values[1..])];
    let points: PointMap = [Point::new(START, 1.0), Point::new(START + 1, 2.0)].into_iter().collect();
    let expected = digests_of(&Streams::from([(1, points)]));
    assert_eq!(ShardDigests::of_view(parts, |place| mix_of(place).filter(|_| place == 1)), (expected, 1));
}

#[test]
fn dropped_streams_are_not_merged() {
    let disk = MemoryDisk::new();
    let blocks = [write(&disk, "a", &scrape(9, 5)), write(&disk, "b", &scrape(9, 7))];
    let merged = merge(&blocks, create(&disk, "m"), |place| place != 3, None).unwrap();
    let mut expected = scrape(9, 7);
    expected.remove(&3);
    assert_eq!(content(&Block::open(&disk, "m", &merged.meta).unwrap()).unwrap(), expected);
    assert!(!merged.meta.is_sealed);
}

#[test]
fn a_stream_without_a_name_is_merged_and_counted() {
    let disk = MemoryDisk::new();
    let blocks = [write(&disk, "a", &scrape(2, 5))];
    let known = |place: u32| mix_of(place).filter(|_| place != 3);
    let merged = merge(&blocks, create(&disk, "m"), |_| true, Some(&known)).unwrap();
    let block = Block::open(&disk, "m", &merged.meta).unwrap();
    assert_eq!((merged.unnamed, block.meta().streams), (1, 2));
    assert_eq!(block.digests().unwrap(), Some(digests_of(&scrape(1, 5))));
}

#[test]
fn another_blocks_file_is_refused() {
    let disk = MemoryDisk::new();
    let mut meta = write(&disk, "b", &scrape(2, 2)).meta().clone();
    meta.number += 1;
    let Err(BlockError::Rot(rot)) = Block::open(&disk, "b", &meta) else { panic!("opened") };
    assert_eq!((rot.part, rot.places), (Part::Footer, 0..=u32::MAX));
    assert!(matches!(Block::open(&disk, "c", &meta), Err(BlockError::Disk(_))));
}

/// A sealed block of several pages, small enough to be damaged everywhere.
fn sealed(disk: &MemoryDisk, path: &str) -> (Arc<Block>, Streams) {
    let mut streams = scrape(70, 3);
    streams.insert(9, (0..4).map(|i| Point::new(START + i, 0.5)).collect());
    let input = write(disk, &format!("{path}.input"), &streams);
    (merged(disk, path, &[input]), streams)
}

#[test]
fn every_flipped_bit_is_found_and_none_reads_as_data() {
    let disk = MemoryDisk::new();
    let (block, streams) = sealed(&disk, "b");
    let meta = block.meta().clone();
    assert_eq!(block.verify(), []);
    for offset in 0..meta.bytes as usize {
        let mask = 1 << (offset % 8);
        assert!(disk.rot("b", offset, mask));
        assert!(!block.verify().is_empty(), "byte {offset} is not scrubbed");
        match Block::open(&disk, "b", &meta) {
            Err(error) => assert!(matches!(error, BlockError::Rot(_))),
            Ok(block) => damaged_block_reads_right_or_not_at_all(&block, &streams),
        }
        disk.rot("b", offset, mask);
    }
}

fn damaged_block_reads_right_or_not_at_all(block: &Block, streams: &Streams) {
    let places: Vec<u32> = streams.keys().copied().collect();
    let mut found = Vec::new();
    let rot = block.read_many(&places, i64::MIN..=i64::MAX, |place, times, values| {
        found.push(place);
        assert_eq!(streams[&place], times.iter().zip(values).map(|(t, v)| Point::new(*t, *v)).collect());
    });
    let is_damaged = |place: &u32| rot.iter().any(|rot| rot.places.contains(place));
    assert!(places.iter().all(|place| found.contains(place) || is_damaged(place)), "{rot:?}");
}

#[test]
fn every_cut_is_noticed_when_opened() {
    let disk = MemoryDisk::new();
    let (block, _) = sealed(&disk, "b");
    let bytes = read_all(&*disk.open("b").unwrap()).unwrap();
    for len in 0..bytes.len() {
        disk.create("cut").unwrap().append(&bytes[..len]).unwrap();
        assert!(matches!(Block::open(&disk, "cut", block.meta()), Err(BlockError::Rot(_))), "{len}");
        disk.remove("cut").unwrap();
    }
}

#[test]
fn a_bad_chunk_costs_its_stream_and_no_other() {
    let disk = MemoryDisk::new();
    let streams = scrape(200, 3);
    let block = write(&disk, "b", &streams);
    let mut scan = block.scan();
    scan.advance().unwrap().unwrap();
    // The first bytes are the header, the shared times and the values of the first stream.
    let times_bytes = Footer::read(&*disk.open("b").unwrap()).map(|footer| footer.pages_offset).unwrap();
    let values_bytes = (0..times_bytes).rev().find(|at| {
        disk.rot("b", *at as usize, 1);
        let rot = block.verify();
        disk.rot("b", *at as usize, 1);
        rot.iter().any(|rot| rot.places == (300..=300))
    });
    disk.rot("b", values_bytes.unwrap() as usize, 1);
    let rot = block.verify();
    assert_eq!(
        rot.iter().map(|rot| (rot.part, rot.places.clone())).collect::<Vec<_>>(),
        [(Part::Values, 300..=300)]
    );

    let out = merge(&[Arc::clone(&block)], create(&disk, "m"), |_| true, Some(&mix_of)).unwrap();
    assert_eq!(out.rot, rot);
    let mut expected = streams;
    expected.remove(&300);
    let whole = Block::open(&disk, "m", &out.meta).unwrap();
    assert_eq!(content(&whole).unwrap(), expected);
    assert_eq!(whole.digests().unwrap(), Some(digests_of(&expected)));

    let mut columns = Columns::default();
    assert_eq!(block.read(303, i64::MIN..=i64::MAX, &mut columns), []);
    assert_eq!(block.read(300, 0..=i64::MAX, &mut columns), rot);
}

#[test]
fn a_bad_page_names_the_streams_it_costs() {
    let disk = MemoryDisk::new();
    let streams = scrape(200, 3);
    let block = write(&disk, "b", &streams);
    let page = block.index().page(1);
    disk.rot("b", page.start as usize, 1);
    let rot = block.verify();
    assert_eq!(
        rot.iter().map(|rot| (rot.part, rot.places.clone())).collect::<Vec<_>>(),
        [(Part::Page, 192..=384)]
    );
    let out = merge(&[block], create(&disk, "m"), |_| true, None).unwrap();
    assert_eq!(out.meta.streams, 200 - 64);
}

#[test]
fn hostile_footers_are_refused_before_they_cost_memory() {
    let disk = MemoryDisk::new();
    let (_, _) = sealed(&disk, "b");
    let bytes = read_all(&*disk.open("b").unwrap()).unwrap();
    let good = Footer::read(&*disk.open("b").unwrap()).unwrap();
    let check = |change: fn(&mut Footer)| {
        let mut footer = good.clone();
        change(&mut footer);
        let mut bytes = bytes[..bytes.len() - FOOTER_BYTES].to_vec();
        footer.put(&mut bytes);
        let file = disk.create("hostile").unwrap();
        file.append(&bytes).unwrap();
        assert!(matches!(Block::open_any(&disk, "hostile"), Err(BlockError::Rot(_))), "{footer:?}");
        disk.remove("hostile").unwrap();
    };
    check(|footer| footer.pages = u32::MAX);
    check(|footer| footer.sparse_offset = u64::MAX);
    check(|footer| footer.sparse_offset = 0);
    check(|footer| footer.pages_offset = u64::MAX);
    check(|footer| footer.pages_offset = 0);
    check(|footer| footer.pages_offset = footer.sparse_offset);
    check(|footer| footer.meta.bytes = u64::MAX);
    check(|footer| footer.meta.is_sealed = false);
    check(|footer| {
        footer.pages += 1;
        footer.sparse_offset -= 8;
    });
}

proptest! {
    #[test]
    fn a_hostile_file_never_panics(
        noise in prop::collection::vec(any::<u8>(), 0..300), pages in 0..200_u64, first: u32, chunks in 0..200_usize,
    ) {
        let disk = MemoryDisk::new();
        let mut bytes = [&noise[..], &[0; 8]].concat();
        bytes.resize(bytes.len() + chunks, 1);
        let pages_offset = (bytes.len() as u64).saturating_sub(pages).max(8);
        let start = pages_offset as usize;
        if let Some(page) = bytes.get(start..).filter(|page| page.len() > 4).map(<[u8]>::to_vec) {
            bytes.truncate(start);
            bytes.extend_from_slice(&page[..page.len() - 4]);
            rot::put_checksum(&mut bytes, start);
        }
        let sparse_offset = bytes.len() as u64;
        let sparse = bytes.len();
        bytes.extend_from_slice(&first.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        rot::put_checksum(&mut bytes, sparse);
        let meta = Meta {
            window: WINDOW, number: 1, tier: 0, streams: 1, points: 1, first_ms: 0, last_ms: 0, is_sealed: false,
            bytes: (bytes.len() + FOOTER_BYTES) as u64,
        };
        Footer { meta, pages_offset, sparse_offset, pages: 1 }.put(&mut bytes);
        disk.create("b").unwrap().append(&bytes).unwrap();
        if let Ok(block) = Block::open_any(&disk, "b") {
            let _ = block.verify();
            let _ = block.read(first, i64::MIN..=i64::MAX, &mut Columns::default());
        }
    }
}

#[test]
fn hostile_pages_with_right_checksums_never_panic() {
    let disk = MemoryDisk::new();
    let (block, _) = sealed(&disk, "b");
    let page = block.index().page(1);
    let (start, end) = (page.start as usize, page.end as usize);
    let good = read_all(&*disk.open("b").unwrap()).unwrap();
    for at in start..end - 4 {
        for byte in [0, 1, 2, 0x7f, 0x80, 0xff, good[at] ^ 1, good[at] ^ 0x40] {
            let mut body = good[start..end - 4].to_vec();
            body[at - start] = byte;
            rot::put_checksum(&mut body, 0);
            let bytes = [&good[..start], &body, &good[end..]].concat();
            disk.create("hostile").unwrap().append(&bytes).unwrap();
            let block = Arc::new(Block::open(&disk, "hostile", block.meta()).unwrap());
            let _ = block.verify();
            let _ = block.read_many(&[189, 192, 195, 600], i64::MIN..=i64::MAX, |_, _, _| ());
            let _ = merge(&[block], create(&disk, "m"), |_| true, Some(&mix_of));
            disk.remove("hostile").unwrap();
            disk.remove("m").unwrap();
        }
    }
}
