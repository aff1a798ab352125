//! One conformance suite for every disk, and the faults of the one in memory.

use super::*;

fn conforms(disk: &dyn Disk) {
    disk.create_dir("d").unwrap();
    assert!(disk.list("nowhere").unwrap().is_empty());
    let file = disk.create("d/b").unwrap();
    assert_eq!(disk.create("d/b").err().map(|e| e.kind()), Some(io::ErrorKind::AlreadyExists));
    assert_eq!(disk.open("d/none").err().map(|e| e.kind()), Some(io::ErrorKind::NotFound));
    file.append(b"hello").unwrap();
    file.append(b" there").unwrap();
    let mut word = [0; 5];
    file.read_at(6, &mut word).unwrap();
    assert_eq!(&word, b"there");
    assert_eq!(file.read_at(7, &mut word).err().map(|e| e.kind()), Some(io::ErrorKind::UnexpectedEof));
    file.truncate(5).unwrap();
    file.append(b"!").unwrap();
    file.sync().unwrap();
    assert_eq!(read_all(&*disk.open("d/b").unwrap()).unwrap(), b"hello!");
    disk.rename("d/b", "d/a").unwrap();
    disk.create("d/c").unwrap();
    disk.sync_dir("d").unwrap();
    assert_eq!(
        (disk.list("d").unwrap(), disk.list("").unwrap()),
        (vec!["a".into(), "c".into()], vec!["d".into()])
    );
    disk.link("d/a", "d/e").unwrap();
    assert_eq!(disk.link("d/a", "d/c").err().map(|e| e.kind()), Some(io::ErrorKind::AlreadyExists));
    assert_eq!(disk.link("d/none", "d/f").err().map(|e| e.kind()), Some(io::ErrorKind::NotFound));
    disk.remove("d/a").unwrap();
    assert_eq!(read_all(&*disk.open("d/e").unwrap()).unwrap(), b"hello!");
    disk.rename("d/e", "d/a").unwrap();
    disk.remove("d/c").unwrap();
    assert_eq!(disk.list("d").unwrap(), ["a"]);
    replace(disk, "NOTE", b"one").unwrap();
    replace(disk, "NOTE", b"two").unwrap();
    assert_eq!(read_all(&*disk.open("NOTE").unwrap()).unwrap(), b"two");
}

#[test]
fn the_disk_in_memory_conforms() {
    conforms(&memory::MemoryDisk::new());
}

#[test]
fn the_real_disk_conforms() {
    let root = tempfile::tempdir().unwrap();
    conforms(&real::RealDisk::new(root.path()));
}

#[test]
fn power_loss_takes_what_was_not_synced() {
    let disk = memory::MemoryDisk::new();
    let file = disk.create("kept").unwrap();
    file.append(b"synced").unwrap();
    file.sync().unwrap();
    disk.sync_dir("").unwrap();
    file.append(b"-unsynced").unwrap();
    disk.create("nameless").unwrap();
    disk.lose_power(3);
    assert_eq!(read_all(&*disk.open("kept").unwrap()).unwrap(), b"synced-un");
    assert!(disk.open("nameless").is_err());
}

#[test]
fn a_full_disk_takes_what_fits_and_fails() {
    let disk = memory::MemoryDisk::new();
    let file = disk.create("f").unwrap();
    disk.set_bytes_max(Some(4));
    assert_eq!(file.append(b"123456").err().map(|e| e.kind()), Some(io::ErrorKind::StorageFull));
    assert_eq!(file.len().unwrap(), 4);
}

#[test]
fn names_are_lost_or_kept_one_by_one() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..64 {
        let disk = memory::MemoryDisk::new();
        make_dir(&disk, "d").unwrap();
        disk.create("d/old").unwrap();
        disk.sync_dir("d").unwrap();
        disk.create("d/new").unwrap();
        disk.rename("d/old", "d/moved").unwrap();
        disk.lose_power_by(seed);
        seen.insert(disk.list("d").unwrap());
    }
    assert_eq!(seen.len(), 8, "any of three names: {seen:?}");
}

#[test]
fn an_unsynced_tail_is_lost_torn_or_kept_in_pages() {
    let (mut lengths, mut has_gap) = (std::collections::BTreeSet::new(), false);
    for seed in 0..64 {
        let disk = memory::MemoryDisk::new();
        let file = disk.create("f").unwrap();
        file.append(&[1; 100]).unwrap();
        file.sync().unwrap();
        disk.sync_dir("").unwrap();
        file.append(&[2; 400]).unwrap();
        disk.lose_power_by(seed);
        let left = read_all(&*disk.open("f").unwrap()).unwrap();
        assert_eq!(left[..100], [1; 100], "what was synced stays");
        lengths.insert(left.len());
        has_gap |= left.windows(2).any(|pair| pair == [0, 2]);
    }
    assert!(has_gap && lengths.contains(&100) && lengths.len() > 10, "{lengths:?}");
}

#[test]
fn what_a_failed_sync_was_to_write_no_later_one_writes() {
    let disk = memory::MemoryDisk::new();
    let file = disk.create("f").unwrap();
    disk.sync_dir("").unwrap();
    file.append(b"lost").unwrap();
    disk.set_sync_fails(true);
    assert!(file.sync().is_err());
    disk.set_sync_fails(false);
    file.append(b"kept").unwrap();
    file.sync().unwrap();
    assert_eq!(read_all(&*file).unwrap(), b"lostkept");
    disk.lose_power(0);
    assert_eq!(read_all(&*disk.open("f").unwrap()).unwrap(), b"\0\0\0\0kept");
}

#[test]
fn after_a_stop_nothing_is_written_and_all_can_be_read() {
    let disk = memory::MemoryDisk::new();
    let file = disk.create("f").unwrap();
    disk.trouble_after(disk.operations() + 1, memory::Trouble::Stop);
    file.append(b"before").unwrap();
    assert!(file.append(b"during").is_err() && file.append(b"after").is_err());
    assert!(disk.create("g").is_err() && disk.remove("f").is_err() && disk.sync_dir("").is_err());
    assert_eq!(read_all(&*file).unwrap(), b"beforedur");
    disk.end_trouble();
    assert!(disk.create("g").is_ok());
}
