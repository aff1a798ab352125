//! `shoal export` and `shoal import` between clusters: what was written by several writers moves as the one series that
//! queries see, whatever the format; what is sent again changes nothing; what cannot be taken is counted and named.

use std::fs;
use std::io::Write as _;
use std::process::Command;
use std::time::UNIX_EPOCH;

use flate2::Compression;
use flate2::write::GzEncoder;
use shoal_client::{Session, SessionConfig};

use crate::harness::{Cluster, Node};

/// A command at a node: whether it worked, and what it said.
fn shoal(node: &Node, args: &[&str]) -> (bool, String, String) {
    let address = node.client.to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_shoal"));
    let run = || command.args(args).args(["--node", &address]).output().unwrap();
    let output = tokio::task::block_in_place(run);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

fn works(node: &Node, args: &[&str]) -> String {
    let (is_good, out, err) = shoal(node, args);
    assert!(is_good, "{args:?}: {err}");
    out
}

/// All samples of the moved series in the last minutes, as the node answers.
async fn samples(node: &Node) -> String {
    let form = "query={__name__=~\"moved_.%2B\"}[10m]";
    let (status, answer) = node.post_form("/api/v1/query", form).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let answer: serde_json::Value = serde_json::from_str(body).unwrap();
    answer["data"]["result"].to_string()
}

/// Two sessions that count one series, a series with a stale marker, and labels that need care.
async fn fill(node: &Node) {
    for (writer, clicks) in [(1, 5.0), (2, 70.0)] {
        let session = Session::new(node.client(), SessionConfig::default());
        let counter = session.counter("moved_clicks_total", &[("page", "/a b\"\\")]);
        for _ in 0..5 {
            counter.add(clicks);
            session.flush().await.unwrap();
        }
        println!("writer {writer} has counted");
    }
    let now = UNIX_EPOCH.elapsed().unwrap().as_millis() as i64;
    let lines: String =
        (0..100).map(|n| format!("moved_level{{Room=\"attic\"}} {n}.5 {}\n", now - n * 1000)).collect();
    let (status, answer) = node.post("/api/v1/import/prometheus", &lines).await.unwrap();
    assert_eq!(status, 204, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_moves_to_another_in_every_format_and_twice_is_once() {
    let from = Cluster::start(2).await;
    fill(&from.nodes[0]).await;
    from.all_agree().await;
    let expected = samples(&from.nodes[1]).await;
    assert!(expected.contains("375") && expected.contains("99.5"), "{expected}");
    for format in ["text", "openmetrics", "remote-write"] {
        let file = from.path(format);
        let path = file.to_str().unwrap();
        works(&from.nodes[1], &["export", "{__name__=~\"moved_.+\"}", "--format", format, "--out", path]);
        let to = Cluster::start(1).await;
        for _ in 0..2 {
            works(&to.nodes[0], &["import", path]);
            assert_eq!(samples(&to.nodes[0]).await, expected, "by {format}");
        }
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&fs::read(&file).unwrap()).unwrap();
        fs::write(file.with_extension("gz"), packed.finish().unwrap()).unwrap();
        works(&to.nodes[0], &["import", file.with_extension("gz").to_str().unwrap()]);
        assert_eq!(samples(&to.nodes[0]).await, expected, "packed, by {format}");
        if format != "text" {
            let whole = fs::read(&file).unwrap();
            fs::write(&file, &whole[..whole.len() - 3]).unwrap();
            let (is_good, _, err) = shoal(&to.nodes[0], &["import", path]);
            assert!(!is_good && (err.contains("missing") || err.contains("ends early")), "{err}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_import_does_not_take_is_counted_and_the_first_reason_told() {
    let cluster = Cluster::start(1).await;
    let now = UNIX_EPOCH.elapsed().unwrap().as_millis() as i64;
    let text = format!("good 1 {now}\nold 1 1000000000000\nbad{{ 1 {now}\nnameless 1\n");
    let file = cluster.path("mixed");
    fs::write(&file, text).unwrap();
    let (is_good, _, err) = shoal(&cluster.nodes[0], &["import", file.to_str().unwrap()]);
    assert!(!is_good && err.contains("3 points were refused, 1 imported"), "{err}");
    assert!(err.contains("line 3"), "{err}");
    assert_eq!(cluster.nodes[0].value("good").await, Some(1.0));
    let (is_good, _, err) = shoal(&cluster.nodes[0], &["export", "sum(good)"]);
    assert!(!is_good && err.contains("selector"), "{err}");
    let printed = works(&cluster.nodes[0], &["export", "good"]);
    assert!(printed.starts_with("good 1 ") && printed.ends_with("# EOF\n"), "{printed}");
}
