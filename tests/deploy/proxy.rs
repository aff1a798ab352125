//! A proxy started from its example in `deploy/proxies`, with a test's addresses in place of the example's.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{Cluster, PATIENCE};
use crate::{installed, text};

/// A kind of proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Nginx,
    Haproxy,
    Caddy,
}

/// A running proxy, ended with the test.
pub struct Proxy {
    /// Where HTTP/1.1 goes.
    pub http: SocketAddr,
    /// Where gRPC goes.
    pub grpc: SocketAddr,
    log: PathBuf,
    child: Child,
}

impl Kind {
    fn program(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Caddy => "caddy",
        }
    }

    fn example(self) -> &'static str {
        match self {
            Self::Nginx => "proxies/nginx.conf",
            Self::Haproxy => "proxies/haproxy.cfg",
            Self::Caddy => "proxies/Caddyfile",
        }
    }
}

impl Proxy {
    /// Starts a proxy before the nodes of a cluster; `None` where it is not installed.
    pub async fn start(kind: Kind, cluster: &Cluster) -> Option<Self> {
        // Debian puts daemons where only root looks for them.
        installed::program(kind.program())?;
        let (http, second) = (free_address(), free_address());
        let grpc = if kind == Kind::Nginx { second } else { http };
        let folder = cluster.path(kind.program());
        fs::create_dir_all(&folder).unwrap();
        let mut config = text(kind.example());
        for (number, node) in cluster.nodes.iter().enumerate() {
            let example = format!("shoal-{}:7400", number + 1);
            assert!(config.contains(&example), "{} names {example}", kind.example());
            config = config.replace(&example, &node.client.to_string());
        }
        let mut command = match kind {
            Kind::Nginx => nginx(&folder, &config, http, grpc),
            Kind::Haproxy => haproxy(&folder, &config, http),
            Kind::Caddy => caddy(&folder, &config, http),
        };
        let path = folder.join("log");
        let log = fs::File::create(&path).unwrap();
        let command = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut proxy = Self { http, grpc, log: path, child: command.spawn().unwrap() };
        let deadline = Instant::now() + PATIENCE;
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        while TcpStream::connect(http).is_err() || TcpStream::connect(grpc).is_err() {
            let ended = proxy.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "{kind:?} does not listen");
            tick.tick().await;
        }
        Some(proxy)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // nginx ends its workers on SIGTERM only.
        let _ = rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.child),
            rustix::process::Signal::TERM,
        );
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the proxy's log\n{}", fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

/// Taken and given back: nobody else asks for it in the moment between.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn place(config: &str, example: &str, ours: &str) -> String {
    assert!(config.contains(example), "the example has `{example}`");
    config.replace(example, ours)
}

fn nginx(folder: &Path, config: &str, http: SocketAddr, grpc: SocketAddr) -> Command {
    let config = place(config, "listen 8080;", &format!("listen {http};"));
    let config = place(&config, "listen 8081 http2;", &format!("listen {grpc} http2;"));
    fs::write(folder.join("shoal.conf"), config).unwrap();
    let places: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("    {what}_temp_path {what};\n"))
        .concat();
    let main = format!(
        "daemon off;\npid nginx.pid;\nerror_log stderr;\nworker_processes 2;\nevents {{}}\nhttp {{\n    access_log off;\n\
         {places}    include {};\n}}\n",
        folder.join("shoal.conf").display()
    );
    fs::write(folder.join("nginx.conf"), main).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-p").arg(folder).args(["-c", "nginx.conf", "-e", "stderr"]);
    command
}

fn haproxy(folder: &Path, config: &str, http: SocketAddr) -> Command {
    let config = place(config, "bind :8080", &format!("bind {http}"));
    fs::write(folder.join("haproxy.cfg"), config).unwrap();
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(folder.join("haproxy.cfg"));
    command
}

fn caddy(folder: &Path, config: &str, http: SocketAddr) -> Command {
    let config = place(config, ":8080 {", &format!("http://{http} {{"));
    fs::write(folder.join("Caddyfile"), config).unwrap();
    let mut command = Command::new("caddy");
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(folder.join("Caddyfile"));
    for home in ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
        command.env(home, folder);
    }
    command
}
