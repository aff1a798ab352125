//! A Prometheus with the configuration of `deploy/prometheus` watches a cluster: it understands every alert over what the
//! nodes show, and sees a node die.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::harness::Cluster;
use crate::http::Http;
use crate::{deployed, installed, text};

struct Prometheus {
    address: SocketAddr,
    http: Http,
    child: Child,
}

impl Prometheus {
    /// The example with a test's addresses, and quicker.
    fn start(cluster: &Cluster) -> Self {
        let folder = cluster.path("prometheus");
        fs::create_dir_all(&folder).unwrap();
        let token = folder.join("token");
        fs::write(&token, "a-token").unwrap();
        let mut config = text("prometheus/prometheus.yml")
            .replace("15s", "1s")
            .replace("alertmanager:9093", "127.0.0.1:9");
        config = config.replace("/etc/prometheus/shoal-token", &token.display().to_string());
        for (number, node) in cluster.nodes.iter().enumerate() {
            let example = format!("shoal-{}:7400", number + 1);
            assert!(config.contains(&example), "the example names {example}");
            config = config.replace(&example, &node.client.to_string());
        }
        fs::write(folder.join("prometheus.yml"), config).unwrap();
        fs::copy(deployed("prometheus/shoal-alerts.yml"), folder.join("shoal-alerts.yml")).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=error")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("log")).unwrap());
        Self { address, http: Http::new(), child: command.spawn().unwrap() }
    }

    async fn rules(&self) -> Vec<Value> {
        let Ok((200, answer)) = self.http.get(self.address, "/api/v1/rules").await else { return Vec::new() };
        let body: Value = serde_json::from_str(&answer).unwrap();
        let groups = body["data"]["groups"].as_array().cloned().unwrap_or_default();
        groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
    }

    /// Whether an alert waits for its time, or has come to it.
    async fn sees(&self, alert: &str) -> bool {
        self.rules().await.iter().any(|rule| rule["name"] == alert && rule["state"] != "inactive")
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prometheus_that_watches_a_cluster_sees_a_node_die() {
    if installed::program("prometheus").is_none() {
        return;
    }
    let mut cluster = Cluster::start(3).await;
    let prometheus = Prometheus::start(&cluster);
    cluster
        .eventually("every alert is understood", async || {
            let rules = prometheus.rules().await;
            !rules.is_empty() && rules.iter().all(|rule| rule["health"] == "ok")
        })
        .await;
    cluster
        .eventually("nothing is wrong", async || {
            !prometheus.sees("ShoalNodeDown").await && !prometheus.sees("ShoalMemberUnreachable").await
        })
        .await;
    cluster.nodes[2].kill();
    cluster.eventually("it does not answer", async || prometheus.sees("ShoalNodeDown").await).await;
    cluster.eventually("the others miss it", async || prometheus.sees("ShoalMemberUnreachable").await).await;
}
