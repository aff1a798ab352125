//! What is told beside points: what metrics mean, and exemplars. Both come in frames like points, and join by union
//! with a bound: of too much, all nodes keep the same newest. They are kept in memory; a flush writes all of them to
//! one file, so that a start reads there what its journal does not repeat. Layout: `docs/formats/annotations.md`.

mod shared;

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use shoal_model::SeriesId;

use crate::bytes::{Malformed, Reader, put_block, put_signed, put_varint};
use crate::disk::{Disk, read_all, replace};
use crate::frame::{Record, Tag};

pub use shared::SharedAnnotations;

/// The file; where it is missing or damaged, a start has what its journal still holds.
pub(crate) const PATH: &str = "ANNOTATIONS";
const MAGIC: &[u8; 4] = b"SHA\x01";
/// Metric families that are described: Prometheus servers of large fleets know some thousands.
const FAMILIES_MAX: usize = 20_000;
/// Descriptions of one family, where versions of a program differ.
const DESCRIPTIONS_MAX: usize = 4;
/// Exemplars kept of all series together.
const EXEMPLARS_MAX: usize = 20_000;

/// What a metric family means.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Description {
    /// The type, as remote write numbers them: 0 unknown, counter, gauge, histogram, gauge histogram, summary, info,
    /// state set.
    pub kind: u8,
    /// The help text.
    pub help: String,
    /// The unit.
    pub unit: String,
}

/// An example of what was counted; ordered by time first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exemplar {
    /// When, in ms since 1970.
    pub time_ms: i64,
    /// The series that counted it.
    pub series: SeriesId,
    /// The bits of the value.
    pub value_bits: u64,
    /// Its own labels, such as a trace id.
    pub labels: Vec<(String, String)>,
}

/// A description with its family and when it was heard last, in ms.
pub type Described = (String, Description, i64);

/// All that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotations {
    families: BTreeMap<String, BTreeMap<Description, i64>>,
    exemplars: BTreeSet<Exemplar>,
    has_changed: bool,
}

impl Annotations {
    /// When a description was heard last.
    pub fn heard_ms(&self, family: &str, description: &Description) -> Option<i64> {
        self.families.get(family)?.get(description).copied()
    }

    /// The families in order of name, each with its descriptions, the newest first.
    pub fn families(&self) -> impl Iterator<Item = (&str, Vec<&Description>)> {
        self.families.iter().map(|(family, descriptions)| {
            let mut newest: Vec<_> = descriptions.iter().map(|(one, heard)| (-heard, one)).collect();
            newest.sort_unstable();
            (family.as_str(), newest.into_iter().map(|(_, one)| one).collect())
        })
    }

    /// The exemplars in order of time.
    pub fn exemplars(&self) -> impl Iterator<Item = &Exemplar> {
        self.exemplars.iter()
    }

    /// All of it as records of frames.
    pub fn records(&self) -> [(Tag, Vec<u8>); 2] {
        let of_family = |(family, descriptions): (&String, &BTreeMap<Description, i64>)| {
            let described = descriptions.iter().map(|(one, heard)| (family.clone(), one.clone(), *heard));
            described.collect::<Vec<Described>>()
        };
        let described: Vec<Described> = self.families.iter().flat_map(of_family).collect();
        [
            (Tag::METADATA, encode_descriptions(&described)),
            (Tag::EXEMPLARS, encode_exemplars(self.exemplars.iter())),
        ]
    }

    /// Joins a record of a frame in; one of another kind is none of ours.
    pub(crate) fn join(&mut self, record: &Record<'_>) -> Result<(), Malformed> {
        match record.tag {
            Tag::METADATA => decode_descriptions(record.body)?.into_iter().for_each(|one| self.describe(one)),
            Tag::EXEMPLARS => self.exemplars.extend(decode_exemplars(record.body)?),
            _ => return Ok(()),
        }
        while self.exemplars.len() > EXEMPLARS_MAX {
            self.exemplars.pop_first();
        }
        self.has_changed = true;
        Ok(())
    }

    fn describe(&mut self, (family, description, heard_ms): Described) {
        let descriptions = self.families.entry(family).or_default();
        let heard = descriptions.entry(description).or_insert(heard_ms);
        *heard = heard_ms.max(*heard);
        if descriptions.len() > DESCRIPTIONS_MAX {
            let oldest = descriptions.iter().map(|(one, heard)| (*heard, one)).min();
            let oldest = oldest.map(|(_, one)| one.clone());
            oldest.and_then(|oldest| descriptions.remove(&oldest));
        }
        if self.families.len() > FAMILIES_MAX {
            let heard = |descriptions: &BTreeMap<_, i64>| descriptions.values().max().copied();
            let oldest = self.families.iter().map(|(family, all)| (heard(all), family)).min();
            let oldest = oldest.map(|(_, family)| family.clone());
            oldest.and_then(|oldest| self.families.remove(&oldest));
        }
    }

    /// The file's bytes, if anything has changed since they were taken last.
    fn take_changed(&mut self) -> Option<Vec<u8>> {
        if !std::mem::take(&mut self.has_changed) {
            return None;
        }
        let described = self.families.iter().flat_map(|(family, all)| {
            all.iter().map(|(one, heard_ms)| (family.clone(), one.clone(), *heard_ms))
        });
        let described: Vec<Described> = described.collect();
        let mut body = Vec::new();
        put_block(&mut body, &encode_descriptions(&described));
        put_block(&mut body, &encode_exemplars(self.exemplars.iter()));
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&crc32c::crc32c(&body).to_le_bytes());
        out.extend_from_slice(&body);
        Some(out)
    }

    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        if reader.array::<4>()? != *MAGIC || reader.u32()? != crc32c::crc32c(reader.rest()) {
            return Err(Malformed);
        }
        let mut annotations = Self::default();
        for tag in [Tag::METADATA, Tag::EXEMPLARS] {
            annotations.join(&Record { tag, body: reader.block()? })?;
        }
        annotations.has_changed = false;
        if reader.is_empty() { Ok(annotations) } else { Err(Malformed) }
    }

    /// What the last flush wrote; nothing where that cannot be read.
    pub(crate) fn load(disk: &dyn Disk) -> io::Result<Self> {
        let file = match disk.open(PATH) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error),
        };
        Ok(Self::decode(&read_all(&*file)?).unwrap_or_else(|error| {
            tracing::error!(%error, "descriptions and exemplars before the checkpoint have rotted: they are forgotten");
            Self::default()
        }))
    }
}

impl SharedAnnotations {
    /// Writes all that is known, if anything has changed since.
    pub(crate) fn store(&self, disk: &dyn Disk) -> io::Result<()> {
        let Some(bytes) = self.write().take_changed() else { return Ok(()) };
        let stored = replace(disk, PATH, &bytes);
        if stored.is_err() {
            self.write().has_changed = true;
        }
        stored
    }
}

/// A metadata record's body.
pub fn encode_descriptions(described: &[Described]) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, described.len() as u64);
    for (family, Description { kind, help, unit }, heard_ms) in described {
        out.push(*kind);
        for text in [family, help, unit] {
            put_block(&mut out, text.as_bytes());
        }
        put_signed(&mut out, *heard_ms);
    }
    out
}

/// An exemplars record's body.
pub fn encode_exemplars<'a>(exemplars: impl ExactSizeIterator<Item = &'a Exemplar>) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, exemplars.len() as u64);
    for Exemplar { time_ms, series, value_bits, labels } in exemplars {
        out.extend_from_slice(&series.0);
        put_signed(&mut out, *time_ms);
        out.extend_from_slice(&value_bits.to_le_bytes());
        put_varint(&mut out, labels.len() as u64);
        for text in labels.iter().flat_map(|(name, value)| [name, value]) {
            put_block(&mut out, text.as_bytes());
        }
    }
    out
}

fn decode_descriptions(body: &[u8]) -> Result<Vec<Described>, Malformed> {
    let mut reader = Reader::new(body);
    let mut described = Vec::new();
    for _ in 0..reader.count()? {
        let kind = reader.u8()?;
        let family = take_text(&mut reader)?;
        let description = Description { kind, help: take_text(&mut reader)?, unit: take_text(&mut reader)? };
        described.push((family, description, reader.signed()?));
    }
    if reader.is_empty() { Ok(described) } else { Err(Malformed) }
}

fn decode_exemplars(body: &[u8]) -> Result<Vec<Exemplar>, Malformed> {
    let mut reader = Reader::new(body);
    let mut exemplars = Vec::new();
    for _ in 0..reader.count()? {
        let series = SeriesId(reader.array()?);
        let (time_ms, value_bits) = (reader.signed()?, reader.u64()?);
        let mut labels = Vec::new();
        for _ in 0..reader.count()? {
            labels.push((take_text(&mut reader)?, take_text(&mut reader)?));
        }
        exemplars.push(Exemplar { time_ms, series, value_bits, labels });
    }
    if reader.is_empty() { Ok(exemplars) } else { Err(Malformed) }
}

fn take_text(reader: &mut Reader<'_>) -> Result<String, Malformed> {
    String::from_utf8(reader.block()?.to_vec()).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests;
