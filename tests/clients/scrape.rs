//! Targets that others wrote: Debian's node_exporter, and PyPI's `prometheus_client` in OpenMetrics.

use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::harness::Cluster;
use crate::installed;

const APPLICATION: &str = "
import sys, threading
from prometheus_client import Counter, Gauge, Histogram, Info, start_http_server
runs = Counter('runs', 'Runs.', ['way'])
runs.labels('up').inc(3, {'trace_id': 'abc'})
Gauge('depth', 'Depth.').set(float('nan'))
wait = Histogram('wait', 'Wait.', buckets=(0.1, 1.0))
wait.observe(0.5, {'trace_id': 'abc'})
Info('build', 'Build.').info({'version': '1.2'})
start_http_server(int(sys.argv[1]), addr='127.0.0.1')
threading.Event().wait()
";

/// A port that nobody has now.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn spawn(command: &mut Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap()
}

async fn cluster(job: &str, port: u16) -> Cluster {
    let mut cluster = Cluster::empty();
    let config = format!(
        "scrape_configs: [{{job_name: {job}, scrape_interval: 1s, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]"
    );
    std::fs::write(cluster.path("prometheus.yml"), config).unwrap();
    let file = cluster.path("prometheus.yml").display().to_string();
    for index in 0..2 {
        cluster.add(&format!("n{index}"), &["--scrape", &file]);
        cluster.start_node(index).await;
    }
    cluster.all_ready().await;
    cluster
}

#[tokio::test(flavor = "multi_thread")]
async fn node_exporter_is_scraped() {
    if installed::program("prometheus-node-exporter").is_none() {
        return;
    }
    let port = free_port();
    let _exporter =
        spawn(Command::new("prometheus-node-exporter").arg(format!("--web.listen-address=127.0.0.1:{port}")));
    let cluster = cluster("node", port).await;
    for node in &cluster.nodes {
        cluster
            .eventually("the exporter is up", async || node.value("up{job=\"node\"}").await == Some(1.0))
            .await;
        cluster
            .eventually("its samples are there", async || {
                node.value("node_memory_MemTotal_bytes{job=\"node\"}").await.is_some_and(|bytes| bytes > 1e6)
                    && node.value("node_load1{job=\"node\"}").await.is_some()
            })
            .await;
        let count = node.value("scrape_samples_scraped").await.unwrap_or_default();
        assert!(count > 200.0, "{count} samples");
    }
    let (_, metrics) = cluster.nodes[0].get("/metrics").await.unwrap();
    assert!(!metrics.contains("shoal_points_refused_total{door=\"scrape\""), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_client_is_scraped() {
    if installed::python(&["prometheus_client"], "").await.is_none() {
        return;
    }
    let port = free_port();
    let _application = spawn(Command::new("python3").args(["-c", APPLICATION, &port.to_string()]));
    let cluster = cluster("app", port).await;
    let expected = [
        ("runs_total{way=\"up\"}", 3.0),
        ("wait_bucket{le=\"1.0\"}", 1.0),
        ("wait_sum", 0.5),
        ("build_info{version=\"1.2\"}", 1.0),
        ("up{job=\"app\"}", 1.0),
    ];
    for node in &cluster.nodes {
        for (selector, value) in expected {
            cluster
                .eventually(&format!("{selector} is {value}"), async || {
                    node.value(selector).await == Some(value)
                })
                .await;
        }
        assert!(node.value("depth").await.is_some_and(f64::is_nan));
        for query in ["runs_total", "wait_bucket"] {
            let path = format!("/api/v1/query_exemplars?query={query}%7Bjob=%22app%22%7D");
            let (_, shown) = node.get(&path).await.unwrap();
            assert_eq!(shown.matches("\"trace_id\":\"abc\"").count(), 1, "once for all scrapes: {shown}");
        }
        let (_, meant) = node.get("/api/v1/metadata?metric=runs").await.unwrap();
        assert!(meant.contains("\"help\":\"Runs.\",\"type\":\"counter\""), "{meant}");
    }
}
