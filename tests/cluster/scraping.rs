//! Targets divided over nodes: each is scraped by one of them, all nodes know all of them, and when a node is
//! killed the others take its targets over, with nothing doubled and nothing ended.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use shoal_client::{Part, ReadOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::harness::{Cluster, Node};

/// A target of the test's own: it counts the scrapes, and wants a bearer token.
struct Target {
    address: SocketAddr,
    scrapes: Arc<AtomicU64>,
}

impl Target {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, scrapes) = (listener.local_addr().unwrap(), Arc::new(AtomicU64::new(0)));
        let counted = Arc::clone(&scrapes);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let counted = Arc::clone(&counted);
                tokio::spawn(async move {
                    let mut request = vec![0; 4096];
                    let read = stream.read(&mut request).await.unwrap_or_default();
                    let request = String::from_utf8_lossy(&request[..read]).to_ascii_lowercase();
                    let is_known = request.contains("authorization: bearer secret");
                    let count = counted.fetch_add(1, Ordering::Relaxed);
                    let body =
                        format!("# TYPE scrapes counter\nscrapes_total {count}\nsteady{{a=\"b\"}} 1\n");
                    let status = if is_known { "200 OK" } else { "401 Unauthorized" };
                    let head = format!(
                        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                        body.len()
                    );
                    let _ = stream.write_all((head + &body).as_bytes()).await;
                });
            }
        });
        Self { address, scrapes }
    }

    fn count(&self) -> u64 {
        self.scrapes.load(Ordering::Relaxed)
    }
}

const CONFIG: &str = "
global: {scrape_interval: 1s}
scrape_configs:
- job_name: app
  authorization: {credentials_file: token}
  file_sd_configs: [{files: ['targets*.json']}]
  metric_relabel_configs: [{regex: a, action: labeldrop}]
- job_name: refused
  static_configs: [{targets: [TARGET]}]
";

async fn cluster(targets: &[Target], nodes: usize) -> Cluster {
    let mut cluster = Cluster::empty();
    let config = CONFIG.replace("TARGET", &format!("'{}'", targets[0].address));
    std::fs::write(cluster.path("scrape.yml"), config).unwrap();
    std::fs::write(cluster.path("token"), "secret\n").unwrap();
    write_targets(&cluster, targets);
    let file = cluster.path("scrape.yml").display().to_string();
    for index in 0..nodes {
        cluster.add(&format!("n{}", index + 1), &["--scrape", &file, "--drain", "10s"]);
        cluster.start_node(index).await;
    }
    cluster.all_ready().await;
    cluster
}

fn write_targets(cluster: &Cluster, targets: &[Target]) {
    let addresses: Vec<_> = targets.iter().map(|target| target.address.to_string()).collect();
    let groups = serde_json::json!([{"targets": addresses, "labels": {"zone": "a"}}]);
    std::fs::write(cluster.path("targets.json"), groups.to_string()).unwrap();
}

async fn json(node: &Node, path: &str) -> Option<Value> {
    let (_, answer) = node.get(path).await?;
    let body = answer.split_once("\r\n\r\n")?.1;
    serde_json::from_str(&body[body.find('{')?..=body.rfind('}')?]).ok()
}

/// The samples of a query's one series over the last seconds, or of none.
async fn range(node: &Node, query: &str, seconds: i64) -> Vec<(i64, f64)> {
    let end = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    let path = format!("/api/v1/query_range?query={query}&start={}&end={end}&step=1", end - seconds);
    let answer = json(node, &path).await.unwrap_or_default();
    let values = answer["data"]["result"][0]["values"].as_array().cloned().unwrap_or_default();
    let sample = |pair: &Value| (pair[0].as_i64().unwrap(), pair[1].as_str().unwrap().parse().unwrap());
    values.iter().map(sample).collect()
}

/// How many targets of a job a node shows as up, and how many in all.
async fn shown(node: &Node, job: &str) -> (usize, usize) {
    let answer = json(node, &format!("/api/v1/targets?scrapePool={job}")).await.unwrap_or_default();
    let targets = answer["data"]["activeTargets"].as_array().cloned().unwrap_or_default();
    (targets.iter().filter(|target| target["health"] == "up").count(), targets.len())
}

async fn all_show(cluster: &Cluster, job: &str, expected: (usize, usize)) {
    cluster
        .eventually(&format!("every node shows {expected:?} of {job}"), async || {
            for node in &cluster.nodes {
                if shown(node, job).await != expected {
                    return false;
                }
            }
            true
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_nodes_targets_are_scraped_by_the_others_and_nothing_is_doubled_or_ended() {
    let mut targets = Vec::new();
    for _ in 0..9 {
        targets.push(Target::start().await);
    }
    let mut cluster = cluster(&targets, 3).await;
    all_show(&cluster, "app", (9, 9)).await;
    all_show(&cluster, "refused", (0, 1)).await;
    let before: Vec<_> = targets.iter().map(Target::count).collect();
    cluster
        .eventually("each target is scraped", async || {
            targets.iter().zip(&before).all(|(t, b)| t.count() > b + 3)
        })
        .await;
    // What a node knows of its own targets may stand in its answers a little before it can be read.
    let began = std::time::Instant::now();

    cluster.nodes[2].kill();
    let killed = cluster.nodes.remove(2);
    let before: Vec<_> = targets.iter().map(Target::count).collect();
    cluster
        .eventually("the others scrape them all", async || {
            targets.iter().zip(&before).all(|(t, b)| t.count() > b + 8)
        })
        .await;
    all_show(&cluster, "app", (9, 9)).await;

    let seconds = began.elapsed().as_secs() as i64;
    for node in &cluster.nodes {
        let up = range(node, "count(up%7Bjob=%22app%22%7D)", seconds).await;
        assert!(!up.is_empty() && up.iter().all(|(_, count)| *count == 9.0), "a series ended: {up:?}");
        let most = range(node, "max(count_over_time(steady%5B4s%5D))", seconds - 4).await;
        assert!(most.iter().all(|(_, count)| *count <= 6.0), "scrapes are doubled: {most:?}");
        let resets = range(node, "max(resets(scrapes_total%5B1m%5D))", 0).await;
        assert!(resets.iter().all(|(_, count)| *count == 0.0), "{resets:?}");
    }
    drop(killed);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_target_lacks_has_ended_and_why_it_is_down_is_told() {
    let targets = [Target::start().await, Target::start().await];
    let cluster = cluster(&targets, 1).await;
    let node = &cluster.nodes[0];
    all_show(&cluster, "app", (2, 2)).await;
    let refused = "server returned HTTP status 401 Unauthorized";
    cluster
        .eventually("it is told why a target is down", async || {
            let answer = json(node, "/api/v1/targets?scrapePool=refused").await.unwrap_or_default();
            answer["data"]["activeTargets"][0]["lastError"] == refused
        })
        .await;
    let instance = targets[0].address.to_string();
    let series = format!("steady{{instance=\"{instance}\",job=\"app\",zone=\"a\"}}");
    assert_eq!(node.value(&series).await, Some(1.0));
    assert_eq!(node.value(&format!("up{{instance=\"{instance}\",job=\"refused\"}}")).await, Some(0.0));

    write_targets(&cluster, &targets[1..]);
    cluster.eventually("its series have ended", async || node.value(&series).await.is_none()).await;
    all_show(&cluster, "app", (1, 1)).await;
    assert_eq!(node.value(&format!("up{{instance=\"{instance}\",job=\"app\"}}")).await, None);

    std::fs::write(cluster.path("scrape.yml"), "scrape_configs: [{job_name: x, unknown: 1}]").unwrap();
    let count = targets[1].count();
    cluster.eventually("a broken file changes nothing", async || targets[1].count() > count + 6).await;
    std::fs::write(cluster.path("scrape.yml"), "scrape_configs: []").unwrap();
    all_show(&cluster, "app", (0, 0)).await;
    let (status, text) = node.get("/metrics").await.unwrap();
    assert!(status == 200 && text.contains("shoal_points_accepted_total{door=\"scrape\"}"), "{text}");
}

/// What a node answers, once it finds the time.
async fn answered(cluster: &Cluster, node: &Node, path: &str) -> Value {
    let answer = std::cell::RefCell::new(Value::Null);
    cluster
        .eventually("a query is answered", async || {
            answer.replace(json(node, path).await.unwrap_or_default());
            answer.borrow()["status"] == "success"
        })
        .await;
    answer.into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_are_scraped_on_while_every_node_is_restarted_in_turn() {
    let targets = [Target::start().await, Target::start().await, Target::start().await];
    let mut cluster = cluster(&targets, 3).await;
    all_show(&cluster, "app", (3, 3)).await;
    // From here on a sample a second is there; the instants before that are the first scrapes'.
    let began = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64 + 5;
    for node in 0..3 {
        let writer = cluster.nodes[node].client().members().await.unwrap().node.0;
        assert!(cluster.nodes[node].terminate().await.success());
        let left_ms = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64;
        for other in (0..3).filter(|other| *other != node) {
            let options = ReadOptions { parts: true, ..ReadOptions::default() };
            let up = cluster.nodes[other].client().read("up{job=\"app\"}", options).await.unwrap();
            assert_eq!(up.series.len(), 3, "a series has ended");
            // What it scraped until it left it has handed over.
            let mut parts = up.series.iter().flat_map(|series| &series.parts);
            let is_left_over = |part: &Part| part.writer.0 == writer && part.time > left_ms - 3_000;
            assert!(!parts.any(is_left_over), "who has left at {left_ms} has ended its part: {up:?}");
        }
        let before: Vec<_> = targets.iter().map(Target::count).collect();
        cluster
            .eventually("the others scrape on", async || {
                targets.iter().zip(&before).all(|(t, b)| t.count() > b + 3)
            })
            .await;
        cluster.start_node(node).await;
        cluster.all_ready().await;
    }
    cluster.all_agree().await;
    let mut greatest = 0;
    for node in &cluster.nodes {
        let answer = answered(&cluster, node, "/api/v1/query?query=steady%5B10m%5D").await;
        let series = answer["data"]["result"].as_array().unwrap();
        assert_eq!(series.len(), 3, "{answer}");
        for one in series {
            let times =
                one["values"].as_array().unwrap().iter().map(|pair| (pair[0].as_f64().unwrap() * 1e3) as i64);
            let times: Vec<_> = times.filter(|time| *time >= began * 1000).collect();
            let gap = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default();
            greatest = greatest.max(gap);
            assert!(times.len() > 5 && gap < 10_000, "a gap of {gap} ms at {}: {times:?}", node.name);
        }
        let resets =
            answered(&cluster, node, "/api/v1/query?query=sum(resets(scrapes_total%5B10m%5D))").await;
        assert_eq!(resets["data"]["result"][0]["value"][1], "0", "{resets}");
    }
    println!("the greatest distance of two samples of a 1 s series: {greatest} ms");
}
