//! A file of remote write requests: what `shoal export` writes and `shoal import` reads, for senders and receivers
//! that speak remote write. Layout: `docs/formats/dump.md`.
//!
//! ```text
//!  | length: u32 LE | body: what a remote write 1.0 request carries | … | 0: u32 |
//! ```

use std::io::{self, Read};

use prost::encoding::encode_varint;
use shoal_model::Labels;
use shoal_model::limits::REQUEST_BYTES_MAX;

/// Samples of one part: a request stays far below what any receiver takes.
const PART_SAMPLES: usize = 10_000;
/// Bytes of requests before they are packed.
const PART_BYTES: usize = 512 * 1024;
/// Field 1 of `WriteRequest`, field 2 of `TimeSeries`: messages.
const SERIES_TAG: u8 = 0x0a;
const SAMPLES_TAG: u8 = 0x12;

/// Gathers series into requests.
#[derive(Debug, Default)]
pub(crate) struct Packer {
    message: Vec<u8>,
    samples: Vec<u8>,
    count: usize,
    packed: Vec<u8>,
}

impl Packer {
    /// Adds the samples of a series: times in ms and values, in order of time.
    pub(crate) fn add(&mut self, labels: &Labels, samples: &[(i64, f64)]) {
        for part in samples.chunks(PART_SAMPLES) {
            self.samples.clear();
            let mut sample = Vec::with_capacity(24);
            for (time_ms, value) in part {
                sample.clear();
                sample.push(0x09);
                sample.extend_from_slice(&value.to_le_bytes());
                sample.push(0x10);
                encode_varint(*time_ms as u64, &mut sample);
                self.samples.push(SAMPLES_TAG);
                encode_varint(sample.len() as u64, &mut self.samples);
                self.samples.extend_from_slice(&sample);
            }
            self.message.push(SERIES_TAG);
            // A canonical label set is field 1 of `TimeSeries`, again and again.
            encode_varint((labels.canonical().len() + self.samples.len()) as u64, &mut self.message);
            self.message.extend_from_slice(labels.canonical());
            self.message.extend_from_slice(&self.samples);
            self.count += part.len();
            if self.count >= PART_SAMPLES || self.message.len() >= PART_BYTES {
                self.pack();
            }
        }
    }

    /// The bytes that are ready; more may follow.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.packed)
    }

    /// The last bytes.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.pack();
        self.packed.extend_from_slice(&0_u32.to_le_bytes());
        self.packed
    }

    fn pack(&mut self) {
        if self.message.is_empty() {
            return;
        }
        let body = snap::raw::Encoder::new().compress_vec(&self.message);
        let body = body.expect("a request is shorter than 4 GiB");
        let len = u32::try_from(body.len()).expect("a request is shorter than 4 GiB");
        self.packed.extend_from_slice(&len.to_le_bytes());
        self.packed.extend_from_slice(&body);
        self.message.clear();
        self.count = 0;
    }
}

/// Why a dump cannot be read on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DumpError {
    /// The file.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It ends before its end mark.
    #[error("the file ends early: a part of it is missing")]
    Short,
    /// It is none.
    #[error(
        "a part of {0} bytes is over the limit of {REQUEST_BYTES_MAX}: this is no file of remote write requests"
    )]
    TooLong(usize),
}

/// The next request of a dump; `None` at its end mark.
pub(crate) fn next_request(from: &mut impl Read) -> Result<Option<Vec<u8>>, DumpError> {
    let short = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => DumpError::Short,
        _ => DumpError::Io(error),
    };
    let mut len = [0; 4];
    from.read_exact(&mut len).map_err(short)?;
    let len = u32::from_le_bytes(len) as usize;
    if len == 0 {
        return Ok(None);
    }
    if len > REQUEST_BYTES_MAX {
        return Err(DumpError::TooLong(len));
    }
    let mut body = vec![0; len];
    from.read_exact(&mut body).map_err(short)?;
    Ok(Some(body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shoal_proto::remote_write;

    #[test]
    fn series_are_read_back_as_they_were_written() {
        let labels = |n: usize| Labels::new([("__name__", "a"), ("n", &n.to_string())]).unwrap();
        let long: Vec<_> = (0..25_000).map(|at| (at, at as f64)).collect();
        let mut packer = Packer::default();
        packer.add(&labels(1), &[(-5, 0.25), (7, f64::INFINITY)]);
        packer.add(&labels(2), &long);
        let mut bytes = packer.take();
        bytes.extend(packer.finish());
        let (mut rest, mut seen) = (bytes.as_slice(), Vec::new());
        while let Some(body) = next_request(&mut rest).unwrap() {
            let wire = remote_write::unpack(&body).unwrap();
            let columns = remote_write::decode_v1(&wire).unwrap();
            let mut points = columns.points.iter();
            for row in &columns.series {
                let (labels, _) = remote_write::labels(columns.labels(row), None).unwrap();
                seen.extend(
                    points.by_ref().take(row.points as usize).map(|p| (labels.clone(), p.time, p.value)),
                );
            }
        }
        let first = [(labels(1), -5, 0.25), (labels(1), 7, f64::INFINITY)];
        let expected = first.into_iter().chain(long.iter().map(|(time, value)| (labels(2), *time, *value)));
        assert_eq!(seen, expected.collect::<Vec<_>>());
        assert!(rest.is_empty());
    }

    #[test]
    fn a_file_that_was_cut_off_is_told_from_a_whole_one() {
        let mut packer = Packer::default();
        packer.add(&Labels::new([("__name__", "a")]).unwrap(), &[(1, 1.0)]);
        let bytes = packer.finish();
        for len in 0..bytes.len() {
            let mut rest = &bytes[..len];
            let ended = std::iter::from_fn(|| next_request(&mut rest).transpose()).find_map(Result::err);
            assert!(matches!(ended, Some(DumpError::Short)), "{len}: {ended:?}");
        }
        assert!(matches!(next_request(&mut &b"up 1 17"[..]), Err(DumpError::TooLong(_))));
    }
}
