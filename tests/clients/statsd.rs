//! The StatsD clients of PyPI, `statsd` and Datadog's, each sending to every node of a cluster.

use crate::harness::Cluster;
use crate::installed;

const STATSD: &str = "
import statsd, sys
for port in sys.argv[1:]:
    client = statsd.StatsClient('127.0.0.1', int(port), prefix='app')
    for i in range(10):
        client.incr('hits')
        client.timing('wait', 20)
    client.gauge('depth', 7)
    client.gauge('depth', -2, delta=True)
    client.set('users', 'joe')
    with client.pipeline() as pipe:
        pipe.incr('hits', 5)
        pipe.incr('hits', 5)
";

const DATADOG: &str = "
import sys
from datadog.dogstatsd import DogStatsd
for port in sys.argv[1:]:
    client = DogStatsd(host='127.0.0.1', port=int(port), constant_tags=['env:test'], disable_telemetry=True)
    for i in range(10):
        client.increment('dog.barks', 2, tags=['breed:pug', 'loud'])
        client.distribution('dog.weight', 0.75)
        client.histogram('dog.height', 0.4)
    client.flush()
    client.close_socket()
";

async fn cluster() -> (Cluster, Vec<String>) {
    let mut cluster = Cluster::empty();
    for index in 0..3 {
        cluster.add(&format!("n{index}"), &["--statsd", "127.0.0.1:0"]);
        cluster.start_node(index).await;
    }
    cluster.all_ready().await;
    let ports = cluster.nodes.iter().map(|node| node.statsd.unwrap().port().to_string()).collect();
    (cluster, ports)
}

async fn all_read(cluster: &Cluster, expected: &[(&str, f64)]) {
    for (selector, value) in expected {
        cluster
            .eventually(&format!("every node reads {value} for {selector}"), async || {
                for node in &cluster.nodes {
                    if node.value(selector).await != Some(*value) {
                        return false;
                    }
                }
                true
            })
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_statsd_module_counts_over_all_nodes() {
    let Some(script) = installed::python(&["statsd"], STATSD).await else { return };
    let (cluster, ports) = cluster().await;
    script.printed(&ports.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let gauge = format!("app_depth{{instance=\"{}\"}}", cluster.nodes[1].client);
    let expected = [
        ("app_hits", 60.0),
        ("app_wait_count", 30.0),
        ("app_wait_bucket{le=\"0.01\"}", 0.0),
        ("app_wait_bucket{le=\"0.025\"}", 30.0),
        (gauge.as_str(), 5.0),
    ];
    all_read(&cluster, &expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn datadogs_module_counts_over_all_nodes() {
    let Some(script) = installed::python(&["datadog"], DATADOG).await else { return };
    let (cluster, ports) = cluster().await;
    script.printed(&ports.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let expected = [
        ("dog_barks{breed=\"pug\",loud=\"true\",env=\"test\"}", 60.0),
        ("dog_weight_count{env=\"test\"}", 30.0),
        ("dog_weight_sum", 22.5),
        ("dog_height_bucket{le=\"0.5\"}", 30.0),
    ];
    all_read(&cluster, &expected).await;
}
