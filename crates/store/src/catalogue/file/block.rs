//! One block of the definitions log: which places changed, and what stands there now. A block brings its own
//! texts and writers, so it says the same whatever was tidied up or lost around it. Layout:
//! `docs/formats/catalogue.md`.

use hashbrown::HashMap;
use roaring::RoaringBitmap;
use shoal_model::limits::LABELS_MAX;
use shoal_model::{Kind, Labels, Stream, Writer};

use crate::bytes::{Malformed, Reader, put_block, put_varint};
use crate::catalogue::Catalogue;

/// Raw length, stored length and checksum.
pub(super) const HEADER_BYTES: usize = 12;

/// Streams in one block: about two megabytes before compression.
const STREAMS_MAX: usize = 1 << 16;

/// No run of bytes becomes longer than this many times itself in LZ4.
const EXPANSION_MAX: usize = 255;

/// Blocks that tell what now stands at the given places.
pub(super) fn encode(catalogue: &Catalogue, places: &RoaringBitmap) -> Vec<u8> {
    let live: Vec<u32> = places.iter().filter(|place| catalogue.kind(*place).is_some()).collect();
    let mut out = Vec::new();
    let mut first = Some(places);
    let none = RoaringBitmap::new();
    for chunk in live.chunks(STREAMS_MAX).chain(live.is_empty().then_some(&[][..])) {
        put_compressed(&mut out, &encode_one(catalogue, first.take().unwrap_or(&none), chunk));
    }
    out
}

fn put_compressed(out: &mut Vec<u8>, raw: &[u8]) {
    let stored = lz4_flex::block::compress(raw);
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend_from_slice(&(raw.len() as u32).to_le_bytes());
    header.extend_from_slice(&(stored.len() as u32).to_le_bytes());
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&header), &stored);
    header.extend_from_slice(&checksum.to_le_bytes());
    out.extend_from_slice(&header);
    out.extend_from_slice(&stored);
}

fn encode_one(catalogue: &Catalogue, touched: &RoaringBitmap, defined: &[u32]) -> Vec<u8> {
    let (mut texts, mut writers) = (Numbered::default(), Numbered::default());
    let mut streams = Vec::with_capacity(defined.len() * 32);
    let mut next = 0;
    for place in defined {
        let stream =
            (catalogue.streams.series(*place), catalogue.streams.writer(*place), catalogue.kind(*place));
        let (Some(series), Some(writer), Some(kind)) = stream else { continue };
        put_varint(&mut streams, u64::from(place - next));
        next = place + 1;
        streams.push(kind as u8);
        put_varint(&mut streams, writers.number(writer));
        let pairs: Vec<(u32, u32)> = catalogue.series.pairs(series).collect();
        put_varint(&mut streams, pairs.len() as u64);
        for symbol in pairs.into_iter().flat_map(|(name, value)| [name, value]) {
            put_varint(&mut streams, texts.number(symbol));
        }
    }
    let mut out = Vec::with_capacity(streams.len() * 2);
    put_places(&mut out, touched);
    put_varint(&mut out, writers.order.len() as u64);
    writers.order.iter().for_each(|writer| out.extend_from_slice(&writer.0));
    put_varint(&mut out, texts.order.len() as u64);
    texts.order.iter().for_each(|symbol| put_block(&mut out, catalogue.symbols.text(*symbol).as_bytes()));
    put_varint(&mut out, defined.len() as u64);
    out.extend_from_slice(&streams);
    out
}

/// Each place as the count of untouched ones before it: a run of new places is a run of zeros.
fn put_places(out: &mut Vec<u8>, places: &RoaringBitmap) {
    put_varint(out, places.len());
    let mut next = 0;
    for place in places {
        put_varint(out, u64::from(place - next));
        next = place + 1;
    }
}

/// Numbers things in the order in which they are first met.
struct Numbered<T> {
    numbers: HashMap<T, u64>,
    order: Vec<T>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { numbers: HashMap::new(), order: Vec::new() }
    }
}

impl<T: Copy + Eq + std::hash::Hash> Numbered<T> {
    fn number(&mut self, thing: T) -> u64 {
        let Self { numbers, order } = self;
        *numbers.entry(thing).or_insert_with(|| {
            order.push(thing);
            order.len() as u64 - 1
        })
    }
}

/// The length of the stored bytes that follow a header.
pub(super) fn stored_len(header: &[u8; HEADER_BYTES]) -> u32 {
    let mut reader = Reader::new(header);
    let lengths = reader.u32().and_then(|_| reader.u32());
    lengths.unwrap_or_default()
}

/// Whether a block's checksum is right.
pub(super) fn is_sound(header: &[u8; HEADER_BYTES], stored: &[u8]) -> bool {
    let [lengths @ .., a, b, c, d] = header;
    crc32c::crc32c_append(crc32c::crc32c(lengths), stored) == u32::from_le_bytes([*a, *b, *c, *d])
}

/// Checks a block and makes what it tells true in a catalogue. After an error the catalogue is of no use.
pub(super) fn apply(
    catalogue: &mut Catalogue,
    header: &[u8; HEADER_BYTES],
    stored: &[u8],
) -> Result<(), Malformed> {
    let mut reader = Reader::new(header);
    let (raw_len, _, checksum) = (reader.u32()? as usize, reader.u32()?, reader.u32()?);
    let lengths = header.get(..8).ok_or(Malformed)?;
    if crc32c::crc32c_append(crc32c::crc32c(lengths), stored) != checksum
        || raw_len / EXPANSION_MAX > stored.len()
    {
        return Err(Malformed);
    }
    let raw = lz4_flex::block::decompress(stored, raw_len).map_err(|_| Malformed)?;
    let mut reader = Reader::new(&raw);
    take_places(catalogue, &mut reader)?;
    take_streams(catalogue, &mut reader)?;
    if reader.is_empty() { Ok(()) } else { Err(Malformed) }
}

/// Frees the places that changed. New places follow on the last one without a gap.
fn take_places(catalogue: &mut Catalogue, reader: &mut Reader<'_>) -> Result<(), Malformed> {
    let mut leaving = RoaringBitmap::new();
    let mut next = 0_u32;
    for _ in 0..reader.varint()? {
        let place = next.checked_add(reader.varint32()?).ok_or(Malformed)?;
        next = place.checked_add(1).ok_or(Malformed)?;
        if place > catalogue.streams.places() {
            return Err(Malformed);
        }
        if place == catalogue.streams.places() {
            catalogue.streams.add_place();
        } else if catalogue.kind(place).is_some() {
            leaving.insert(place);
        }
    }
    catalogue.free(&leaving);
    Ok(())
}

fn take_streams(catalogue: &mut Catalogue, reader: &mut Reader<'_>) -> Result<(), Malformed> {
    let writers = take_writers(reader)?;
    let texts = take_texts(reader)?;
    let mut next = 0_u32;
    for _ in 0..reader.varint()? {
        let place = next.checked_add(reader.varint32()?).ok_or(Malformed)?;
        next = place.checked_add(1).ok_or(Malformed)?;
        let kind = Kind::from_code(reader.u8()?).ok_or(Malformed)?;
        let writer = *writers.get(reader.count()?).ok_or(Malformed)?;
        let stream = Stream { labels: take_labels(&texts, reader)?, writer, kind };
        let id = stream.id();
        let is_free = place < catalogue.streams.places() && catalogue.kind(place).is_none();
        if !is_free || catalogue.place(&id).is_some() {
            return Err(Malformed);
        }
        catalogue.put(place, &stream.labels, &id);
    }
    Ok(())
}

fn take_writers(reader: &mut Reader<'_>) -> Result<Vec<Writer>, Malformed> {
    let count = reader.count()?;
    let mut bytes = Reader::new(reader.bytes(count.checked_mul(16).ok_or(Malformed)?)?);
    (0..count).map(|_| bytes.array().map(Writer)).collect()
}

fn take_texts<'a>(reader: &mut Reader<'a>) -> Result<Vec<&'a str>, Malformed> {
    let count = reader.count()?;
    if count > reader.rest().len() {
        return Err(Malformed);
    }
    (0..count).map(|_| str::from_utf8(reader.block()?).map_err(|_| Malformed)).collect()
}

fn take_labels(texts: &[&str], reader: &mut Reader<'_>) -> Result<Labels, Malformed> {
    let count = reader.count()?;
    if count > LABELS_MAX {
        return Err(Malformed);
    }
    let mut text = || texts.get(reader.count()?).copied().ok_or(Malformed);
    let pairs: Vec<(&str, &str)> = (0..count).map(|_| Ok((text()?, text()?))).collect::<Result<_, _>>()?;
    Labels::new(pairs).map_err(|_| Malformed)
}
