//! PyPI's `prometheus_client` pushes as to a Pushgateway, each time through another node.

use crate::harness::Cluster;
use crate::installed;

const PUSH: &str = "
import sys
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client import push_to_gateway, pushadd_to_gateway, delete_from_gateway
what, gateway = sys.argv[1:]
group = {'path': '/var/lib', 'empty': ''}
registry = CollectorRegistry()
if what == 'replace':
    Gauge('rows', 'Rows.', ['table'], registry=registry).labels('a').set(3)
    Counter('runs', 'Runs.', registry=registry).inc(2)
    Histogram('wait', 'Wait.', registry=registry).observe(0.3)
    push_to_gateway(gateway, job='batch', registry=registry, grouping_key=group)
elif what == 'again':
    Gauge('rows', 'Rows.', ['table'], registry=registry).labels('b').set(4)
    push_to_gateway(gateway, job='batch', registry=registry, grouping_key=group)
elif what == 'add':
    Gauge('files', 'Files.', registry=registry).set(9)
    pushadd_to_gateway(gateway, job='batch', registry=registry, grouping_key=group)
else:
    delete_from_gateway(gateway, job='batch', grouping_key=group)
";

/// Selectors with the value that every node reads for them, or none.
async fn all_read(cluster: &Cluster, expected: &[(&str, Option<f64>)]) {
    for (selector, value) in expected {
        cluster
            .eventually(&format!("every node reads {value:?} for {selector}"), async || {
                for node in &cluster.nodes {
                    if node.value(selector).await != *value {
                        return false;
                    }
                }
                true
            })
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_client_pushes_to_any_node() {
    let Some(script) = installed::python(&["prometheus_client"], PUSH).await else { return };
    let cluster = Cluster::start(3).await;
    let gateway = |node: usize| cluster.nodes[node].client.to_string();

    script.printed(&["replace", &gateway(0)]).await;
    let group = [
        ("rows{job=\"batch\",path=\"/var/lib\",table=\"a\"}", Some(3.0)),
        ("runs_total{job=\"batch\"}", Some(2.0)),
        ("wait_bucket{le=\"0.5\"}", Some(1.0)),
    ];
    all_read(&cluster, &group).await;

    script.printed(&["again", &gateway(1)]).await;
    all_read(
        &cluster,
        &[("rows{table=\"b\"}", Some(4.0)), ("rows{table=\"a\"}", None), ("runs_total", None)],
    )
    .await;

    script.printed(&["add", &gateway(2)]).await;
    all_read(&cluster, &[("files", Some(9.0)), ("rows{table=\"b\"}", Some(4.0))]).await;

    script.printed(&["delete", &gateway(0)]).await;
    all_read(&cluster, &[("files", None), ("rows", None), ("push_time_seconds", None)]).await;
}
