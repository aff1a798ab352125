//! The canonical label set: sorted by name, no name twice, no empty name or value. It is kept as one run of
//! bytes, the remote write 1.0 protobuf encoding of the sorted labels, because that is what senders already
//! have on the wire and what the series identity hashes.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use crate::limits::{LABEL_NAME_BYTES_MAX, LABELS_BYTES_MAX, LABELS_MAX};
use crate::stream::SeriesId;

/// The label that holds a series' metric name.
pub const METRIC_NAME: &str = "__name__";

/// Why a set of labels was refused. Nothing was stored; sending the same again fails again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// A label without a name.
    #[error("a label has an empty name")]
    EmptyName,
    /// One name with two values.
    #[error("label {0:?} is given twice")]
    Duplicate(String),
    /// The set names no series at all.
    #[error("a series needs at least one label with a value")]
    NoLabels,
    /// `__name__` is missing.
    #[error("a series needs a metric name (label __name__)")]
    NoMetricName,
    /// A name over [`LABEL_NAME_BYTES_MAX`].
    #[error("a label name of {0} bytes is over the limit of {LABEL_NAME_BYTES_MAX}")]
    NameTooLong(usize),
    /// More than [`LABELS_MAX`] labels.
    #[error("{0} labels are over the limit of {LABELS_MAX}")]
    TooMany(usize),
    /// The whole set is over [`LABELS_BYTES_MAX`].
    #[error("labels of {0} bytes are over the limit of {LABELS_BYTES_MAX}")]
    TooLong(usize),
    /// Bytes that are not a canonical label set.
    #[error("the bytes are not a canonical label set")]
    NotCanonical,
}

/// A series' labels in canonical form, cheap to clone.
#[derive(Clone)]
pub struct Labels(Arc<LabelSet>);

struct LabelSet {
    canonical: Box<[u8]>,
    /// Computed when first asked for, once for all clones.
    id: OnceLock<SeriesId>,
}

impl Labels {
    /// Sorts and checks label pairs. A label with an empty value is the same as none and is left out.
    pub fn new<N: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, LabelError> {
        let mut kept: Vec<(N, V)> =
            pairs.into_iter().filter(|(_, value)| !value.as_ref().is_empty()).collect();
        if kept.len() > LABELS_MAX {
            return Err(LabelError::TooMany(kept.len()));
        }
        kept.sort_by(|a, b| a.0.as_ref().cmp(b.0.as_ref()));
        if let Some(pair) = kept.windows(2).find(|pair| pair[0].0.as_ref() == pair[1].0.as_ref()) {
            return Err(LabelError::Duplicate(pair[0].0.as_ref().to_owned()));
        }
        let mut bytes = Vec::with_capacity(kept.len() * 32);
        for (name, value) in &kept {
            check_name(name.as_ref())?;
            put_label(&mut bytes, name.as_ref(), value.as_ref());
        }
        if bytes.len() > LABELS_BYTES_MAX {
            return Err(LabelError::TooLong(bytes.len()));
        }
        let labels = Self::of_bytes(bytes);
        labels.check_names_a_series()?;
        Ok(labels)
    }

    /// Takes canonical bytes from a peer or a disk, and refuses all others.
    pub fn from_canonical(bytes: &[u8]) -> Result<Self, LabelError> {
        if bytes.len() > LABELS_BYTES_MAX {
            return Err(LabelError::TooLong(bytes.len()));
        }
        let mut rest = bytes;
        let mut pairs = Vec::new();
        while !rest.is_empty() {
            pairs.push(take_label(&mut rest).ok_or(LabelError::NotCanonical)?);
        }
        let labels = Self::new(pairs)?;
        if labels.canonical() == bytes { Ok(labels) } else { Err(LabelError::NotCanonical) }
    }

    /// The canonical bytes: `repeated Label { string name = 1; string value = 2; }` as field 1, sorted.
    pub fn canonical(&self) -> &[u8] {
        &self.0.canonical
    }

    /// The series' identity: the first 128 bits of BLAKE3 of the canonical bytes.
    pub fn series_id(&self) -> SeriesId {
        *self.0.id.get_or_init(|| {
            let mut id = [0; 16];
            id.copy_from_slice(&blake3::hash(self.canonical()).as_bytes()[..16]);
            SeriesId(id)
        })
    }

    /// The pairs in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut rest = self.canonical();
        std::iter::from_fn(move || if rest.is_empty() { None } else { take_label(&mut rest) })
    }

    /// The value of `name`; empty where the label is absent, as matchers see it.
    pub fn value(&self, name: &str) -> &str {
        self.iter().find(|(n, _)| *n == name).map_or("", |(_, value)| value)
    }

    /// The metric name.
    pub fn metric(&self) -> &str {
        self.value(METRIC_NAME)
    }

    fn of_bytes(canonical: Vec<u8>) -> Self {
        Self(Arc::new(LabelSet { canonical: canonical.into(), id: OnceLock::new() }))
    }

    fn check_names_a_series(&self) -> Result<(), LabelError> {
        if self.canonical().is_empty() {
            return Err(LabelError::NoLabels);
        }
        if self.metric().is_empty() { Err(LabelError::NoMetricName) } else { Ok(()) }
    }
}

impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.canonical() == other.canonical()
    }
}

impl Eq for Labels {}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        self.canonical().cmp(other.canonical())
    }
}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.canonical().hash(state);
    }
}

/// Prometheus' notation: `name{label="value"}`.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.metric())?;
        let mut open = '{';
        for (name, value) in self.iter().filter(|(name, _)| *name != METRIC_NAME) {
            write!(f, "{open}{name}={value:?}")?;
            open = ',';
        }
        if open == ',' { f.write_str("}") } else { Ok(()) }
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn check_name(name: &str) -> Result<(), LabelError> {
    match name.len() {
        0 => Err(LabelError::EmptyName),
        len if len > LABEL_NAME_BYTES_MAX => Err(LabelError::NameTooLong(len)),
        _ => Ok(()),
    }
}

const TAG_LABEL: u8 = 0x0a;
const TAG_NAME: u8 = 0x0a;
const TAG_VALUE: u8 = 0x12;

fn put_label(out: &mut Vec<u8>, name: &str, value: &str) {
    let inner = field_len(name.len()) + field_len(value.len());
    out.push(TAG_LABEL);
    put_varint(out, inner);
    for (tag, text) in [(TAG_NAME, name), (TAG_VALUE, value)] {
        out.push(tag);
        put_varint(out, text.len());
        out.extend_from_slice(text.as_bytes());
    }
}

fn field_len(len: usize) -> usize {
    1 + (1..).find(|bytes| len >> (7 * bytes) == 0).unwrap_or(9) + len
}

fn put_varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take_label<'a>(rest: &mut &'a [u8]) -> Option<(&'a str, &'a str)> {
    let mut label = take_field(rest, TAG_LABEL)?;
    let name = take_field(&mut label, TAG_NAME)?;
    let value = take_field(&mut label, TAG_VALUE)?;
    if !label.is_empty() {
        return None;
    }
    Some((std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?))
}

fn take_field<'a>(rest: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (&first, mut body) = rest.split_first()?;
    if first != tag {
        return None;
    }
    let mut len = 0_usize;
    for shift in (0..28).step_by(7) {
        let (&byte, after) = body.split_first()?;
        body = after;
        len |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let (field, after) = body.split_at_checked(len)?;
            *rest = after;
            return Some(field);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn order_and_empty_values_do_not_change_the_identity() {
        let a = Labels::new([("__name__", "up"), ("job", "x"), ("zone", "")]).unwrap();
        let b = Labels::new([("job", "x"), ("__name__", "up")]).unwrap();
        assert_eq!(a.series_id(), b.series_id());
        assert_eq!(a.to_string(), r#"up{job="x"}"#);
    }

    #[test]
    fn the_canonical_bytes_are_the_remote_write_encoding() {
        let labels = Labels::new([("a", "1"), ("__name__", "up")]).unwrap();
        assert_eq!(labels.canonical(), b"\x0a\x0e\x0a\x08__name__\x12\x02up\x0a\x06\x0a\x01a\x12\x011");
        assert_eq!(labels.series_id().to_string(), "49c9effd6eee4fe12c658607eb5829d8");
    }

    #[test]
    fn bad_labels_are_refused_by_name() {
        let check =
            |pairs: &[(&str, &str)], expected| assert_eq!(Labels::new(pairs.iter().copied()), Err(expected));
        check(&[], LabelError::NoLabels);
        check(&[("job", "x")], LabelError::NoMetricName);
        check(&[("__name__", "up"), ("", "x")], LabelError::EmptyName);
        check(&[("__name__", "up"), ("a", "1"), ("a", "2")], LabelError::Duplicate("a".into()));
        check(&[(&"n".repeat(2000), "x")], LabelError::NameTooLong(2000));
        check(&[("__name__", &"n".repeat(LABELS_BYTES_MAX))], LabelError::TooLong(LABELS_BYTES_MAX + 18));
    }

    proptest! {
        #[test]
        fn canonical_bytes_round_trip(pairs in prop::collection::btree_map("[a-z]{1,9}", ".{1,200}", 0..9)) {
            let labels = Labels::new(pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).chain([("__name__", "m")])).unwrap();
            prop_assert_eq!(&Labels::from_canonical(labels.canonical()).unwrap(), &labels);
            prop_assert!(pairs.iter().all(|(name, value)| labels.value(name) == value));
        }

        #[test]
        fn hostile_bytes_are_refused_or_canonical(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(labels) = Labels::from_canonical(&bytes) {
                prop_assert_eq!(labels.canonical(), &bytes[..]);
            }
        }
    }
}
