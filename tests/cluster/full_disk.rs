//! A file system that is really full: writes are refused with a status that says to try again, reads go on, and
//! writes are taken again once there is space.

use std::fmt::Write as _;
use std::fs;
use std::process::{Command, Stdio};

use crate::harness::Cluster;

/// Mounts a small file system over a directory that only the process it then becomes can see, with a part taken.
const MOUNT: &str =
    r#"mount -t tmpfs -o size=1m none "$0" && head -c 786432 /dev/zero > "$0/ballast" && exec "$@""#;

fn in_small_file_system(directory: &str) -> Vec<String> {
    ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", MOUNT, directory].map(String::from).into()
}

/// Whether this machine lets us mount.
fn can_mount(directory: &str) -> bool {
    let wrapper = in_small_file_system(directory);
    let mut command = Command::new(&wrapper[0]);
    command.args(&wrapper[1..]).arg("true").stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Lines with a time, of values that do not repeat.
fn lines(round: i64, now_ms: i64) -> String {
    (0..1_000).fold(String::new(), |mut text, n: i64| {
        writeln!(text, "filling{{n=\"{n}\"}} {}.{round}7 {}", n * 7919, now_ms + round).unwrap();
        text
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_file_system_refuses_writes_with_503_and_reads_go_on() {
    let mut cluster = Cluster::empty();
    let node = cluster.add("n1", &[]);
    let journal = cluster.nodes[node].data.join("journal");
    fs::create_dir_all(&journal).unwrap();
    let directory = journal.to_str().unwrap();
    if !can_mount(directory) {
        println!("skipped: needs unshare, and the right to mount in a user namespace");
        return;
    }
    cluster.nodes[node].wrapper = in_small_file_system(directory);
    cluster.start_node(node).await;
    cluster.all_ready().await;
    let node = &cluster.nodes[node];
    let now_ms = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64 - 60_000;
    let write = async |round| {
        let (status, text) = node.post("/api/v1/import/prometheus", &lines(round, now_ms)).await.unwrap();
        assert!(matches!(status, 200 | 204 | 503), "{text}");
        (status != 503).then_some(()).ok_or(text)
    };
    let mut taken = 0;
    let refusal = loop {
        match write(taken).await {
            Ok(()) => taken += 1,
            Err(text) => break text,
        }
        assert!(taken < 1_000, "the file system does not fill up");
    };
    assert!(taken > 0 && refusal.contains("disk refused"), "{taken} were taken, then {refusal}");
    for _ in 0..3 {
        assert!(write(taken).await.is_err(), "it is still full");
        let value = node.value("filling{n=\"1\"}").await;
        assert_eq!(value, Some(format!("7919.{}7", taken - 1).parse().unwrap()), "reads go on");
    }
    assert!(node.is_ready().await);
    let mount = format!("/proc/{}/root{directory}", node.process_id());
    fs::remove_file(format!("{mount}/ballast")).unwrap();
    write(taken).await.unwrap();
    let value = node.value("filling{n=\"1\"}").await;
    assert_eq!(value, Some(format!("7919.{taken}7").parse().unwrap()), "there is space again");
}
