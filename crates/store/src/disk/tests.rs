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
