//! The base: of each counter stream whose points have passed the horizon, the greatest one, so that a merged counter
//! never falls because a window was unlinked. Joined by the greater, kept in memory, written as a whole.
//! Layout: `docs/formats/base.md`.

use std::io;
use std::sync::Arc;

use shoal_merge::order;
use shoal_model::Point;

use crate::bytes::{Malformed, Reader, put_signed, put_varint};
use crate::disk::{Disk, make_dir, read_all, replace_in};

/// The directory of base files.
pub(crate) const DIRECTORY: &str = "base";
/// Magic number and version.
const MAGIC: [u8; 8] = *b"SHT\x01\0\0\0\0";

/// The greatest points by place, ascending.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Base {
    points: Arc<Vec<(u32, Point)>>,
}

impl Base {
    /// The greatest point of a stream.
    pub fn get(&self, place: u32) -> Option<Point> {
        let at = self.points.binary_search_by_key(&place, |(place, _)| *place).ok()?;
        self.points.get(at).map(|(_, point)| *point)
    }

    /// The places that have points.
    pub fn places(&self) -> impl Iterator<Item = u32> + '_ {
        self.points.iter().map(|(place, _)| *place)
    }

    /// The join with more points, without those before a time.
    pub fn joined(&self, more: impl IntoIterator<Item = (u32, Point)>, from_ms: i64) -> Self {
        let mut points: Vec<_> = self.points.iter().copied().chain(more).collect();
        points.sort_by(|a, b| {
            let by_value = order::compare(b.1.value, a.1.value);
            a.0.cmp(&b.0).then(by_value).then(b.1.time.cmp(&a.1.time))
        });
        points.dedup_by_key(|(place, _)| *place);
        points.retain(|(_, point)| point.time >= from_ms);
        Self { points: Arc::new(points) }
    }

    /// Writes the base under a number, durably.
    pub fn save(&self, disk: &dyn Disk, number: u64) -> io::Result<()> {
        make_dir(disk, DIRECTORY)?;
        let mut out = MAGIC.to_vec();
        put_varint(&mut out, self.points.len() as u64);
        let mut previous = 0;
        for (place, point) in self.points.iter() {
            put_varint(&mut out, u64::from(place - previous));
            put_signed(&mut out, point.time);
            out.extend_from_slice(&point.value.to_bits().to_le_bytes());
            previous = *place;
        }
        let checksum = crc32c::crc32c(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        replace_in(disk, DIRECTORY, &path(number), &out).map(drop)
    }

    /// Reads the base with a number; 0 is the empty one.
    pub fn load(disk: &dyn Disk, number: u64) -> io::Result<Self> {
        if number == 0 {
            return Ok(Self::default());
        }
        let content = read_all(&*disk.open(&path(number))?)?;
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the file of ended counters is damaged");
        let (body, checksum) = content.split_last_chunk::<4>().ok_or_else(damaged)?;
        if crc32c::crc32c(body) != u32::from_le_bytes(*checksum) {
            return Err(damaged());
        }
        decode(body).map_err(|_| damaged())
    }

    /// Removes the files of lesser numbers; one with a greater number may be about to be named.
    pub fn remove_older(disk: &dyn Disk, number: u64) -> io::Result<()> {
        let files = disk.list(DIRECTORY)?.into_iter().map(|name| format!("{DIRECTORY}/{name}"));
        files.filter(|file| *file < path(number)).try_for_each(|file| disk.remove(&file))
    }
}

pub(crate) fn path(number: u64) -> String {
    format!("{DIRECTORY}/{number:016x}.base")
}

fn decode(body: &[u8]) -> Result<Base, Malformed> {
    let mut reader = Reader::new(body);
    if reader.array()? != MAGIC {
        return Err(Malformed);
    }
    let count = reader.count()?;
    if count > reader.rest().len() / 10 {
        return Err(Malformed);
    }
    let (mut points, mut place) = (Vec::with_capacity(count), 0_u32);
    for _ in 0..count {
        place = place.checked_add(reader.varint32()?).ok_or(Malformed)?;
        points.push((place, Point::new(reader.signed()?, f64::from_bits(reader.u64()?))));
    }
    if reader.is_empty() { Ok(Base { points: Arc::new(points) }) } else { Err(Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::memory::MemoryDisk;

    #[test]
    fn the_greatest_point_of_each_stream_stays_and_comes_back() {
        let base = Base::default()
            .joined([(3, Point::new(5, 2.0)), (1, Point::new(1, 1.0)), (3, Point::new(6, 2.0))], 0);
        let base = base.joined([(3, Point::new(9, 1.0)), (2, Point::new(-1, 9.0))], 0);
        assert_eq!(
            (base.get(3), base.get(2), base.get(1)),
            (Some(Point::new(6, 2.0)), None, Some(Point::new(1, 1.0)))
        );
        let disk = MemoryDisk::new();
        base.save(&disk, 7).unwrap();
        assert_eq!(Base::load(&disk, 7).unwrap(), base);
        assert_eq!(Base::load(&disk, 0).unwrap(), Base::default());
        assert!(disk.rot("base/0000000000000007.base", 12, 1));
        assert!(Base::load(&disk, 7).is_err());
    }
}
