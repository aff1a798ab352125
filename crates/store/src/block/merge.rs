//! Several blocks of a window into one: streams by place, points by time, two values at one time joined to the
//! greater. Where inputs do not overlap, whole chunks pass through; memory is a chunk of each input.

use std::io;
use std::sync::Arc;

use shoal_merge::order;

use super::digests::{ShardDigests, ShardMix};
use super::meta::Meta;
use super::reader::Block;
use super::rot::Rot;
use super::scan::Scan;
use super::writer::Writer;

/// What a merge has made.
#[derive(Debug)]
pub struct Merged {
    /// The new block; the inputs stand as they were.
    pub meta: Meta,
    /// Damage in the inputs. What it hit is not in the new block, all else is.
    pub rot: Vec<Rot>,
    /// Streams that `seal` did not know: they are in the block and not in its digests.
    pub unnamed: u32,
}

/// Merges blocks of one window into the block that `writer` has begun, without the streams that `keep` refuses.
/// With `seal` (a stream's part of the digests by its place) the block is sealed. An error is the disk's; then
/// the new file is to be removed.
pub fn merge(
    inputs: &[Arc<Block>],
    writer: Writer,
    keep: impl Fn(u32) -> bool,
    seal: Option<&dyn Fn(u32) -> Option<ShardMix>>,
) -> io::Result<Merged> {
    let mut rot = Vec::new();
    let mut heads = Heads::new(inputs, &mut rot);
    let mut output = Output { writer, seal, digests: ShardDigests::new(), stream: None, unnamed: 0 };
    while let Some(place) = heads.least_place() {
        if keep(place) {
            output.turn_to(place);
            heads.pass_stream(place, &mut output, &mut rot)?;
        } else {
            heads.skip_stream(place, &mut rot);
        }
    }
    let Output { writer, seal, digests, unnamed, .. } = output;
    let meta = writer.finish(seal.map(|_| &digests))?;
    Ok(Merged { meta, rot, unnamed })
}

/// What leaves the merge, one stream at a time.
struct Output<'a> {
    writer: Writer,
    seal: Option<&'a dyn Fn(u32) -> Option<ShardMix>>,
    digests: ShardDigests,
    stream: Option<ShardMix>,
    unnamed: u32,
}

impl Output<'_> {
    fn turn_to(&mut self, place: u32) {
        self.stream = self.seal.and_then(|mix_of| mix_of(place));
        self.unnamed += u32::from(self.seal.is_some() && self.stream.is_none());
    }

    fn pass(&mut self, place: u32, times: &[i64], values: &[f64]) -> io::Result<()> {
        if let Some(stream) = self.stream {
            self.digests.add(stream, times, values);
        }
        self.writer.add_columns(place, times, values)
    }
}

/// The inputs, each at its next points; the few that a merge has are searched in turn.
struct Heads<'a>(Vec<Head<'a>>);

impl<'a> Heads<'a> {
    fn new(inputs: &'a [Arc<Block>], rot: &mut Vec<Rot>) -> Self {
        let mut heads = Vec::with_capacity(inputs.len());
        for block in inputs {
            let mut head = Head { scan: block.scan(), at: 0, place: None };
            head.next_chunk(rot);
            heads.push(head);
        }
        Self(heads)
    }

    fn least_place(&self) -> Option<u32> {
        self.0.iter().filter_map(|head| head.place).min()
    }

    /// Passes a stream's points on: of the head with the least time all that come before any other head's.
    fn pass_stream(&mut self, place: u32, output: &mut Output<'_>, rot: &mut Vec<Rot>) -> io::Result<()> {
        while let Some(Lead { head, time, limit }) = self.lead(place) {
            if limit == Some(time) {
                let value = self.take_joined(place, time, rot);
                output.pass(place, &[time], &[value])?;
                continue;
            }
            let Some(head) = self.0.get_mut(head) else { return Ok(()) };
            let (times, values) = head.before(limit);
            output.pass(place, times, values)?;
            let passed = times.len();
            head.step(passed, rot);
        }
        Ok(())
    }

    fn skip_stream(&mut self, place: u32, rot: &mut Vec<Rot>) {
        for head in &mut self.0 {
            while head.place == Some(place) {
                head.next_chunk(rot);
            }
        }
    }

    /// The head whose next point of a stream is the earliest.
    fn lead(&self, place: u32) -> Option<Lead> {
        let mut lead: Option<Lead> = None;
        for (number, head) in self.0.iter().enumerate() {
            let Some(time) = head.time(place) else { continue };
            lead = match lead {
                None => Some(Lead { head: number, time, limit: None }),
                Some(lead) if time < lead.time => Some(Lead { head: number, time, limit: Some(lead.time) }),
                Some(lead) => {
                    Some(Lead { limit: Some(lead.limit.map_or(time, |limit| limit.min(time))), ..lead })
                }
            };
        }
        lead
    }

    /// Takes one time's point out of all heads that have it: the greatest value.
    fn take_joined(&mut self, place: u32, time: i64, rot: &mut Vec<Rot>) -> f64 {
        let mut joined: Option<f64> = None;
        for head in &mut self.0 {
            if head.time(place) != Some(time) {
                continue;
            }
            if let Some(&value) = head.scan.values().get(head.at) {
                joined = Some(joined.map_or(value, |other| order::join(other, value)));
            }
            head.step(1, rot);
        }
        joined.expect("a head leads with this time")
    }
}

/// Which head comes next, its time, and the least next time of the others.
struct Lead {
    head: usize,
    time: i64,
    limit: Option<i64>,
}

/// One input at its next point.
struct Head<'a> {
    scan: Scan<'a>,
    at: usize,
    /// Whose chunk is at hand; `None` at the end.
    place: Option<u32>,
}

impl Head<'_> {
    /// The next point's time, if it is this stream's.
    fn time(&self, place: u32) -> Option<i64> {
        if self.place == Some(place) { self.scan.times().get(self.at).copied() } else { None }
    }

    /// The points at hand before a time.
    fn before(&self, limit: Option<i64>) -> (&[i64], &[f64]) {
        let times = self.scan.times().get(self.at..).unwrap_or_default();
        let values = self.scan.values().get(self.at..).unwrap_or_default();
        let len = match (limit, times.last()) {
            (Some(limit), Some(last)) if *last >= limit => {
                times.iter().take_while(|time| **time < limit).count()
            }
            _ => times.len(),
        };
        (times.get(..len).unwrap_or_default(), values.get(..len).unwrap_or_default())
    }

    /// Goes behind some points of the chunk at hand.
    fn step(&mut self, points: usize, rot: &mut Vec<Rot>) {
        self.at += points;
        if self.at >= self.scan.times().len() {
            self.next_chunk(rot);
        }
    }

    /// Goes to the next chunk that is whole.
    fn next_chunk(&mut self, rot: &mut Vec<Rot>) {
        self.at = 0;
        self.place = None;
        while let Some(chunk) = self.scan.advance() {
            match chunk {
                Ok(()) => {
                    self.place = Some(self.scan.place());
                    break;
                }
                Err(damage) => rot.push(damage),
            }
        }
    }
}
