//! Debian's `prometheus` scrapes a node and writes to others: remote write 1.0 as the world speaks it. Two redundant
//! servers with a replica label are two writers of one series.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::harness::{Cluster, Node};
use crate::installed;

/// A running Prometheus, ended with the test.
struct Prometheus(Child);

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Prometheus {
    /// Scrapes `target` each second as job `node`, and writes to `sink`.
    fn start(folder: &Path, replica: &str, target: &Node, sink: &Node) -> Self {
        let folder = folder.join(format!("prometheus-{replica}"));
        fs::create_dir_all(&folder).unwrap();
        let config = format!(
            "global:\n  scrape_interval: 1s\n  external_labels: {{prometheus_replica: {replica}}}\n\
             scrape_configs:\n- job_name: node\n  static_configs: [{{targets: ['{}']}}]\n\
             remote_write:\n- url: http://{}/api/v1/write\n  queue_config: {{batch_send_deadline: 1s}}\n",
            target.client, sink.client
        );
        fs::write(folder.join("prometheus.yml"), config).unwrap();
        let log = fs::File::create(folder.join("log")).unwrap();
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .args(["--web.listen-address=127.0.0.1:0", "--log.level=warn"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        Self(command.spawn().unwrap())
    }
}

async fn vector(node: &Node, query: &str) -> Vec<Value> {
    let form = format!("query={}", query.replace('+', "%2B"));
    let Some((200, answer)) = node.post_form("/api/v1/query", &form).await else { return Vec::new() };
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let body: Value = serde_json::from_str(body).unwrap();
    body["data"]["result"].as_array().cloned().unwrap_or_default()
}

async fn scalar(node: &Node, query: &str) -> Option<f64> {
    vector(node, query).await.first()?["value"][1].as_str()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_redundant_servers_are_two_writers_of_one_series_on_every_node() {
    if installed::program("prometheus").is_none() {
        return;
    }
    let mut cluster = Cluster::empty();
    for number in 1..=3 {
        cluster.add(&format!("n{number}"), &["--replica-label", "prometheus_replica"]);
    }
    for index in 0..3 {
        cluster.start_node(index).await;
    }
    cluster.all_ready().await;
    let nodes = &cluster.nodes;
    let first = Prometheus::start(&cluster.path(""), "a", &nodes[0], &nodes[1]);
    let _second = Prometheus::start(&cluster.path(""), "b", &nodes[0], &nodes[2]);
    let up = "count_over_time(up{job=\"node\"}[5m])";
    cluster
        .eventually("both servers write what they scrape", async || {
            let streams = nodes[0].field("streams").await.parse::<u64>().unwrap_or(0);
            let series = nodes[0].field("series").await.parse::<u64>().unwrap_or(0);
            scalar(&nodes[0], up).await.is_some_and(|count| count >= 5.0) && streams == 2 * series
        })
        .await;
    drop(first);
    let found = vector(&nodes[0], "up{job=\"node\"}").await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["metric"]["prometheus_replica"], Value::Null);
    let before = scalar(&nodes[0], up).await.unwrap();
    cluster
        .eventually("the other server goes on alone", async || {
            scalar(&nodes[0], up).await.is_some_and(|count| count >= before + 5.0)
        })
        .await;
    assert_eq!(
        scalar(&nodes[0], "sum(resets(process_cpu_seconds_total{job=\"node\"}[5m]))").await,
        Some(0.0)
    );
}
