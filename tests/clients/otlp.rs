//! OpenTelemetry's Python SDK exports to nodes, over gRPC and over HTTP, cumulative and delta. The same export sent to
//! another node changes nothing.

use serde_json::Value;

use crate::harness::{Cluster, Node};
use crate::installed;

const MODULES: [&str; 3] = [
    "opentelemetry.sdk.metrics",
    "opentelemetry.exporter.otlp.proto.grpc.metric_exporter",
    "opentelemetry.exporter.otlp.proto.http.metric_exporter",
];

/// Arguments: grpc or http, cumulative or delta, then the addresses that each export is sent to, one after another.
const SCRIPT: &str = r#"
import sys
from opentelemetry.sdk.metrics import MeterProvider, Counter, Histogram
from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricExporter, MetricExportResult, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
wire, temporality, nodes = sys.argv[1], sys.argv[2], sys.argv[3:]
if wire == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    exporters = [OTLPMetricExporter(endpoint="http://" + node, insecure=True) for node in nodes]
else:
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    exporters = [OTLPMetricExporter(endpoint="http://" + node + "/v1/metrics", compression=Compression.Gzip) for node in nodes]
class Everywhere(MetricExporter):
    def export(self, data, timeout_millis=10000, **kwargs):
        results = [exporter.export(data) for exporter in exporters]
        assert all(result == MetricExportResult.SUCCESS for result in results), results
        return MetricExportResult.SUCCESS
    def force_flush(self, timeout_millis=10000): return True
    def shutdown(self, timeout_millis=30000, **kwargs): pass
kinds = {Counter: AggregationTemporality.DELTA, Histogram: AggregationTemporality.DELTA} if temporality == "delta" else {}
reader = PeriodicExportingMetricReader(Everywhere(preferred_temporality=kinds), export_interval_millis=3600000)
resource = Resource({"service.name": wire + "-" + temporality, "service.instance.id": "i1", "region": "eu"})
meter = MeterProvider(metric_readers=[reader], resource=resource).get_meter("tests")
clicks, level = meter.create_counter("clicks"), meter.create_up_down_counter("queue.length")
wait = meter.create_histogram("wait", unit="s", explicit_bucket_boundaries_advisory=[1.0, 2.0])
heat = meter.create_gauge("heat", unit="Cel")
for round in range(3):
    clicks.add(5, {"page": "/"})
    level.add(2)
    for value in (0.5, 1.5, 9.0):
        wait.record(value)
    heat.set(20.5 + round)
    assert reader.force_flush()
print("exported")
"#;

async fn value(node: &Node, query: &str) -> Option<f64> {
    let (status, answer) = node.post_form("/api/v1/query", &format!("query={query}")).await?;
    assert_eq!(status, 200, "{answer}");
    let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).unwrap();
    let found = body["data"]["result"].as_array()?;
    assert!(found.len() < 2, "{query}: {found:?}");
    found.first()?["value"][1].as_str()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_sdk_counts_once_however_often_and_wherever_it_exports() {
    let Some(sdk) = installed::python(&MODULES, SCRIPT).await else { return };
    let cluster = Cluster::start(3).await;
    let nodes: Vec<String> = cluster.nodes.iter().map(|node| node.client.to_string()).collect();
    for wire in ["grpc", "http"] {
        for temporality in ["cumulative", "delta"] {
            let sent_to = [wire, temporality, &nodes[0], &nodes[1], &nodes[1], &nodes[2]];
            assert_eq!(sdk.printed(&sent_to).await.trim(), "exported");
            let job = format!("{{job=\"{wire}-{temporality}\",instance=\"i1\"");
            let expected = [
                (format!("clicks_total{job},page=\"/\"}}"), 15.0),
                (format!("queue_length{job}}}"), 6.0),
                (format!("wait_seconds_bucket{job},le=\"1\"}}"), 3.0),
                (format!("wait_seconds_bucket{job},le=\"2\"}}"), 6.0),
                (format!("wait_seconds_bucket{job},le=\"+Inf\"}}").replace('+', "%2B"), 9.0),
                (format!("wait_seconds_sum{job}}}"), 33.0),
                (format!("heat_celsius{job}}}"), 22.5),
                (format!("target_info{job},region=\"eu\"}}"), 1.0),
            ];
            for (query, wanted) in expected {
                for node in &cluster.nodes {
                    let what = format!("{wire} {temporality} {query} is {wanted} at {}", node.name);
                    cluster.eventually(&what, async || value(node, &query).await == Some(wanted)).await;
                }
            }
        }
    }
    cluster.all_agree().await;
}
