//! Debian's `promtool` asks a node what it would ask Prometheus.

use crate::harness::Cluster;
use crate::installed;

const DATA: &str =
    "up{job=\"x\"} 1\nhttp_total{job=\"x\",path=\"/\"} 5\nhttp_total{job=\"x\",path=\"/a\"} 7\n";

#[tokio::test(flavor = "multi_thread")]
async fn promtool_asks_for_values_series_and_labels() {
    let Some(promtool) = installed::program("promtool") else { return };
    let cluster = Cluster::start(1).await;
    let (status, answer) = cluster.nodes[0].post("/api/v1/import/prometheus", DATA).await.unwrap();
    assert_eq!(status, 204, "{answer}");
    let url = format!("http://{}", cluster.nodes[0].client);

    let instant = promtool.printed(&["query", "instant", &url, "sum by (path) (http_total)"]).await;
    assert!(instant.contains("{path=\"/\"} => 5 @["), "{instant}");
    assert!(instant.contains("{path=\"/a\"} => 7 @["), "{instant}");

    let range = ["query", "range", "--step", "1s", &url, "http_total{path=\"/\"} * 2"];
    let range = promtool.printed(&range).await;
    assert!(range.contains("{job=\"x\", path=\"/\"} =>") && range.contains("10 @["), "{range}");

    let series = promtool.printed(&["query", "series", "--match", "up", &url]).await;
    assert_eq!(series.trim(), "{__name__=\"up\", job=\"x\"}");

    let labels = promtool.printed(&["query", "labels", &url, "path"]).await;
    assert_eq!(labels.lines().collect::<Vec<_>>(), ["/", "/a"]);

    let refused = promtool.output(&["query", "instant", &url, "sum("]).await;
    assert!(!refused.status.success(), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("bad_data"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn promtool_finds_nothing_to_say_of_a_nodes_own_metrics() {
    let Some(promtool) = installed::program("promtool") else { return };
    let cluster = Cluster::start(2).await;
    let (_, answer) = cluster.nodes[0].get("/metrics").await.unwrap();
    let text = answer.split_once("\r\n\r\n").unwrap().1;
    let file = cluster.path("metrics");
    std::fs::write(&file, text).unwrap();
    let command = format!("promtool check metrics < '{}'", file.display());
    let checked = tokio::process::Command::new("sh").args(["-c", &command]).output().await.unwrap();
    let said = [checked.stdout, checked.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(checked.status.success() && said.concat().is_empty(), "{said:?}");
    drop(promtool);
}
