//! The alerts of `deploy/prometheus`: promtool takes them and their own tests, each has a test, and each asks for metrics
//! that a node has.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::{Cluster, Node};
use crate::{deployed, installed, text};

const RULES: &str = "prometheus/shoal-alerts.yml";
const TESTS: &str = "prometheus/shoal-alerts-test.yml";
/// What Prometheus itself says of a target.
const OF_PROMETHEUS: &str = "up";

fn rules() -> Vec<Value> {
    let file: Value = serde_saphyr::from_str(&text(RULES)).unwrap();
    let groups = file["groups"].as_array().unwrap().iter();
    groups.flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

#[tokio::test]
async fn promtool_takes_the_alerts_and_their_tests_pass() {
    let Some(promtool) = installed::program("promtool") else { return };
    let path = |name| deployed(name).display().to_string();
    promtool.printed(&["check", "rules", &path(RULES)]).await;
    promtool.printed(&["test", "rules", &path(TESTS)]).await;
}

#[test]
fn every_alert_has_a_test_in_which_it_fires_and_one_in_which_it_does_not() {
    let file: Value = serde_saphyr::from_str(&text(TESTS)).unwrap();
    let tests = file["tests"].as_array().unwrap().iter();
    let asked: Vec<Value> =
        tests.flat_map(|one| one["alert_rule_test"].as_array().unwrap().clone()).collect();
    for rule in rules() {
        let of_rule = asked.iter().filter(|one| one["alertname"] == rule["alert"]);
        let counts: Vec<usize> = of_rule.map(|one| one["exp_alerts"].as_array().unwrap().len()).collect();
        assert!(
            counts.contains(&0) && counts.iter().any(|count| *count > 0),
            "{}: {counts:?}",
            rule["alert"]
        );
    }
}

/// The places in the operator's page that alerts point to.
#[test]
fn every_alert_says_what_to_do_and_where_there_is_more() {
    let page = text("../docs/OPERATING.md");
    let headings = page.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix(' '));
    let anchors: BTreeSet<String> = headings
        .map(|heading| {
            let kept = heading.to_lowercase().replace(' ', "-");
            kept.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
        })
        .collect();
    for rule in rules() {
        let (name, about) = (&rule["alert"], &rule["annotations"]);
        assert!(about["summary"].is_string() && about["description"].is_string(), "{name}");
        assert!(
            ["critical", "warning", "info"].map(Value::from).contains(&rule["labels"]["severity"]),
            "{name}"
        );
        assert!(rule["for"].is_string(), "{name}");
        let place = about["runbook"].as_str().unwrap().strip_prefix("docs/OPERATING.md#").unwrap();
        assert!(anchors.contains(place), "{name}: the operator's page has no {place}, but {anchors:?}");
    }
}

/// The names in an expression, as the node's own parser reads it.
async fn names(node: &Node, expr: &str) -> BTreeSet<String> {
    let form: String = form_urlencoded::Serializer::new(String::new()).append_pair("query", expr).finish();
    let (status, answer) = node.post_form("/api/v1/parse_query", &form).await.unwrap();
    assert_eq!(status, 200, "{expr}: {answer}");
    let tree: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    let mut names = BTreeSet::new();
    collect(&tree, &mut names);
    names
}

fn collect(tree: &Value, names: &mut BTreeSet<String>) {
    match tree {
        Value::Object(fields) => {
            if ["vectorSelector", "matrixSelector"].map(Value::from).contains(&tree["type"]) {
                names.extend(tree["name"].as_str().map(str::to_owned));
            }
            fields.values().for_each(|field| collect(field, names));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
        _ => {}
    }
}

async fn shown(node: &Node) -> BTreeSet<String> {
    let Some((_, answer)) = node.get("/metrics").await else { return BTreeSet::new() };
    let samples = answer.lines().filter(|line| !line.starts_with('#'));
    samples.filter_map(|line| line.split(['{', ' ']).next()).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_ask_for_what_a_node_shows() {
    let cluster = Cluster::start(2).await;
    let node = &cluster.nodes[0];
    // Refusals are shown once there is one.
    let (status, answer) = node.post("/api/v1/import/prometheus", "old 1 1000\n").await.unwrap();
    assert_eq!(status, 400, "{answer}");
    let mut asked = BTreeSet::new();
    for rule in rules() {
        let names = names(node, rule["expr"].as_str().unwrap()).await;
        assert!(!names.is_empty(), "{}", rule["alert"]);
        asked.extend(names);
    }
    asked.remove(OF_PROMETHEUS);
    cluster
        .eventually("the node shows whatever alerts ask for", async || {
            let shown = shown(node).await;
            let missing: Vec<_> = asked.difference(&shown).collect();
            if !missing.is_empty() {
                eprintln!("not shown: {missing:?}");
            }
            missing.is_empty()
        })
        .await;
}
