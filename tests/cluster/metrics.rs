//! What a node says of itself: the names that the documentation has, and no others.

use std::collections::BTreeMap;
use std::fs;

use crate::harness::Cluster;

/// Families of a text with their types.
fn families(text: &str) -> BTreeMap<String, String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .filter_map(|line| line.split_once(' '))
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect()
}

/// The documentation's table: names with their types, and whether the node may lack them.
fn documented() -> Vec<(String, String, bool)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/METRICS.md");
    let text = fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `shoal_"));
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        (cells[1].trim_matches('`').to_owned(), cells[2].to_owned(), cells[4].contains("absent"))
    };
    rows.map(row).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documentation_has_the_metrics_of_a_live_node_and_no_others() {
    let cluster = Cluster::start(2).await;
    let (status, _) = cluster.nodes[0].post("/api/v1/import/prometheus", "up 1\nup{ 1\n").await.unwrap();
    assert_eq!(status, 400);
    cluster.all_agree().await;
    let (_, text) = cluster.nodes[0].get("/metrics").await.unwrap();
    let mut shown = families(&text);
    shown.retain(|name, _| name.starts_with("shoal_"));
    for (name, kind, may_lack) in documented() {
        match shown.remove(&name) {
            Some(shown) => assert_eq!(shown, kind, "{name}"),
            None => assert!(may_lack, "{name} is documented and not there"),
        }
    }
    assert!(shown.is_empty(), "not documented: {shown:?}");
    assert!(text.contains("shoal_ready 1\n"), "{text}");
    let refused = r#"shoal_requests_total{door="import",outcome="refused"} 1"#;
    assert!(text.contains(refused), "{text}");
    for name in
        ["process_cpu_seconds_total", "process_open_fds", "process_max_fds", "process_resident_memory_bytes"]
    {
        assert!(text.contains(&format!("# TYPE {name} ")), "{name}");
    }
}
