//! The image: buildah builds `deploy/Containerfile`, with the static binary that `SHOAL_STATIC` names in place of the
//! stage that compiles one. Three of it run with the StatefulSet's own arguments, find one another by a name that DNS
//! learns only later, and take a write.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use shoal_client::{Client, Session, SessionConfig};

use crate::harness::PATIENCE;
use crate::http::Http;
use crate::pod::{Image, Pod};
use crate::resolver::Resolver;
use crate::{deployed, installed, manifest};

/// An address a pod, and no other test's.
const PODS: [Ipv4Addr; 3] =
    [Ipv4Addr::new(127, 0, 74, 1), Ipv4Addr::new(127, 0, 74, 2), Ipv4Addr::new(127, 0, 74, 3)];
const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(127, 0, 74, 53);
const TOKEN: &str = "a-token-of-this-test";

/// Buildah with a place of its own.
struct Builder {
    buildah: installed::Client,
    options: Vec<String>,
}

impl Builder {
    fn new(folder: &Path) -> Option<Self> {
        let buildah = installed::program("buildah")?;
        let place = |name: &str| folder.join(name).display().to_string();
        let options = ["--storage-driver", "vfs", "--root", &place("images"), "--runroot", &place("running")]
            .map(str::to_owned)
            .to_vec();
        Some(Self { buildah, options })
    }

    async fn run(&self, arguments: &[&str]) -> String {
        let options = self.options.iter().map(String::as_str);
        let arguments: Vec<&str> = options.chain(arguments.iter().copied()).collect();
        self.buildah.printed(&arguments).await.trim().to_owned()
    }

    /// Builds a file over the repository; where its root is unpacked.
    async fn build(&self, name: &str, file: &Path, compiled: &Path) -> PathBuf {
        let (file, root) = (file.display().to_string(), deployed("..").display().to_string());
        let context = format!("build={}", compiled.display());
        self.run(&[
            "build",
            "--isolation",
            "chroot",
            "--build-context",
            &context,
            "--file",
            &file,
            "--tag",
            name,
            &root,
        ])
        .await;
        let container = self.run(&["from", "--pull-never", &format!("localhost/{name}")]).await;
        PathBuf::from(self.run(&["mount", &container]).await)
    }

    async fn configuration(&self, name: &str) -> Value {
        let text = self.run(&["inspect", "--type", "image", &format!("localhost/{name}")]).await;
        let about: Value = serde_json::from_str(&text).unwrap();
        about["OCIv1"]["config"].clone()
    }
}

/// What the stage that compiles would leave.
fn compiled(folder: &Path, binary: &Path) -> PathBuf {
    let out = folder.join("compiled/out");
    fs::create_dir_all(out.join("data")).unwrap();
    fs::copy(binary, out.join("shoal")).unwrap();
    fs::write(out.join("certificates.crt"), "").unwrap();
    folder.join("compiled")
}

/// What the cluster's machinery would mount and fill in.
fn start(image: &Image, folder: &Path, number: usize, key: &Path) -> Pod {
    let (address, volumes) = (PODS[number], folder.join(format!("pod-{number}")));
    for place in ["data", "etc/shoal/key", "etc/shoal/tokens"] {
        fs::create_dir_all(volumes.join(place)).unwrap();
    }
    fs::copy(key, volumes.join("etc/shoal/key/cluster.key")).unwrap();
    fs::write(volumes.join("etc/shoal/tokens/tokens"), TOKEN).unwrap();
    fs::write(volumes.join("etc/resolv.conf"), format!("nameserver {NAME_SERVER}\n")).unwrap();
    fs::write(volumes.join("etc/hosts"), "127.0.0.1 localhost\n").unwrap();
    let arguments = manifest::arguments().into_iter().map(|argument| {
        let argument = argument.replace("$(POD_NAME)", &format!("shoal-{number}"));
        let argument = argument.replace("$(NODE_NAME)", &format!("machine-{number}"));
        argument.replace("$(POD_IP)", &address.to_string()).replace("0.0.0.0", &address.to_string())
    });
    Pod::start(image, &volumes, address, &arguments.collect::<Vec<_>>())
}

async fn eventually<F: Future<Output = bool>>(what: &str, pods: &[Pod], mut holds: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    while !holds().await {
        let logs: Vec<_> = pods.iter().map(Pod::log).collect();
        assert!(
            Instant::now() < deadline,
            "never happened within {PATIENCE:?}: {what}\n{}",
            logs.join("\n---\n")
        );
        tick.tick().await;
    }
}

async fn answers(pods: &[Pod], path: &str, expected: u16) -> bool {
    let http = Http::new();
    for pod in pods {
        if !matches!(http.get(pod.client, path).await, Ok((status, _)) if status == expected) {
            return false;
        }
    }
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn three_of_the_image_become_a_cluster_without_rights_or_a_root_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let Some((image, _)) = image(folder.path()).await else { return };
    let resolver = Resolver::start(NAME_SERVER, "shoal-peers");
    let key = folder.path().join("cluster.key");
    let made =
        std::process::Command::new(env!("CARGO_BIN_EXE_shoal")).arg("keygen").arg("--out").arg(&key).status();
    assert!(made.unwrap().success());
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o444)).unwrap();

    let pods: Vec<Pod> = (0..3).map(|number| start(&image, folder.path(), number, &key)).collect();
    eventually("all are healthy", &pods, async || answers(&pods, "/-/healthy", 200).await).await;
    eventually("the name is asked for", &pods, async || resolver.was_asked()).await;
    assert!(answers(&pods, "/-/ready", 503).await, "nodes that know nobody are not ready");
    resolver.tell(&PODS);
    eventually("all are ready", &pods, async || answers(&pods, "/-/ready", 200).await).await;

    let user: Vec<_> = image.user.split(':').collect();
    for pod in &pods {
        assert_eq!(pod.status("Uid:").split_whitespace().next(), Some(user[0]));
        assert_eq!(pod.status("CapEff:").trim_start_matches('0'), "");
        assert_eq!(pod.status("NoNewPrivs:"), "1");
    }
    assert!(answers(&pods, "/api/v1/query?query=up", 401).await, "clients need a token");
    let seeds = pods.iter().map(|pod| pod.client.to_string());
    let client = Client::builder().seeds(seeds).token(TOKEN).build().unwrap();
    let session = Session::new(client, SessionConfig::default());
    session.counter("counted_total", &[]).add(1.0);
    session.finish().await.expect("the cluster takes a write");

    let pods: Vec<_> = pods.into_iter().map(|pod| tokio::task::spawn_blocking(|| pod.stop())).collect();
    for ended in pods {
        let ended = ended.await.unwrap();
        assert!(ended.success(), "{ended}");
    }
}

async fn image(folder: &Path) -> Option<(Image, Builder)> {
    let Some(binary) = std::env::var_os("SHOAL_STATIC") else {
        println!("skipped: needs SHOAL_STATIC, a static binary");
        return None;
    };
    if !rustix::process::geteuid().is_root() {
        println!("skipped: needs root, to mount");
        return None;
    }
    installed::program("unshare")?;
    installed::program("setpriv")?;
    let builder = Builder::new(folder)?;
    let compiled = compiled(folder, Path::new(&binary));
    let root = builder.build("shoal", &deployed("Containerfile"), &compiled).await;
    let about = builder.configuration("shoal").await;
    let image = Image {
        root,
        user: about["User"].as_str().unwrap().to_owned(),
        entrypoint: serde_json::from_value(about["Entrypoint"].clone()).unwrap(),
    };
    let mut entries: Vec<_> =
        fs::read_dir(&image.root).unwrap().map(|one| one.unwrap().file_name()).collect();
    entries.sort();
    assert_eq!(entries, ["data", "etc", "shoal"], "nothing else is in the image");
    image.prepare();
    Some((image, builder))
}

/// The stage that compiles cannot run here; that it is given all that cargo needs can be seen.
#[tokio::test]
async fn the_image_is_compiled_from_what_is_copied_into_it() {
    let folder = tempfile::tempdir().unwrap();
    let Some(builder) = Builder::new(folder.path()) else { return };
    let file = folder.path().join("Containerfile");
    fs::write(&file, "FROM scratch\nCOPY . /source\n").unwrap();
    let root = builder.build("source", &file, folder.path()).await.join("source");
    let Some(cargo) = installed::program("cargo") else { return };
    let manifest = root.join("Cargo.toml").display().to_string();
    let about = cargo
        .printed(&["metadata", "--format-version=1", "--no-deps", "--offline", "--manifest-path", &manifest])
        .await;
    let about: Value = serde_json::from_str(&about).unwrap();
    let packages = about["packages"].as_array().unwrap();
    assert!(packages.iter().any(|package| package["name"] == "shoal-node"));
    assert!(!root.join("target").exists(), "what was built here does not belong there");
}
