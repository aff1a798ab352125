//! Any order and repetition of records gives the same annotations, they stay bounded, and a flush keeps them.

use std::sync::Arc;

use proptest::prelude::*;
use shoal_model::{Batch, Origin};

use super::*;
use crate::disk::memory::MemoryDisk;
use crate::store::{Options, Store};

fn described(family: &str, help: &str, heard_ms: i64) -> Described {
    (family.into(), Description { kind: 1, help: help.into(), unit: "s".into() }, heard_ms)
}

fn exemplar(time_ms: i64, series: u8) -> Exemplar {
    let labels = vec![("trace_id".to_owned(), format!("{time_ms:x}"))];
    Exemplar { time_ms, series: SeriesId([series; 16]), value_bits: 1.5_f64.to_bits(), labels }
}

fn joined(bodies: &[(Tag, Vec<u8>)]) -> Annotations {
    let mut annotations = Annotations::default();
    bodies.iter().for_each(|(tag, body)| annotations.join(&Record { tag: *tag, body }).unwrap());
    annotations
}

#[test]
fn too_much_leaves_the_newest() {
    let many: Vec<_> = (0..EXEMPLARS_MAX as i64 + 10).map(|time| exemplar(time, 1)).collect();
    let annotations = joined(&[(Tag::EXEMPLARS, encode_exemplars(many.iter()))]);
    assert_eq!(annotations.exemplars().map(|one| one.time_ms).min(), Some(10));
    let helps: Vec<_> = (0..9).map(|n| described("x", &n.to_string(), n)).collect();
    let annotations = joined(&[(Tag::METADATA, encode_descriptions(&helps))]);
    let (_, newest) = annotations.families().next().unwrap();
    assert_eq!(newest.iter().map(|one| one.help.as_str()).collect::<Vec<_>>(), ["8", "7", "6", "5"]);
}

#[test]
fn a_flush_keeps_what_the_journal_no_longer_repeats() {
    let disk = Arc::new(MemoryDisk::default());
    let mut store = Store::open(disk.clone(), Origin([1; 16]), Options::default()).unwrap().store;
    let help = encode_descriptions(&[described("x", "what x is", 7)]);
    let example = encode_exemplars([exemplar(5, 1)].iter());
    let records =
        [Record { tag: Tag::METADATA, body: &help }, Record { tag: Tag::EXEMPLARS, body: &example }];
    store.append(&Batch::default(), &records).unwrap();
    let before = store.view().annotations().clone();
    assert_eq!((before.families().count(), before.exemplars().count()), (1, 1));
    store.view().annotations.store(&*disk).unwrap();
    let kept = Annotations::load(&*disk).unwrap();
    assert_eq!(kept.exemplars().collect::<Vec<_>>(), [&exemplar(5, 1)]);
    assert_eq!(kept.heard_ms("x", &described("x", "what x is", 0).1), Some(7));
    drop(store);
    let again = Store::open(disk.clone(), Origin([2; 16]), Options::default()).unwrap().store;
    assert_eq!(again.view().annotations().exemplars().count(), 1);
}

proptest! {
    #[test]
    fn order_and_repetition_do_not_matter(times in prop::collection::vec((0_i64..9, 0_u8..3, 0_i64..9), 1..30)) {
        let bodies: Vec<_> = times.iter().flat_map(|(time, series, heard)| [
            (Tag::EXEMPLARS, encode_exemplars([exemplar(*time, *series)].iter())),
            (Tag::METADATA, encode_descriptions(&[described("x", &(time % 3).to_string(), *heard)])),
        ]).collect();
        let mut shuffled = bodies.clone();
        shuffled.reverse();
        shuffled.extend(bodies.clone());
        prop_assert_eq!(joined(&bodies), joined(&shuffled));
    }

    #[test]
    fn files_round_trip_and_hostile_bytes_never_panic(times in prop::collection::vec((any::<i64>(), any::<u8>()), 0..9), at: usize, byte: u8) {
        let exemplars: Vec<_> = times.iter().map(|(time, series)| exemplar(*time, *series)).collect();
        let mut annotations = joined(&[(Tag::EXEMPLARS, encode_exemplars(exemplars.iter()))]);
        let mut bytes = annotations.take_changed().unwrap();
        prop_assert_eq!(&Annotations::decode(&bytes).unwrap(), &annotations);
        let at = at % bytes.len();
        bytes[at] ^= byte | 1;
        prop_assert!(Annotations::decode(&bytes).is_err());
        let _ = decode_descriptions(&bytes);
        let _ = decode_exemplars(&bytes);
    }
}
