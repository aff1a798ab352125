//! The journal against a disk that loses power, tears writes and rots.

use std::sync::Arc;

use super::*;
use crate::disk::memory::MemoryDisk;

fn open(disk: &MemoryDisk) -> Recovered {
    Journal::open(Arc::new(disk.clone()), Position::default()).unwrap()
}

fn bodies(recovered: &Recovered) -> Vec<Bytes> {
    recovered.entries.iter().map(|entry| recovered.journal.read(entry.location).unwrap()).collect()
}

fn sync(journal: &mut Journal) {
    let job = journal.sync_job();
    job.run().unwrap();
    journal.commit(&Commit { synced: job.end(), head: FrameId { origin: Origin([1; 16]), seq: 2 } }).unwrap();
}

/// A disk with two synced records, a commit that a second sync made durable, and one unsynced record.
fn journal_with_a_tail() -> MemoryDisk {
    let disk = MemoryDisk::new();
    let mut journal = open(&disk).journal;
    journal.append(RecordKind::Table, b"first").unwrap();
    journal.append(RecordKind::Table, b"second").unwrap();
    sync(&mut journal);
    sync(&mut journal);
    journal.append(RecordKind::Table, b"unsynced").unwrap();
    disk
}

const SEGMENT: &str = "journal/0000000000000001.seg";

#[test]
fn what_was_written_is_recovered_and_a_new_segment_is_begun() {
    let disk = journal_with_a_tail();
    let recovered = open(&disk);
    assert_eq!(bodies(&recovered), ["first", "second", "unsynced"]);
    assert_eq!((recovered.cut_bytes, recovered.rot.len()), (0, 0));
    assert_eq!(recovered.heads, [FrameId { origin: Origin([1; 16]), seq: 2 }]);
    assert_eq!(recovered.journal.end.segment, 2);
}

#[test]
fn a_torn_tail_of_any_length_is_cut() {
    let whole = journal_with_a_tail().file_len(SEGMENT).unwrap();
    for kept in 0..=whole {
        let disk = journal_with_a_tail();
        disk.lose_power(kept);
        let recovered = open(&disk);
        assert_eq!(bodies(&recovered)[..2], ["first", "second"], "kept {kept}");
        assert!(recovered.rot.is_empty(), "kept {kept}");
        let again = open(&disk);
        assert_eq!(bodies(&again), bodies(&recovered));
        assert_eq!(again.cut_bytes, 0);
    }
}

#[test]
fn one_bad_byte_before_the_commit_is_rot_and_costs_one_record() {
    let disk = journal_with_a_tail();
    let synced = disk.file_len(SEGMENT).unwrap() - HEADER_BYTES - b"unsynced".len();
    let commits = 2 * (HEADER_BYTES + 40);
    for offset in SEGMENT_MAGIC.len()..synced - commits {
        let disk = journal_with_a_tail();
        assert!(disk.rot(SEGMENT, offset, 0x10));
        let recovered = open(&disk);
        let lost_one =
            bodies(&recovered).len() == 2 || offset < SEGMENT_MAGIC.len() + 2 * HEADER_BYTES + 16 + 40;
        assert!(lost_one, "offset {offset}: {:?}", bodies(&recovered));
        assert!(!recovered.rot.is_empty(), "offset {offset}");
        assert_eq!(recovered.cut_bytes, 0, "offset {offset}");
    }
}

#[test]
fn a_full_disk_appends_nothing_and_stays_readable() {
    let disk = MemoryDisk::new();
    let mut journal = open(&disk).journal;
    let first = journal.append(RecordKind::Table, b"first").unwrap();
    disk.set_bytes_max(Some(journal.end.offset + 10));
    assert!(journal.append(RecordKind::Table, b"no room for this").is_err());
    assert_eq!(journal.read(first).unwrap(), "first");
    disk.set_bytes_max(None);
    journal.append(RecordKind::Table, b"later").unwrap();
    assert_eq!(bodies(&open(&disk)), ["first", "later"]);
}

fn frame(seq: u64) -> Frame {
    let id = FrameId { origin: Origin([3; 16]), seq };
    Frame::encode(crate::frame::Header { id, table_len: 0, points: 0 }, &[]).unwrap()
}

#[test]
fn a_segment_that_cannot_be_begun_is_begun_later_and_nothing_is_forgotten() {
    for operation in 0..14 {
        let disk = MemoryDisk::new();
        let mut journal = open(&disk).journal;
        let mut seq = 0;
        while journal.end.offset < SEGMENT_BYTES {
            seq += 1;
            journal.append_frame(&frame(seq)).unwrap();
        }
        disk.trouble_after(disk.operations() + operation, crate::disk::memory::Trouble::Full);
        let _ = journal.append_frame(&frame(seq + 1));
        let _ = journal.append_frame(&frame(seq + 1));
        disk.end_trouble();
        journal.append_frame(&frame(seq + 1)).unwrap();
        assert_eq!(journal.end.segment, 2, "operation {operation}");
        assert!((1..=seq + 1).all(|seq| journal.find(frame(seq).id()).is_some()), "operation {operation}");
        let checkpoint = journal.end;
        let mut again = Journal::open(Arc::new(disk.clone()), checkpoint).unwrap().journal;
        assert!((1..=seq + 1).all(|seq| again.find(frame(seq).id()).is_some()), "operation {operation}");
    }
}

#[test]
fn what_is_written_after_a_checkpoint_never_lies_before_it() {
    let disk = MemoryDisk::new();
    let checkpoint = Position { segment: 5, offset: 900 };
    let recovered = Journal::open(Arc::new(disk.clone()), checkpoint).unwrap();
    assert!(recovered.journal.end > checkpoint);
}

#[test]
fn rot_in_what_a_past_life_left_is_never_a_tear() {
    let disk = MemoryDisk::new();
    open(&disk).journal.append(RecordKind::Table, b"first").unwrap();
    open(&disk);
    disk.lose_power(0);
    let last = disk.file_len(SEGMENT).unwrap() - 1;
    assert!(disk.rot(SEGMENT, last, 1));
    let recovered = open(&disk);
    assert_eq!((recovered.cut_bytes, recovered.rot.len()), (0, 1));
}

#[test]
fn what_a_failed_sync_left_in_the_cache_is_durable_after_the_next_start() {
    let disk = MemoryDisk::new();
    let mut journal = open(&disk).journal;
    journal.append(RecordKind::Table, b"first").unwrap();
    disk.set_sync_fails(true);
    assert!(journal.sync_job().run().is_err());
    disk.set_sync_fails(false);
    assert_eq!(bodies(&open(&disk)), ["first"]);
    disk.lose_power(0);
    assert_eq!(bodies(&open(&disk)), ["first"]);
}
