//! A container as an engine runs one: its root is the image, which it cannot write, its user is the image's, and it
//! sees of the machine what is mounted into it. The network is this machine's loopback, an address a pod.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// Builds the tree of mounts, and becomes the program in it.
const ENTER: &str = r#"
set -e
root=$1 volumes=$2 user=$3
shift 3
mount --bind "$root" "$root"
for volume in data etc/shoal/key etc/shoal/tokens etc/resolv.conf etc/hosts; do
    mount --bind "$volumes/$volume" "$root/$volume"
done
for device in null zero random urandom; do
    mount --bind "/dev/$device" "$root/dev/$device"
done
mount -t proc proc "$root/proc"
mount -o remount,bind,ro "$root"
exec setpriv --no-new-privs chroot --userspec="$user" "$root" "$@"
"#;

/// An image, unpacked.
pub struct Image {
    /// Its root.
    pub root: PathBuf,
    /// `UID:GID`.
    pub user: String,
    /// What is run, before the arguments.
    pub entrypoint: Vec<String>,
}

impl Image {
    /// Makes the places where things are mounted, as an engine does.
    pub fn prepare(&self) {
        for folder in ["proc", "dev", "data", "etc/shoal/key", "etc/shoal/tokens"] {
            fs::create_dir_all(self.root.join(folder)).unwrap();
        }
        let devices = ["dev/null", "dev/zero", "dev/random", "dev/urandom"];
        for file in devices.into_iter().chain(["etc/resolv.conf", "etc/hosts"]) {
            fs::write(self.root.join(file), "").unwrap();
        }
    }
}

/// A running container.
pub struct Pod {
    /// Where its clients go.
    pub client: SocketAddr,
    log: PathBuf,
    child: Child,
}

impl Pod {
    /// Starts an image with arguments. `volumes` has what is mounted, each at its place.
    pub fn start(image: &Image, volumes: &Path, address: Ipv4Addr, arguments: &[String]) -> Self {
        let ids: Vec<u32> = image.user.split(':').map(|id| id.parse().unwrap()).collect();
        chown(volumes.join("data"), Some(ids[0]), Some(ids[1])).unwrap();
        let log = volumes.join("log");
        let file = fs::File::create(&log).unwrap();
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", ENTER, "sh"]).arg(&image.root).arg(volumes).arg(&image.user);
        command
            .args(&image.entrypoint)
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        let command = command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        Self { client: (address, 7400).into(), log, child: command.spawn().unwrap() }
    }

    /// What it has said.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// A line of `/proc/PID/status`.
    pub fn status(&self, name: &str) -> String {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned()
    }

    /// SIGTERM, and its end.
    pub fn stop(mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
