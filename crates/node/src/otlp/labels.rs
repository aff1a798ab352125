//! Labels from attributes. A resource's service becomes `job` and `instance` of every series; its other attributes
//! stand once, in `target_info`.

use std::collections::BTreeMap;

use base64::Engine;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use serde_json::json;
use shoal_model::{Kind, LabelError, Labels, Point, Stream, StreamPoints};

use super::names;
use super::writers::Source;

const SERVICE_NAME: &str = "service.name";
const SERVICE_NAMESPACE: &str = "service.namespace";
const SERVICE_INSTANCE: &str = "service.instance.id";

/// Labels by name, sorted.
pub(super) type Pairs = BTreeMap<String, String>;

/// What all series of a resource share.
pub(super) struct Target {
    shared: Pairs,
    info: Pairs,
}

impl Target {
    pub(super) fn new(attributes: &[KeyValue]) -> Self {
        let value = |key: &str| attributes.iter().find(|pair| pair.key == key).map(attribute_text);
        let mut shared = Pairs::new();
        if let Some(name) = value(SERVICE_NAME) {
            let job =
                value(SERVICE_NAMESPACE).map_or(name.clone(), |namespace| format!("{namespace}/{name}"));
            shared.insert("job".to_owned(), job);
        }
        shared.extend(value(SERVICE_INSTANCE).map(|instance| ("instance".to_owned(), instance)));
        let identifying = [SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_INSTANCE];
        let others = attributes.iter().filter(|pair| !identifying.contains(&pair.key.as_str()));
        Self { shared, info: pairs(others) }
    }

    /// The labels of a data point, without its name.
    pub(super) fn labels(&self, attributes: &[KeyValue]) -> Pairs {
        let mut pairs = pairs(attributes);
        pairs.extend(self.shared.iter().map(|(name, value)| (name.clone(), value.clone())));
        pairs
    }

    /// What is known of the resource, where it can be told which one that is.
    pub(super) fn info(&self, source: &Source, time_ns: u64) -> Option<StreamPoints> {
        if self.shared.is_empty() || self.info.is_empty() || time_ns == 0 {
            return None;
        }
        let mut pairs = self.info.clone();
        pairs.extend(self.shared.iter().map(|(name, value)| (name.clone(), value.clone())));
        let labels = series("target_info", &pairs, None).ok()?;
        let stream = Stream { labels, writer: source.writer(), kind: Kind::Gauge };
        Some(StreamPoints { stream, points: vec![Point::new((time_ns / 1_000_000) as i64, 1.0)] })
    }
}

/// The labels of a series.
pub(super) fn series(name: &str, pairs: &Pairs, extra: Option<(&str, &str)>) -> Result<Labels, LabelError> {
    let own = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    // What the metric itself needs goes before an attribute of the same name.
    let own = own.filter(|(name, _)| *name != "__name__" && extra.is_none_or(|(taken, _)| taken != *name));
    Labels::new(own.chain([("__name__", name)]).chain(extra))
}

/// Attributes as labels; where two names become one, their values stand side by side.
fn pairs<'a>(attributes: impl IntoIterator<Item = &'a KeyValue>) -> Pairs {
    let mut sorted: Vec<&KeyValue> = attributes.into_iter().collect();
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    let mut pairs = Pairs::new();
    for attribute in sorted {
        let (name, value) = (names::label(&attribute.key), attribute_text(attribute));
        let with = |first: &mut String| first.extend([";", value.as_str()]);
        pairs.entry(name).and_modify(with).or_insert_with(|| value.clone());
    }
    pairs
}

/// An attribute's value as text.
pub(super) fn attribute_text(attribute: &KeyValue) -> String {
    attribute.value.as_ref().map(text).unwrap_or_default()
}

fn text(value: &AnyValue) -> String {
    match &value.value {
        None => String::new(),
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(Value::BytesValue(bytes)) => base64::engine::general_purpose::STANDARD.encode(bytes),
        Some(_) => tree(value).to_string(),
    }
}

/// Nested values are shown as JSON. Their depth is bounded by the decoders.
fn tree(value: &AnyValue) -> serde_json::Value {
    match &value.value {
        None | Some(Value::StringValueStrindex(_)) => serde_json::Value::Null,
        Some(Value::BoolValue(is)) => json!(is),
        Some(Value::IntValue(number)) => json!(number),
        Some(Value::StringValue(_) | Value::DoubleValue(_) | Value::BytesValue(_)) => json!(text(value)),
        Some(Value::ArrayValue(array)) => array.values.iter().map(tree).collect(),
        Some(Value::KvlistValue(list)) => {
            let pair =
                |pair: &KeyValue| (pair.key.clone(), pair.value.as_ref().map(tree).unwrap_or_default());
            serde_json::Value::Object(list.values.iter().map(pair).collect())
        }
    }
}
