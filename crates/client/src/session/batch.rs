//! Cuts what is due into requests that a node takes.

use shoal_model::StreamPoints;
use shoal_model::limits::{BATCH_POINTS_MAX, BATCH_STREAMS_MAX};

use crate::limits::FLUSH_BYTES_MAX;

/// Bytes of a stream with one point beside its labels, at the most: writer, kind, time, value and framing.
const STREAM_BYTES: usize = 64;

const STREAMS_MAX: usize =
    if BATCH_STREAMS_MAX < BATCH_POINTS_MAX { BATCH_STREAMS_MAX } else { BATCH_POINTS_MAX };

/// The same streams in the same order, each with one point, in as many requests as they need.
pub(super) fn split(due: Vec<StreamPoints>) -> Vec<Vec<StreamPoints>> {
    let mut batches: Vec<Vec<StreamPoints>> = Vec::new();
    let mut room = 0;
    for part in due {
        let bytes = part.stream.labels.canonical().len() + STREAM_BYTES;
        match batches.last_mut() {
            Some(batch) if bytes <= room && batch.len() < STREAMS_MAX => {
                room -= bytes;
                batch.push(part);
            }
            _ => {
                room = FLUSH_BYTES_MAX.saturating_sub(bytes);
                batches.push(vec![part]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;
    use shoal_model::{Kind, Labels, Point, Stream, Writer};
    use shoal_proto::Acks;

    fn due(count: usize, label_bytes: usize) -> Vec<StreamPoints> {
        let part = |index| {
            let (number, filler) = (format!("{index}"), "x".repeat(label_bytes));
            let pairs = [("__name__", "m"), ("n", number.as_str()), ("filler", filler.as_str())];
            let stream =
                Stream { labels: Labels::new(pairs).unwrap(), writer: Writer([9; 16]), kind: Kind::Counter };
            StreamPoints { stream, points: vec![Point::new(i64::MAX, -1.0)] }
        };
        (0..count).map(part).collect()
    }

    #[test]
    fn batches_hold_every_stream_once_in_order_and_fit() {
        for (count, label_bytes) in [(0, 0), (1, 1), (30_000, 1), (300, 16_000)] {
            let due = due(count, label_bytes);
            let batches = split(due.clone());
            for batch in &batches {
                let request = crate::write::request(batch, Acks::Auto, Vec::new());
                assert!(request.encoded_len() <= FLUSH_BYTES_MAX + 64 && batch.len() <= STREAMS_MAX);
            }
            assert_eq!(batches.concat(), due);
        }
    }
}
