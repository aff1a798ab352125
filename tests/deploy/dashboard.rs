//! The dashboard of `deploy/grafana`: every question in it is answered by a live cluster that writes its own metrics,
//! and with data.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::{Cluster, Node};
use crate::text;

fn dashboard() -> Value {
    serde_json::from_str(&text("grafana/shoal.json")).unwrap()
}

fn panels() -> Vec<Value> {
    dashboard()["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row").cloned().collect()
}

/// An expression as Grafana sends it, with every node chosen.
fn filled(expr: &str) -> String {
    let filled = expr.replace("$__rate_interval", "1m").replace("$instance", ".*");
    assert!(!filled.contains('$'), "{expr}");
    filled
}

/// The expressions of all panels.
fn expressions() -> BTreeSet<String> {
    let targets = panels().into_iter().flat_map(|panel| panel["targets"].as_array().unwrap().clone());
    targets.map(|target| filled(target["expr"].as_str().unwrap())).collect()
}

#[test]
fn panels_have_what_grafana_asks_for_and_do_not_overlap() {
    let dashboard = dashboard();
    assert_eq!(dashboard["uid"], "shoal");
    let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: an id of its own");
        let side = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        assert!(side("x") + side("w") <= 24, "{title} is too wide");
        for x in side("x")..side("x") + side("w") {
            for y in side("y")..side("y") + side("h") {
                assert!(cells.insert((x, y)), "{title} lies over another panel");
            }
        }
    }
    for panel in panels() {
        let title = panel["title"].as_str().unwrap();
        assert!(panel["description"].as_str().is_some_and(|text| !text.is_empty()), "{title} is explained");
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
        }
    }
}

async fn result(node: &Node, expr: &str) -> Vec<Value> {
    let form: String = form_urlencoded::Serializer::new(String::new()).append_pair("query", expr).finish();
    let (status, answer) = node.post_form("/api/v1/query", &form).await.unwrap();
    assert_eq!(status, 200, "{expr}: {answer}");
    let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    body["data"]["result"].as_array().cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_question_of_the_dashboard_is_answered_with_data() {
    let mut cluster = Cluster::empty();
    for number in 1..=3 {
        cluster.add(&format!("n{number}"), &["--self-metrics", "1s"]);
    }
    for index in 0..3 {
        cluster.start_node(index).await;
    }
    cluster.all_ready().await;
    let node = &cluster.nodes[0];
    // Rates of refusals need two values, the first of them above nothing.
    let (status, _) = node.post("/api/v1/import/prometheus", "old 1 1000\n").await.unwrap();
    assert_eq!(status, 400);
    let expressions = expressions();
    cluster
        .eventually("every question has data", async || {
            let mut without = Vec::new();
            for expr in &expressions {
                let result = result(node, expr).await;
                if result.is_empty()
                    || result.iter().all(|one| one["value"][1] == "NaN" && !is_quantile(expr))
                {
                    without.push(expr);
                }
            }
            if !without.is_empty() {
                eprintln!("no data yet: {without:#?}");
            }
            without.is_empty()
        })
        .await;
    let shown = result(node, "count(shoal_ready)").await;
    assert_eq!(shown[0]["value"][1], "3", "every node is there");
}

/// A quantile of nothing is no number: a door by which nobody came.
fn is_quantile(expr: &str) -> bool {
    expr.starts_with("histogram_quantile")
}
