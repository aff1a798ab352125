//! The catalogue's files over a disk with faults.

use proptest::prelude::*;
use shoal_model::Kind;

use super::*;
use crate::catalogue::tests::{Model, Step, any_step, assert_same, define, run, stream};
use crate::disk::memory::MemoryDisk;

fn load(disk: &MemoryDisk, upto: u64) -> Result<(Catalogue, CatalogueFile), CatalogueError> {
    CatalogueFile::load(Arc::new(disk.clone()), upto)
}

/// Defines streams with the given names, and appends and syncs them.
fn write(catalogue: &mut Catalogue, file: &mut CatalogueFile, model: &mut Model, names: &[&str]) {
    for name in names {
        let stream = stream(&[("name", name)], name.len() as u8, Kind::Counter);
        model.insert(define(catalogue, &stream), stream);
    }
    file.append(catalogue).unwrap();
    file.sync().unwrap();
}

/// A log of two appends, with a place that was recycled and used again, and perhaps a snapshot between them.
fn written(has_snapshot: bool) -> (MemoryDisk, Model, u64) {
    let (disk, mut model) = (MemoryDisk::new(), Model::new());
    let (mut catalogue, mut file) = load(&disk, 0).unwrap();
    write(&mut catalogue, &mut file, &mut model, &["a", "bb", "ccc"]);
    if has_snapshot {
        assert!(file.snapshot(&catalogue).unwrap());
    }
    catalogue.recycle(&[1, 2].into());
    model.remove(&1);
    model.remove(&2);
    write(&mut catalogue, &mut file, &mut model, &["ccc", "dddd"]);
    (disk, model, file.len())
}

fn copy(disk: &MemoryDisk) -> MemoryDisk {
    let other = MemoryDisk::new();
    other.create_dir(DIRECTORY).unwrap();
    for path in [LOG, SNAPSHOT] {
        if let Ok(file) = disk.open(path) {
            let new = other.create(path).unwrap();
            new.append(&read_all(&*file).unwrap()).unwrap();
            new.sync().unwrap();
        }
    }
    other.sync_dir(DIRECTORY).unwrap();
    other
}

#[derive(Clone, Debug)]
enum Verb {
    Do(Step),
    Append,
    Snapshot,
    Rewrite,
    Load,
}

fn any_verb() -> impl Strategy<Value = Verb> {
    prop_oneof![
        12 => any_step().prop_map(Verb::Do),
        2 => Just(Verb::Append),
        1 => Just(Verb::Snapshot),
        1 => Just(Verb::Rewrite),
        1 => Just(Verb::Load),
    ]
}

proptest! {
    #[test]
    fn places_come_back_exactly_as_they_were(verbs in prop::collection::vec(any_verb(), 0..80)) {
        let (disk, mut model) = (MemoryDisk::new(), Model::new());
        let (mut catalogue, mut file) = load(&disk, 0).unwrap();
        for verb in verbs.iter().chain([&Verb::Append, &Verb::Load]) {
            if !matches!(verb, Verb::Do(_)) {
                file.append(&mut catalogue).unwrap();
                file.sync().unwrap();
            }
            match verb {
                Verb::Do(step) => run(&mut catalogue, &mut model, step),
                Verb::Append => {}
                Verb::Snapshot => assert!(file.snapshot(&catalogue).unwrap()),
                Verb::Rewrite => assert!(file.rewrite(&catalogue, file.len()).unwrap()),
                Verb::Load => {
                    disk.lose_power(0);
                    let len = file.len();
                    (catalogue, file) = load(&disk, len).unwrap();
                    prop_assert_eq!(file.len(), len);
                    assert_same(&catalogue, &model);
                }
            }
        }
    }
}

#[test]
fn what_lies_beyond_the_named_length_is_forgotten_wherever_it_was_torn() {
    let (disk, model, upto) = written(true);
    let (mut catalogue, mut file) = load(&disk, upto).unwrap();
    assert!(file.snapshot(&catalogue).unwrap());
    let mut lost = model.clone();
    catalogue.recycle(&[0].into());
    write(&mut catalogue, &mut file, &mut lost, &["eeeee"]);
    assert!(file.snapshot(&catalogue).unwrap());
    for len in upto..=file.len() {
        let torn = copy(&disk);
        torn.open(LOG).unwrap().truncate(len).unwrap();
        let (mut catalogue, mut file) = load(&torn, upto).unwrap();
        assert_same(&catalogue, &model);
        assert_eq!(torn.file_len(LOG), Some(upto as usize));
        let mut other = model.clone();
        write(&mut catalogue, &mut file, &mut other, &["f", "gg", "hhh", "iiii"]);
        torn.lose_power(0);
        assert_same(&load(&torn, file.len()).unwrap().0, &other);
    }
}

#[test]
fn a_log_shorter_than_was_promised_is_told() {
    let (disk, _, upto) = written(true);
    for len in (0..upto).step_by(7) {
        let torn = copy(&disk);
        torn.open(LOG).unwrap().truncate(len).unwrap();
        match load(&torn, upto).err().unwrap() {
            CatalogueError::Missing { upto: wanted, .. } => assert_eq!(wanted, upto),
            error => assert!(matches!(error, CatalogueError::Rot { offset: 0 }) && len < HEADER_BYTES),
        }
    }
    assert!(matches!(load(&MemoryDisk::new(), 50), Err(CatalogueError::Missing { .. })));
}

#[test]
fn a_flipped_bit_is_told_with_its_place_or_does_no_harm() {
    for has_snapshot in [false, true] {
        let (disk, model, upto) = written(has_snapshot);
        for offset in 0..upto as usize {
            let bad = copy(&disk);
            assert!(bad.rot(LOG, offset, 1 << (offset % 8)));
            match load(&bad, upto) {
                Ok((catalogue, _)) => assert_same(&catalogue, &model),
                Err(CatalogueError::Rot { offset: found }) => assert!(found <= offset as u64),
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn without_a_snapshot_no_flipped_bit_goes_unseen() {
    let (disk, _, upto) = written(false);
    for offset in 0..upto as usize {
        let bad = copy(&disk);
        assert!(bad.rot(LOG, offset, 0x10));
        assert!(matches!(load(&bad, upto), Err(CatalogueError::Rot { .. })), "{offset}");
    }
}

#[test]
fn a_damaged_snapshot_falls_back_to_the_log() {
    let (disk, model, upto) = written(true);
    let (catalogue, mut file) = load(&disk, upto).unwrap();
    assert!(file.snapshot(&catalogue).unwrap());
    for offset in 0..disk.file_len(SNAPSHOT).unwrap() {
        let bad = copy(&disk);
        assert!(bad.rot(SNAPSHOT, offset, 1 << (offset % 8)));
        assert_same(&load(&bad, upto).unwrap().0, &model);
        let torn = copy(&disk);
        torn.open(SNAPSHOT).unwrap().truncate(offset as u64).unwrap();
        assert_same(&load(&torn, upto).unwrap().0, &model);
    }
}

#[test]
fn a_snapshot_alone_needs_no_block_before_it() {
    let (disk, model, upto) = written(true);
    let (catalogue, mut file) = load(&disk, upto).unwrap();
    assert!(file.snapshot(&catalogue).unwrap());
    assert!(disk.rot(LOG, HEADER_BYTES as usize + 20, 1));
    assert_same(&load(&disk, upto).unwrap().0, &model);
}

#[test]
fn a_power_loss_during_any_verb_leaves_what_was_named() {
    let (disk, mut model) = (MemoryDisk::new(), Model::new());
    let (mut catalogue, mut file) = load(&disk, 0).unwrap();
    for round in 0..6 {
        write(&mut catalogue, &mut file, &mut model, &["a", "b", &"x".repeat(round)]);
        let named = file.len();
        define(&mut catalogue, &stream(&[("name", "unsynced")], 9, Kind::Gauge));
        file.append(&mut catalogue).unwrap();
        disk.lose_power(round * 7);
        (catalogue, file) = load(&disk, named).unwrap();
        assert_same(&catalogue, &model);
        assert_eq!(file.len(), named);
        if round % 2 == 0 {
            assert!(file.snapshot(&catalogue).unwrap());
        } else {
            assert!(file.rewrite(&catalogue, named).unwrap());
        }
    }
}

#[test]
fn a_full_disk_costs_the_append_and_nothing_else() {
    let (disk, model, upto) = written(false);
    let (mut catalogue, mut file) = load(&disk, upto).unwrap();
    let mut more = model.clone();
    let new = stream(&[("name", "new")], 1, Kind::Gauge);
    more.insert(define(&mut catalogue, &new), new);
    for room in 0..20 {
        // The bound is on all bytes ever appended: each try leaves one more behind.
        disk.set_bytes_max(Some(upto + room));
        assert!(file.append(&mut catalogue).is_err());
        assert_eq!(file.len(), upto);
    }
    assert!(disk.file_len(LOG) > Some(upto as usize), "nothing was left behind");
    disk.set_bytes_max(None);
    file.append(&mut catalogue).unwrap();
    assert_eq!(disk.file_len(LOG), Some(file.len() as usize));
    file.sync().unwrap();
    assert_same(&load(&disk, file.len()).unwrap().0, &more);
}

#[test]
fn a_log_written_anew_is_short_and_asks_for_its_own_length() {
    let (disk, mut model) = (MemoryDisk::new(), Model::new());
    let (mut catalogue, mut file) = load(&disk, 0).unwrap();
    for n in 0..50 {
        write(&mut catalogue, &mut file, &mut model, &[&format!("series-{n}")]);
        catalogue.recycle(&[0].into());
        model.clear();
    }
    assert!(!file.rewrite(&catalogue, file.len()).unwrap(), "there is something to append");
    write(&mut catalogue, &mut file, &mut model, &["last"]);
    assert!(!file.rewrite(&catalogue, file.len() - 1).unwrap(), "the manifest names less");
    let (len, bytes) = (file.len(), disk.file_len(LOG).unwrap());
    assert!(file.rewrite(&catalogue, len).unwrap());
    assert!(disk.file_len(LOG).unwrap() < bytes / 10);
    assert!(matches!(load(&disk, len - 1), Err(CatalogueError::Missing { .. })));
    assert_same(&load(&disk, len).unwrap().0, &model);
}

/// A log of one block: two streams of a series with a writer each, of which the first was recycled.
const GOLDEN_LOG: &str = "5348434c010000001c000000000000001c00000000000000dfdeb45f3000000024000000b3030e9e5b02000001070100\
    d004085f5f6e616d655f5f016d040900b00178010105000200010203";
/// The same as a snapshot.
const GOLDEN_SNAPSHOT: &str = "53484353010000004c00000000000000be4937ac04080104015f5f6e616d655f5f6d6e616d657801270f5affcd007797\
    eccf966004a52da6123a30000001000000000000001000000000000502000102030200123a3000000100000000000000\
    1000000000000101000002123a3000000100000000000000100000000000010300000107070707070707070707070707\
    07070702000500000000000000000000000000000000";

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[test]
fn the_golden_files_are_read_and_the_snapshot_is_written_alike() {
    let (disk, mut model) = (MemoryDisk::new(), Model::new());
    model.insert(1, stream(&[("name", "x")], 7, Kind::Gauge));
    disk.create_dir(DIRECTORY).unwrap();
    disk.create(LOG).unwrap().append(&bytes(GOLDEN_LOG)).unwrap();
    let (catalogue, mut file) = load(&disk, GOLDEN_LOG.len() as u64 / 2).unwrap();
    assert_same(&catalogue, &model);
    assert!(file.snapshot(&catalogue).unwrap());
    assert_eq!(read_all(&*disk.open(SNAPSHOT).unwrap()).unwrap(), bytes(GOLDEN_SNAPSHOT));
    assert_same(&load(&disk, file.len()).unwrap().0, &model);
}

#[test]
fn equal_catalogues_have_equal_bytes() {
    let bytes = |_| {
        let (disk, _, upto) = written(true);
        let (catalogue, mut file) = load(&disk, upto).unwrap();
        assert!(file.snapshot(&catalogue).unwrap());
        [LOG, SNAPSHOT].map(|path| read_all(&*disk.open(path).unwrap()).unwrap())
    };
    let [one, other] = [0, 1].map(bytes);
    assert_eq!(one, other);
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut header = [0; block::HEADER_BYTES];
        let raw = lz4_flex::block::compress(&bytes);
        header[..4].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&header[..8]), &raw);
        header[8..].copy_from_slice(&checksum.to_le_bytes());
        let _ = block::apply(&mut Catalogue::default(), &header, &raw);
        let mut snapshot = b"SHCS\x01\0\0\0\0\0\0\0\0\0\0\0".to_vec();
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&snapshot), &bytes);
        snapshot.extend_from_slice(&checksum.to_le_bytes());
        snapshot.extend_from_slice(&bytes);
        if let Ok((_, catalogue)) = snapshot::decode(&snapshot) {
            catalogue.select(&[]);
        }
    }

    #[test]
    fn a_snapshot_changed_by_a_liar_never_panics(offset in 20..400_usize, byte: u8) {
        let (disk, ..) = written(true);
        let mut bytes = read_all(&*disk.open(SNAPSHOT).unwrap()).unwrap();
        let index = 20 + offset % (bytes.len() - 20);
        bytes[index] = byte;
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&bytes[..16]), &bytes[20..]);
        bytes[16..20].copy_from_slice(&checksum.to_le_bytes());
        if let Ok((_, mut catalogue)) = snapshot::decode(&bytes) {
            catalogue.select(&[]);
            define(&mut catalogue, &stream(&[("name", "new")], 1, Kind::Gauge));
            catalogue.recycle(&[0, 1, 2, 3].into());
        }
    }
}

#[test]
fn a_snapshot_is_not_taken_while_definitions_wait_to_be_appended() {
    let disk = Arc::new(MemoryDisk::new());
    let (mut catalogue, mut file) = CatalogueFile::load(disk, 0).unwrap();
    let stream = shoal_model::Stream {
        labels: shoal_model::Labels::new([("__name__", "late")]).unwrap(),
        writer: shoal_model::Writer::NONE,
        kind: shoal_model::Kind::Gauge,
    };
    catalogue.define(&stream, &stream.id());
    assert!(!file.snapshot(&catalogue).unwrap());
    file.append(&mut catalogue).unwrap();
    assert!(file.snapshot(&catalogue).unwrap());
}

#[test]
fn what_a_failed_sync_left_in_doubt_is_written_again() {
    let disk = MemoryDisk::new();
    let (mut catalogue, mut file) = CatalogueFile::load(Arc::new(disk.clone()), 0).unwrap();
    let labels = shoal_model::Labels::new([("__name__", "x")]).unwrap();
    let stream = shoal_model::Stream { labels, writer: shoal_model::Writer::NONE, kind: Kind::Gauge };
    catalogue.define(&stream, &stream.id());
    file.append(&mut catalogue).unwrap();
    disk.set_sync_fails(true);
    assert!(file.sync().is_err());
    disk.set_sync_fails(false);
    file.append(&mut catalogue).unwrap();
    file.sync().unwrap();
    disk.lose_power(0);
    let (again, _) = CatalogueFile::load(Arc::new(disk), file.len()).unwrap();
    assert_eq!(again.stream(0), Some(stream));
}
