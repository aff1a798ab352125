//! The unit of `deploy/systemd`: systemd reads it without a complaint, it is well confined, and a node tells whoever
//! started it how far it is.

use std::fs;
use std::os::unix::net::UnixDatagram;

use crate::harness::{Cluster, PATIENCE};
use crate::{installed, text};

/// What `systemd-analyze security` gives at the most, in tenths: 0 is fully confined, 100 not at all.
const EXPOSURE_MAX: &str = "15";

#[tokio::test]
async fn systemd_takes_the_unit_and_holds_it_for_confined() {
    let Some(analyze) = installed::program("systemd-analyze") else { return };
    let folder = tempfile::tempdir().unwrap();
    let unit = text("systemd/shoal.service");
    let installed_as = "/usr/local/bin/shoal";
    assert!(unit.contains(installed_as));
    let unit = unit.replace(installed_as, env!("CARGO_BIN_EXE_shoal"));
    let path = folder.path().join("shoal.service");
    fs::write(&path, unit).unwrap();
    let path = path.to_str().unwrap();
    let verified = analyze.output(&["verify", "--man=no", path]).await;
    let said = String::from_utf8_lossy(&verified.stderr);
    // It also reads what else this machine has.
    let ours: Vec<_> = said.lines().filter(|line| line.contains("shoal")).collect();
    assert!(ours.is_empty(), "{ours:#?}");
    let threshold = format!("--threshold={EXPOSURE_MAX}");
    let said = analyze.printed(&["security", "--offline=true", &threshold, path]).await;
    let overall = said.lines().find(|line| line.contains("Overall exposure")).expect("a verdict");
    println!("{}", overall.trim());
}

fn told(socket: &UnixDatagram) -> String {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = [0; 256];
    let count = socket.recv(&mut bytes).expect("the node tells");
    String::from_utf8_lossy(&bytes[..count]).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_tells_when_it_runs_and_when_it_ends() {
    let mut cluster = Cluster::empty();
    let path = cluster.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    cluster.add("n1", &[]);
    cluster.nodes[0].wrapper = vec!["env".into(), format!("NOTIFY_SOCKET={}", path.display())];
    cluster.start_node(0).await;
    assert_eq!(told(&socket), "READY=1\n");
    cluster.nodes[0].terminate().await;
    assert_eq!(told(&socket), "STOPPING=1\n");
}
