//! How many messages a request holds, counted before any is built: an empty data point is two bytes on the wire and
//! two hundred in memory.

use shoal_proto::wire::{BadWire, Fields, Value};

/// Messages of one request: data points of one write at its limits, each with a dozen attributes.
const MESSAGES_MAX: usize = 1_000_000;
/// Messages within messages; decoders stop there too.
const DEPTH_MAX: u32 = 100;

/// The fields of a message that are messages.
struct Shape(&'static [(u32, &'static Shape)]);

static REQUEST: Shape = Shape(&[(1, &RESOURCE_METRICS)]);
static RESOURCE_METRICS: Shape = Shape(&[(1, &RESOURCE), (2, &SCOPE_METRICS)]);
static RESOURCE: Shape = Shape(&[(1, &ATTRIBUTE), (3, &PLAIN)]);
static SCOPE_METRICS: Shape = Shape(&[(1, &SCOPE), (2, &METRIC)]);
static SCOPE: Shape = Shape(&[(3, &ATTRIBUTE)]);
static METRIC: Shape = Shape(&[
    (5, &NUMBERS),
    (7, &NUMBERS),
    (9, &HISTOGRAMS),
    (10, &EXPONENTIAL),
    (11, &SUMMARIES),
    (12, &ATTRIBUTE),
]);
static NUMBERS: Shape = Shape(&[(1, &NUMBER)]);
static NUMBER: Shape = Shape(&[(5, &EXEMPLAR), (7, &ATTRIBUTE)]);
static HISTOGRAMS: Shape = Shape(&[(1, &HISTOGRAM)]);
static HISTOGRAM: Shape = Shape(&[(8, &EXEMPLAR), (9, &ATTRIBUTE)]);
static EXPONENTIAL: Shape = Shape(&[(1, &EXPONENTIAL_POINT)]);
static EXPONENTIAL_POINT: Shape = Shape(&[(1, &ATTRIBUTE), (8, &PLAIN), (9, &PLAIN), (11, &EXEMPLAR)]);
static SUMMARIES: Shape = Shape(&[(1, &SUMMARY)]);
static SUMMARY: Shape = Shape(&[(6, &PLAIN), (7, &ATTRIBUTE)]);
static EXEMPLAR: Shape = Shape(&[(7, &ATTRIBUTE)]);
static ATTRIBUTE: Shape = Shape(&[(2, &ANY)]);
static ANY: Shape = Shape(&[(5, &ARRAY), (6, &MAP)]);
static ARRAY: Shape = Shape(&[(1, &ANY)]);
static MAP: Shape = Shape(&[(1, &ATTRIBUTE)]);
static PLAIN: Shape = Shape(&[]);

/// A request that would take many times its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a request of more than {MESSAGES_MAX} messages is over the limit: send smaller ones")]
pub(crate) struct TooManyMessages;

/// Judges a request in protobuf. One that cannot be read is for its decoder to refuse.
pub(crate) fn judge_protobuf(request: &[u8]) -> Result<(), TooManyMessages> {
    let mut left = MESSAGES_MAX;
    match count(request, &REQUEST, 0, &mut left) {
        Ok(true) | Err(BadWire) => Ok(()),
        Ok(false) => Err(TooManyMessages),
    }
}

/// Judges a request in JSON, where each message opens a brace; those in texts count too.
pub(crate) fn judge_json(request: &[u8]) -> Result<(), TooManyMessages> {
    let messages = request.iter().filter(|byte| **byte == b'{').count();
    if messages <= MESSAGES_MAX { Ok(()) } else { Err(TooManyMessages) }
}

/// Takes the messages in a message off those that are left; false once there are none.
fn count(message: &[u8], shape: &Shape, depth: u32, left: &mut usize) -> Result<bool, BadWire> {
    if depth > DEPTH_MAX {
        return Err(BadWire);
    }
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        let inner = shape.0.iter().find(|(known, _)| *known == number);
        let (Some((_, inner)), Value::Bytes(bytes)) = (inner, value) else { continue };
        let Some(fewer) = left.checked_sub(1) else { return Ok(false) };
        *left = fewer;
        if !inner.0.is_empty() && !count(bytes, inner, depth + 1, left)? {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A field of bytes around bytes.
    fn field(number: u8, inner: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2];
        prost::encoding::encode_varint(inner.len() as u64, &mut out);
        out.extend_from_slice(inner);
        out
    }

    fn around(path: &[u8], inner: Vec<u8>) -> Vec<u8> {
        path.iter().rev().fold(inner, |inner, number| field(*number, &inner))
    }

    #[test]
    fn small_messages_by_the_million_are_refused_before_they_are_built() {
        let empty = |number: u8, times: usize| [number << 3 | 2, 0].repeat(times);
        for (path, number) in [
            (&[][..], 1),
            (&[1][..], 2),
            (&[1, 2], 2),
            (&[1, 2, 2, 5], 1),
            (&[1, 2, 2, 9], 1),
            (&[1, 2, 2, 11, 1], 6),
            (&[1, 2, 2, 7, 1, 5], 7),
            (&[1, 1, 1, 2, 5], 1),
        ] {
            let many = around(path, empty(number, MESSAGES_MAX + 1));
            assert_eq!(judge_protobuf(&many), Err(TooManyMessages), "{path:?} {number}");
            let few = around(path, empty(number, MESSAGES_MAX - path.len()));
            assert_eq!(judge_protobuf(&few), Ok(()), "{path:?} {number}");
        }
        let texts = around(&[1, 2, 2], empty(1, MESSAGES_MAX + 1));
        assert_eq!(judge_protobuf(&texts), Ok(()), "names are no messages");
        assert_eq!(judge_json(&b"{}".repeat(MESSAGES_MAX + 1)), Err(TooManyMessages));
        assert_eq!(judge_json(&b"{}".repeat(MESSAGES_MAX)), Ok(()));
    }

    #[test]
    fn depth_is_bounded() {
        let deep = (0..50_000).fold(Vec::new(), |inner, _| around(&[5, 1], inner));
        assert_eq!(judge_protobuf(&around(&[1, 1, 1, 2], deep)), Ok(()), "its decoder refuses it");
    }

    proptest! {
        #[test]
        fn hostile_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(judge_protobuf(&bytes), Ok(()));
        }
    }
}
