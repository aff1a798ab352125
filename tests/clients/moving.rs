//! Moving in from and out to Debian's Prometheus and VictoriaMetrics: real blocks made by `promtool` come in by its
//! dump, and what is exported is served by both. What moved is the same series to the last digit.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::UNIX_EPOCH;

use serde_json::Value;

use crate::harness::Cluster;
use crate::installed;

/// A range query that looks at every sample of the test, its parameters in a form.
struct Question {
    start: i64,
    end: i64,
}

/// A server that ends with the test.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A stand-in for a server that was started otherwise, to ask it.
fn at(address: SocketAddr) -> Cluster {
    let mut cluster = Cluster::empty();
    let node = cluster.add("other", &[]);
    cluster.nodes[node].client = address;
    cluster
}

/// A port that was free a moment ago.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

impl Server {
    fn start(command: &mut Command, address: SocketAddr) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { child, address }
    }

    fn prometheus(data: &Path, folder: &Path) -> Self {
        let (address, config) = (free_address(), folder.join("prometheus.yml"));
        fs::write(&config, "global: {}\n").unwrap();
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", data.display()));
        command.arg(format!("--web.listen-address={address}"));
        Self::start(&mut command, address)
    }

    fn victoria_metrics(data: &Path) -> Self {
        let address = free_address();
        let mut command = Command::new("victoria-metrics");
        command.arg(format!("-storageDataPath={}", data.display()));
        command.arg(format!("-httpListenAddr={address}"));
        Self::start(&mut command, address)
    }
}

/// Two hours of counters and gauges, four of each, a sample every 15 s, up to an hour ago.
fn openmetrics(question: &Question) -> String {
    let mut text = "# TYPE moved counter\n".to_owned();
    for series in 0..4 {
        for second in (question.start..=question.end).step_by(15) {
            let value = (second - question.start) * (series + 1);
            text += &format!("moved_total{{path=\"/{series}\",quote=\"a\\\"b\"}} {value} {second}\n");
        }
    }
    text += "# TYPE moved_level gauge\n";
    for series in 0..4 {
        for second in (question.start..=question.end).step_by(15) {
            let value = ((second % 977) as f64) / 8.0 - 60.0;
            text += &format!("moved_level{{room=\"{series}\"}} {value} {second}.25\n");
        }
    }
    text + "# EOF\n"
}

impl Question {
    fn new() -> Self {
        let now = UNIX_EPOCH.elapsed().unwrap().as_secs() as i64;
        let end = (now - 3600) / 60 * 60;
        Self { start: end - 7200, end }
    }

    /// What a server answers: each series with all its samples, in order of labels.
    async fn ask(&self, address: SocketAddr) -> Vec<(String, String)> {
        let window = self.end - self.start + 60;
        let query = format!("%7B__name__%3D~%22moved_.%2B%22%7D%5B{window}s%5D&time={}", self.end + 1);
        let asked = at(address);
        let Some((200, answer)) = asked.nodes[0].get(&format!("/api/v1/query?query={query}")).await else {
            return Vec::new();
        };
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        // A chunked body has lengths in lines of their own, at its ends and between.
        let body: String = unchunked(&answer, body);
        let answer: Value = serde_json::from_str(&body).unwrap();
        let series = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        let mut series: Vec<_> =
            series.iter().map(|one| (one["metric"].to_string(), numbers(&one["values"]))).collect();
        series.sort();
        series
    }
}

/// Values and times as numbers: the servers write them in several ways.
fn numbers(values: &Value) -> String {
    let pairs = values.as_array().cloned().unwrap_or_default();
    let pair = |pair: &Value| {
        let value: f64 = pair[1].as_str().unwrap().parse().unwrap();
        format!("{}={value}", (pair[0].as_f64().unwrap() * 1000.0).round())
    };
    pairs.iter().map(pair).collect::<Vec<_>>().join(" ")
}

fn unchunked(head: &str, body: &str) -> String {
    if !head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return body.to_owned();
    }
    let (mut rest, mut whole) = (body, String::new());
    while let Some((len, after)) = rest.split_once("\r\n") {
        let len = usize::from_str_radix(len.trim(), 16).unwrap();
        if len == 0 {
            break;
        }
        whole += &after[..len];
        rest = &after[len + 2..];
    }
    whole
}

/// `shoal` with these arguments and standard input, which has to be a success; what it printed.
async fn shoal(args: &[&str], input: Option<PathBuf>) -> String {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_shoal"));
    command.args(args).kill_on_drop(true);
    command.stdin(input.map_or(Stdio::null(), |path| fs::File::open(path).unwrap().into()));
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prometheus_moves_in_and_out_and_so_does_victoria_metrics() {
    let Some(promtool) = installed::program("promtool") else { return };
    if installed::program("prometheus").is_none() {
        return;
    }
    let cluster = Cluster::start(2).await;
    let (question, folder) = (Question::new(), cluster.path(""));
    let path = |name: &str| folder.join(name).display().to_string();
    fs::write(path("given.om"), openmetrics(&question)).unwrap();
    promtool.printed(&["tsdb", "create-blocks-from", "openmetrics", &path("given.om"), &path("given")]).await;
    // A running server makes it; blocks alone have none.
    fs::create_dir_all(folder.join("given/wal")).unwrap();
    fs::write(path("dump"), promtool.printed(&["tsdb", "dump", &path("given")]).await).unwrap();

    let given = Server::prometheus(&folder.join("given"), &folder);
    cluster.eventually("Prometheus serves", async || question.ask(given.address).await.len() == 8).await;
    let expected = question.ask(given.address).await;
    for round in 0..2 {
        let node = cluster.nodes[round].client.to_string();
        let told = shoal(&["import", "-", "--node", &node], Some(path("dump").into())).await;
        assert!(told.starts_with("3848 points"), "{told}");
        cluster.all_agree().await;
        for node in &cluster.nodes {
            assert_eq!(question.ask(node.client).await, expected, "at {} after import {round}", node.name);
        }
    }

    let node = cluster.nodes[0].client.to_string();
    let selector = "{__name__=~\"moved_.+\"}";
    shoal(&["export", selector, "--node", &node, "--out", &path("out.om")], None).await;
    promtool.printed(&["tsdb", "create-blocks-from", "openmetrics", &path("out.om"), &path("out")]).await;
    let out = Server::prometheus(&folder.join("out"), &folder);
    cluster.eventually("Prometheus serves", async || question.ask(out.address).await.len() == 8).await;
    assert_eq!(question.ask(out.address).await, expected, "Prometheus");

    if installed::program("victoria-metrics").is_none() {
        return;
    }
    let text = shoal(&["export", selector, "--node", &node, "--format", "text"], None).await;
    let victoria = Server::victoria_metrics(&folder.join("victoria"));
    let other = at(victoria.address);
    let import = async || {
        other.nodes[0].post("/api/v1/import/prometheus", &text).await.is_some_and(|(status, _)| status == 204)
    };
    cluster.eventually("VictoriaMetrics takes it", import).await;
    cluster
        .eventually("VictoriaMetrics serves it", async || question.ask(victoria.address).await == expected)
        .await;
    let export = "/api/v1/export?format=prometheus&match[]=%7B__name__%3D~%22moved_.%2B%22%7D";
    let (status, exported) = other.nodes[0].get(export).await.unwrap();
    assert_eq!(status, 200, "{exported}");
    fs::write(path("victoria.txt"), unchunked(&exported, exported.split_once("\r\n\r\n").unwrap().1))
        .unwrap();
    let fresh = Cluster::start(1).await;
    let node = fresh.nodes[0].client.to_string();
    shoal(&["import", &path("victoria.txt"), "--node", &node], None).await;
    assert_eq!(question.ask(fresh.nodes[0].client).await, expected, "back from VictoriaMetrics");
}
