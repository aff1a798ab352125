//! Machines that lose power. Each node has a file system of its own, in an image behind a loop device: what was not
//! synced when the image is copied is not in the copy, and the copy is what the machine finds when it is on again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use shoal_client::{Acks, WriteOptions};
use shoal_merge::Digest;
use shoal_model::{Kind, Labels, Point, Stream, StreamPoints, Writer};

use crate::harness::Cluster;
use crate::killed::{digest, joined};

/// Room for what the test writes; the image is sparse.
const IMAGE_BYTES: u64 = 256 * 1024 * 1024;
/// The kernel writes nothing back by itself for so many seconds.
const WRITE_BACK: &str = "loop,commit=600";
const ROUNDS: usize = 4;
const STREAMS: usize = 500;

/// A machine's disk.
struct Machine {
    image: PathBuf,
    mount: PathBuf,
}

fn run(program: &str, arguments: &[&Path]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

impl Machine {
    /// `None` where this machine lets no test mount an image.
    fn new(image: PathBuf, mount: PathBuf) -> Option<Self> {
        fs::File::create(&image).and_then(|file| file.set_len(IMAGE_BYTES)).unwrap();
        fs::create_dir(&mount).unwrap();
        let is_made = run("mkfs.ext4", &["-q".as_ref(), "-F".as_ref(), &image]);
        let machine = Self { image, mount };
        (is_made && machine.switch_on()).then_some(machine)
    }

    fn switch_on(&self) -> bool {
        run("mount", &["-o".as_ref(), WRITE_BACK.as_ref(), &self.image, &self.mount])
    }

    /// What is on the disk at this moment: a copy during which nothing was written.
    fn copy(&self) -> PathBuf {
        let copy = self.image.with_extension("copy");
        while {
            assert!(run("cp", &["--sparse=always".as_ref(), &self.image, &copy]));
            !run("cmp", &["-s".as_ref(), &self.image, &copy])
        } {}
        copy
    }

    /// The disk is as it was when the copy was made.
    fn come_back(&self, copy: &Path) {
        assert!(run("umount", &[&self.mount]));
        fs::rename(copy, &self.image).unwrap();
        assert!(self.switch_on());
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        run("umount", &["-l".as_ref(), &self.mount]);
    }
}

/// Half of the streams are new in each round, so that tables have to survive too.
fn batch(round: usize, now_ms: i64) -> Vec<StreamPoints> {
    let one = |number: usize| {
        let number = number.to_string();
        let labels = Labels::new([("__name__", "load"), ("stream", number.as_str())]).unwrap();
        let stream = Stream { labels, writer: Writer::NONE, kind: Kind::Sample };
        StreamPoints { stream, points: vec![Point::new(now_ms + round as i64, 1.0)] }
    };
    (0..STREAMS).map(|number| one(round * STREAMS / 2 + number)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_machines_that_hold_an_acknowledged_write_lose_power_right_after_and_nothing_is_lost() {
    let mut cluster = Cluster::empty();
    let machine = |name: &str| Machine::new(cluster.path(&format!("{name}.img")), cluster.path(name));
    let (Some(first), Some(second)) = (machine("one"), machine("two")) else {
        println!("skipped: needs root, mkfs.ext4 and loop devices");
        return;
    };
    let machines = [first, second];
    for (index, machine) in machines.iter().enumerate() {
        cluster.add(&format!("n{}", index + 1), &[]);
        cluster.nodes[index].data = machine.mount.join("data");
        cluster.start_node(index).await;
    }
    cluster.all_ready().await;
    let now_ms = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64;
    let mut acknowledged = Digest::default();
    for round in 0..ROUNDS {
        let batch = batch(round, now_ms);
        acknowledged.merge(digest(&batch));
        let options =
            WriteOptions { acks: Acks::Count(std::num::NonZero::new(2).unwrap()), ..WriteOptions::default() };
        let receipt = cluster.nodes[round % 2].client().write(batch, options).await.expect("both are up");
        cluster.nodes.iter().for_each(|node| node.signal(Signal::STOP));
        assert_eq!(receipt.copies, 2);
        let copies: Vec<_> = machines.iter().map(Machine::copy).collect();
        cluster.nodes.iter_mut().for_each(|node| node.kill());
        machines.iter().zip(&copies).for_each(|(machine, copy)| machine.come_back(copy));
        cluster.start_node(0).await;
        cluster.start_node(1).await;
        cluster.all_ready().await;
        cluster.all_agree().await;
        let state = cluster.nodes[0].state_with_digest().await.expect("it agreed before");
        assert_eq!(state["digest"], joined(acknowledged, Digest::default()), "round {round}");
    }
    cluster.nodes.iter_mut().for_each(|node| node.kill());
}
