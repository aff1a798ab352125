//! The load as OTLP exports: an instance of the fleet is a resource, its metrics are sums and gauges of one scope.

use axum::body::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use shoal_model::Labels;

/// How the fleet's labels stand in OTLP: those of a resource, those of a data point.
const OF_RESOURCE: [(&str, &str); 2] = [("job", "service.name"), ("instance", "service.instance.id")];
const OF_POINT: [&str; 3] = ["env", "method", "region"];

/// One request. Series of one instance follow one another.
pub(super) fn request(series: &[(&Labels, &f64)], start_ms: i64, time_ms: i64) -> Bytes {
    let mut resource_metrics: Vec<ResourceMetrics> = Vec::new();
    let mut last = "";
    for (labels, value) in series {
        if labels.value("instance") != last {
            last = labels.value("instance");
            resource_metrics.push(resource(labels));
        }
        let scope = resource_metrics.last_mut().and_then(|resource| resource.scope_metrics.last_mut());
        scope.expect("a resource was begun").metrics.push(metric(labels, **value, start_ms, time_ms));
    }
    ExportMetricsServiceRequest { resource_metrics }.encode_to_vec().into()
}

fn resource(labels: &Labels) -> ResourceMetrics {
    let attributes = OF_RESOURCE.map(|(label, key)| attribute(key, labels.value(label))).to_vec();
    ResourceMetrics {
        resource: Some(Resource { attributes, ..Resource::default() }),
        scope_metrics: vec![ScopeMetrics::default()],
        schema_url: String::new(),
    }
}

fn metric(labels: &Labels, value: f64, start_ms: i64, time_ms: i64) -> Metric {
    let point = NumberDataPoint {
        attributes: OF_POINT.map(|label| attribute(label, labels.value(label))).to_vec(),
        start_time_unix_nano: nanos(start_ms),
        time_unix_nano: nanos(time_ms),
        value: Some(Value::AsDouble(value)),
        ..NumberDataPoint::default()
    };
    let data_points = vec![point];
    let name = labels.metric();
    let (name, data) = match name.strip_suffix("_total") {
        Some(name) => {
            let aggregation_temporality = AggregationTemporality::Cumulative.into();
            (name, metric::Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic: true }))
        }
        None => (name, metric::Data::Gauge(Gauge { data_points })),
    };
    Metric { name: name.to_owned(), data: Some(data), ..Metric::default() }
}

fn attribute(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Any::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

fn nanos(ms: i64) -> u64 {
    ms.unsigned_abs() * 1_000_000
}
