//! The commands against a running node.

use std::path::PathBuf;

use serde_json::Value;

use crate::program::{Running, Said, command, eventually, shoal};

/// One node, on free ports.
struct Node {
    address: String,
    _process: Running,
    dir: tempfile::TempDir,
}

impl Node {
    fn start(args: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let mut command = command();
        command.args(["node", "--until-stdin-closes", "--name", "one", "--self-metrics", "off"]);
        command.args(["--listen", "127.0.0.1:0", "--peer", "127.0.0.1:0", "--log", "error"]).args(args);
        let process = Running::start(command.arg("--data").arg(&data));
        let mut address = None;
        eventually("the node listens", || {
            let text = std::fs::read_to_string(data.join("addresses")).unwrap_or_default();
            let client = text.lines().find_map(|line| line.strip_prefix("client="));
            address = client.filter(|_| text.contains("peer=")).map(str::to_owned);
            address.is_some()
        });
        Self { address: address.unwrap(), _process: process, dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn ask(&self, args: &[&str]) -> Said {
        shoal(args.iter().copied().chain(["--node", self.address.as_str()]))
    }

    fn json(&self, args: &[&str]) -> Value {
        let said = self.ask(args);
        assert_eq!(said.code, Some(0), "{args:?}: {}", said.err);
        serde_json::from_str(&said.out).unwrap()
    }

    fn works(&self, args: &[&str]) -> String {
        let said = self.ask(args);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{args:?}");
        said.out
    }

    fn fails(&self, args: &[&str], part: &str) {
        let said = self.ask(args);
        assert!(said.code == Some(1) && said.err.lines().count() == 1, "{args:?}: {}", said.err);
        assert!(said.err.contains(part), "{args:?}: {part:?} is not in {}", said.err);
    }
}

#[test]
fn what_was_added_is_read_as_a_sum() {
    let node = Node::start(&[]);
    let series = r#"requests_total{job="web"}"#;
    node.works(&["add", series, "2"]);
    let added = node.works(&["add", series, "0.5"]);
    assert!(added.starts_with(&format!("added 0.5 to {series}\ncopies  1\ntoken   ")), "{added}");
    let token = added.lines().find_map(|line| line.strip_prefix("token   ")).unwrap();
    let read = node.works(&["read", "requests_total", "--token", token]);
    let row: Vec<&str> = read.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!((row[0], row[1], row[4]), ("2.5", "delta", series), "{read}");
    let json = node.json(&["read", r#"{job=~"w.*"}"#, "--json", "--parts"]);
    assert_eq!(json["series"][0]["value"], "2.5");
    assert_eq!(json["series"][0]["labels"]["job"], "web");
    assert_eq!(json["series"][0]["parts"][0]["value"], "2.5");
    assert_eq!(node.works(&["read", "requests_total", "--time", "1000"]), "no series\n");
}

#[test]
fn a_gauge_is_what_it_was_set_to_last() {
    let node = Node::start(&[]);
    node.works(&["set", "depth", "7"]);
    // The later of two settings within one millisecond is not known; a process takes longer to start.
    node.works(&["set", "depth", "-3.5"]);
    assert_eq!(node.json(&["read", "depth", "--json"])["series"][0]["value"], "-3.5");
    node.fails(&["add", "depth", "1"], "gauge");
}

#[test]
fn what_cannot_be_written_is_refused_with_a_reason() {
    let node = Node::start(&[]);
    node.fails(&["add", "clicks", "-1"], "zero or more");
    node.fails(&["add", "clicks", "NaN"], "zero or more");
    node.fails(&["set", r#"depth{job=~"a"}"#, "1"], "= only");
    node.fails(&["set", "{}", "1"], "selector");
    node.fails(&["read", "sum(depth)"], "selector");
    assert_eq!(node.works(&["read", "clicks"]), "no series\n");
}

#[test]
fn an_expression_is_evaluated_now_then_and_over_a_range() {
    let node = Node::start(&[]);
    node.works(&["set", r#"depth{queue="a"}"#, "7"]);
    let added = node.works(&["set", r#"depth{queue="b"}"#, "-3.5"]);
    let token = added.lines().find_map(|line| line.strip_prefix("token   ")).unwrap();
    assert_eq!(node.works(&["query", "sum(depth)", "--token", token]), "VALUE  SERIES\n3.5    {}\n");
    assert_eq!(node.works(&["query", "1 + 1"]), "2\n");
    assert_eq!(node.works(&["query", "depth", "--time", "1000"]), "no series\n");
    let json = node.json(&["query", "topk(1, depth)", "--json"]);
    assert_eq!((&json["resultType"], &json["result"][0]["value"][1]), (&"vector".into(), &"7".into()));
    assert_eq!(json["result"][0]["metric"]["queue"], "a");
    let range = ["query", "vector(time())", "--start", "10", "--end", "20", "--step", "5s"];
    let table = node.works(&range);
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    let row = |second: u32| format!("1970-01-01 00:00:{second}.000Z {second} {{}}");
    assert_eq!(rows[1..].iter().map(|row| row.join(" ")).collect::<Vec<_>>(), [10, 15, 20].map(row));
    assert_eq!(node.json(&[&range[..], &["--json"]].concat())["result"][0]["values"][2][1], "20");
    node.fails(&["query", "sum("], "parse error");
    node.fails(&["query", "depth", "--step", "5s"], "--start");
    assert!(node.works(&["query", "quantile(2, depth)"]).contains("warning: PromQL warning: quantile"));
}

#[test]
fn status_shows_the_members() {
    let node = Node::start(&["--zone", "attic"]);
    let text = node.works(&["status"]);
    let row = text.lines().nth(1).unwrap();
    for part in ["one", "attic", "ready", "yes", node.address.as_str(), env!("CARGO_PKG_VERSION")] {
        assert!(row.contains(part), "{part:?} is not in {text}");
    }
    let line = |word: &str| text.lines().find(|line| line.starts_with(word)).unwrap_or_default().to_owned();
    assert!(line("complete  ").contains(" ago, 20") || line("complete  ").contains("unknown"), "{text}");
    assert!(line("memory    ").contains("MiB of ") && line("disk      ").contains(" free"), "{text}");
    assert!(line("takes     ").contains("points since its start"), "{text}");
    let json = node.json(&["status", "--json"]);
    assert_eq!(json["cluster"], "shoal");
    assert_eq!(json["members"][0]["node"], json["node"]);
    node.fails(&["forget", "two"], "no node is named \"two\"");
}

#[test]
fn a_guarded_node_answers_those_with_a_token() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = dir.path().join("tokens");
    std::fs::write(&tokens, "first\nsecond\n").unwrap();
    let node = Node::start(&["--token-file", tokens.to_str().unwrap()]);
    node.fails(&["read", "clicks"], "Unauthenticated");
    node.fails(&["log", "debug"], "Unauthenticated");
    node.fails(&["snapshot", "today"], "Unauthenticated");
    node.fails(&["export", "clicks"], "401");
    std::fs::write(node.path("token"), "second\n").unwrap();
    let token = node.path("token");
    assert_eq!(node.works(&["read", "clicks", "--token-file", token.to_str().unwrap()]), "no series\n");
    std::fs::write(&token, "third\n").unwrap();
    node.fails(&["read", "clicks", "--token-file", token.to_str().unwrap()], "Unauthenticated");
}

#[test]
fn a_nodes_log_is_changed_while_it_runs() {
    let node = Node::start(&[]);
    assert_eq!(node.works(&["log"]), "error\n");
    assert_eq!(node.works(&["log", "info,shoal=debug"]), "info,shoal=debug\n");
    assert_eq!(node.works(&["log"]), "info,shoal=debug\n");
    node.fails(&["log", "shoal=loud"], "shoal=loud");
    assert_eq!(node.works(&["log"]), "info,shoal=debug\n");
}

#[test]
fn a_watched_status_is_told_block_by_block_with_rates() {
    let node = Node::start(&[]);
    let mut watching = Running::start(command().args(["status", "--watch", "--node", &node.address]));
    watching.wait_for_line("the first block", |line| line.starts_with("NAME"));
    watching.wait_for_line("rates in a later one", |line| line.contains("points/s at its doors"));
    let mut lines = Running::start(command().args(["status", "--watch", "--json", "--node", &node.address]));
    for _ in 0..2 {
        let line = lines.wait_for_line("a line of JSON", |line| line.starts_with('{'));
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["cluster"], "shoal");
    }
}
