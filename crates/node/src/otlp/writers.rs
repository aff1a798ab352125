//! Who counts: a hash of what identifies a stream in OTLP beyond its name and attributes, alike on every node.

use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use shoal_model::Writer;

use super::labels::attribute_text;

/// Never changes: writers of a stream must stay the same across versions.
const CONTEXT: &str = "shoal OTLP stream";

/// A resource's scope as a source of points.
pub(super) struct Source {
    hasher: blake3::Hasher,
}

impl Source {
    pub(super) fn new(resource: &[KeyValue], scope: Option<&InstrumentationScope>) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        put_attributes(&mut hasher, resource);
        if let Some(scope) = scope {
            put(&mut hasher, &scope.name);
            put(&mut hasher, &scope.version);
            put_attributes(&mut hasher, &scope.attributes);
        }
        Self { hasher }
    }

    /// The writer of what has no start, or goes on after one.
    pub(super) fn writer(&self) -> Writer {
        first_bytes(&self.hasher)
    }

    /// The writer of what counts from a start on.
    pub(super) fn writer_from(&self, start_ns: u64) -> Writer {
        first_bytes(self.hasher.clone().update(&start_ns.to_le_bytes()))
    }
}

fn first_bytes(hasher: &blake3::Hasher) -> Writer {
    let mut id = [0; 16];
    hasher.finalize_xof().fill(&mut id);
    Writer(id)
}

/// In order of name: a sender may list them in any.
fn put_attributes(hasher: &mut blake3::Hasher, attributes: &[KeyValue]) {
    let mut pairs: Vec<(&str, String)> =
        attributes.iter().map(|pair| (pair.key.as_str(), attribute_text(pair))).collect();
    pairs.sort();
    hasher.update(&(pairs.len() as u64).to_le_bytes());
    for (name, value) in &pairs {
        put(hasher, name);
        put(hasher, value);
    }
}

fn put(hasher: &mut blake3::Hasher, text: &str) {
    hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
}
