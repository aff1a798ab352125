//! The catalogue's arrays and sets as they stand in memory, so that a start need not build them from the log.
//! A snapshot is a convenience: where one bit of it is wrong, the log is read instead. Layout:
//! `docs/formats/catalogue.md`.

use hashbrown::HashMap;
use roaring::RoaringBitmap;
use shoal_model::limits::LABELS_MAX;
use shoal_model::{Kind, SeriesId, Writer};

use crate::bytes::{Malformed, Reader, put_varint};
use crate::catalogue::Catalogue;
use crate::catalogue::postings::{Posting, Postings, Values};
use crate::catalogue::series::SeriesTable;
use crate::catalogue::streams::{FREE, Streams};
use crate::catalogue::symbols::Symbols;

const MAGIC: [u8; 8] = *b"SHCS\x01\0\0\0";

/// Magic, length of the log, checksum.
const HEADER_BYTES: usize = 20;

/// The snapshot of a catalogue that the log tells up to `log_len`.
pub(super) fn encode(catalogue: &Catalogue, log_len: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + catalogue.series.ids.len() * 80);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&log_len.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    put_symbols(&mut out, &catalogue.symbols);
    put_series(&mut out, &catalogue.series, &catalogue.postings.all);
    put_postings(&mut out, &catalogue.postings);
    put_streams(&mut out, catalogue);
    let (header, body) = out.split_at_mut(HEADER_BYTES);
    let (covered, own) = header.split_at_mut(HEADER_BYTES - 4);
    own.copy_from_slice(&crc32c::crc32c_append(crc32c::crc32c(covered), body).to_le_bytes());
    out
}

/// The length of the log that a snapshot stands for, and the catalogue.
pub(super) fn decode(bytes: &[u8]) -> Result<(u64, Catalogue), Malformed> {
    let mut reader = Reader::new(bytes);
    let (magic, log_len, checksum) = (reader.array()?, reader.u64()?, reader.u32()?);
    let covered = bytes.get(..HEADER_BYTES - 4).ok_or(Malformed)?;
    if magic != MAGIC || crc32c::crc32c_append(crc32c::crc32c(covered), reader.rest()) != checksum {
        return Err(Malformed);
    }
    let symbols = take_symbols(&mut reader)?;
    let (series, all) = take_series(&mut reader, &symbols)?;
    let postings = take_postings(&mut reader, all, &symbols, series.ids.len())?;
    let streams = take_streams(&mut reader, &postings.all)?;
    if !reader.is_empty() {
        return Err(Malformed);
    }
    Ok((
        log_len,
        Catalogue { symbols, series, postings, streams, touched: RoaringBitmap::new(), revision: 0 },
    ))
}

fn put_symbols(out: &mut Vec<u8>, symbols: &Symbols) {
    put_varint(out, symbols.len() as u64);
    for symbol in 0..symbols.len() as u32 {
        put_varint(out, symbols.text(symbol).len() as u64);
    }
    out.extend_from_slice(symbols.texts().as_bytes());
}

fn take_symbols(reader: &mut Reader<'_>) -> Result<Symbols, Malformed> {
    let count = reader.count()?;
    if count > reader.rest().len() {
        return Err(Malformed);
    }
    let lengths = (0..count).map(|_| reader.count()).collect::<Result<Vec<_>, _>>()?;
    let mut symbols = Symbols::default();
    symbols.reserve(count, 0);
    for len in lengths {
        symbols.push(str::from_utf8(reader.bytes(len)?).map_err(|_| Malformed)?);
    }
    Ok(symbols)
}

/// Free numbers keep a place among the identities, so that no bitmap can ask for more than the bytes hold.
fn put_series(out: &mut Vec<u8>, series: &SeriesTable, all: &RoaringBitmap) {
    put_varint(out, series.ids.len() as u64);
    series.ids.iter().for_each(|id| out.extend_from_slice(&id.0));
    put_set(out, all);
    let (dead, bytes) = series.dead_and_all_bytes();
    put_varint(out, (bytes - dead) as u64);
    all.iter().for_each(|number| out.extend_from_slice(series.encoded(number)));
}

fn take_series(
    reader: &mut Reader<'_>,
    symbols: &Symbols,
) -> Result<(SeriesTable, RoaringBitmap), Malformed> {
    let count = reader.count()?;
    let bytes = reader.bytes(count.checked_mul(16).ok_or(Malformed)?)?;
    let ids: Vec<SeriesId> = bytes.as_chunks().0.iter().map(|id| SeriesId(*id)).collect();
    let all = take_set(reader, count)?;
    let arena = reader.block()?;
    let mut labels = Reader::new(arena);
    let mut starts = vec![0; count];
    for number in &all {
        let start = starts.get_mut(number as usize).ok_or(Malformed)?;
        *start = (arena.len() - labels.rest().len()) as u64;
        let pairs = labels.count()?;
        if pairs > LABELS_MAX {
            return Err(Malformed);
        }
        for _ in 0..pairs * 2 {
            take_symbol(&mut labels, symbols)?;
        }
    }
    if !labels.is_empty() {
        return Err(Malformed);
    }
    Ok((SeriesTable::restore(ids, &all, arena.to_vec(), starts), all))
}

/// In order of symbols, so that equal catalogues have equal bytes.
fn put_postings(out: &mut Vec<u8>, postings: &Postings) {
    put_varint(out, postings.by_name.len() as u64);
    for (name, values) in in_order(&postings.by_name) {
        put_varint(out, u64::from(name));
        put_set(out, &values.present);
        put_varint(out, values.by_value.len() as u64);
        for (value, posting) in in_order(&values.by_value) {
            put_varint(out, u64::from(value));
            put_posting(out, posting);
        }
    }
}

fn in_order<T>(map: &HashMap<u32, T>) -> Vec<(u32, &T)> {
    let mut entries: Vec<(u32, &T)> = map.iter().map(|(symbol, entry)| (*symbol, entry)).collect();
    entries.sort_unstable_by_key(|(symbol, _)| *symbol);
    entries
}

/// A zero and the number for a set of one, else the set.
fn put_posting(out: &mut Vec<u8>, posting: &Posting) {
    match posting {
        Posting::One(series) => {
            out.push(0);
            put_varint(out, u64::from(*series));
        }
        Posting::Many(set) => put_set(out, set),
    }
}

fn take_postings(
    reader: &mut Reader<'_>,
    all: RoaringBitmap,
    symbols: &Symbols,
    series: usize,
) -> Result<Postings, Malformed> {
    let mut postings = Postings { all, ..Postings::default() };
    for _ in 0..reader.count()? {
        let name = take_symbol(reader, symbols)?;
        let mut values = Values { present: take_set(reader, series)?, ..Values::default() };
        let count = reader.count()?;
        values.by_value.reserve(count.min(reader.rest().len() / 3));
        for _ in 0..count {
            let value = take_symbol(reader, symbols)?;
            let posting = take_posting(reader, series)?;
            values.by_value.insert(value, posting);
        }
        postings.by_name.insert(name, values);
    }
    Ok(postings)
}

fn take_posting(reader: &mut Reader<'_>, series: usize) -> Result<Posting, Malformed> {
    if reader.rest().first() != Some(&0) {
        return take_set(reader, series).map(Posting::Many);
    }
    reader.u8()?;
    Ok(Posting::One(reader.varint32().ok().filter(|one| (*one as usize) < series).ok_or(Malformed)?))
}

fn put_streams(out: &mut Vec<u8>, catalogue: &Catalogue) {
    let streams = &catalogue.streams;
    put_varint(out, streams.writers.all().len() as u64);
    streams.writers.all().for_each(|writer| out.extend_from_slice(&writer.0));
    put_varint(out, u64::from(streams.places()));
    out.extend_from_slice(&streams.kind);
    for words in [&streams.series, &streams.writer] {
        words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
    }
}

fn take_streams(reader: &mut Reader<'_>, all: &RoaringBitmap) -> Result<Streams, Malformed> {
    let count = reader.count()?;
    let writers = reader.bytes(count.checked_mul(16).ok_or(Malformed)?)?;
    let writers: Vec<Writer> = writers.as_chunks().0.iter().map(|writer| Writer(*writer)).collect();
    let places = reader.count()?;
    let kinds = reader.bytes(places)?;
    let series = take_words(reader, places)?;
    let by = take_words(reader, places)?;
    let rows = kinds.iter().zip(&series).zip(&by);
    let is_sound = |((kind, series), writer): ((&u8, &u32), &u32)| {
        *kind == FREE
            || Kind::from_code(*kind).is_some() && all.contains(*series) && (*writer as usize) < writers.len()
    };
    if !rows.into_iter().all(is_sound) {
        return Err(Malformed);
    }
    Ok(Streams::restore(writers, series, by, kinds.to_vec()))
}

fn take_words(reader: &mut Reader<'_>, count: usize) -> Result<Vec<u32>, Malformed> {
    let bytes = reader.bytes(count.checked_mul(4).ok_or(Malformed)?)?;
    Ok(bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect())
}

fn take_symbol(reader: &mut Reader<'_>, symbols: &Symbols) -> Result<u32, Malformed> {
    reader.varint32().ok().filter(|symbol| (*symbol as usize) < symbols.len()).ok_or(Malformed)
}

/// A set with its length in front, which is never 0.
fn put_set(out: &mut Vec<u8>, set: &RoaringBitmap) {
    put_varint(out, set.serialized_size() as u64);
    set.serialize_into(out).expect("a vector takes every write");
}

/// A set of numbers below a bound.
fn take_set(reader: &mut Reader<'_>, bound: usize) -> Result<RoaringBitmap, Malformed> {
    let mut bytes = reader.block()?;
    let set = RoaringBitmap::deserialize_from(&mut bytes).map_err(|_| Malformed)?;
    let is_bounded = set.max().is_none_or(|max| (max as usize) < bound);
    if bytes.is_empty() && is_bounded { Ok(set) } else { Err(Malformed) }
}
