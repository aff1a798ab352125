//! Starts, stops, pauses and watches nodes as an operator would. A wait that fails shows what every node says of
//! the cluster, and the end of its log.

use std::fs;
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use shoal_client::{Client, ReadOptions};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than anything here takes on a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What a node says of the cluster, with a digest of every point.
const DIGEST: &str = "/api/v1/cluster?digest=true";

/// One node of a test.
pub struct Node {
    /// Its `--name`.
    pub name: String,
    /// Its `--data`.
    pub data: PathBuf,
    /// Where clients reach it.
    pub client: SocketAddr,
    /// Where its peers' socket really is.
    pub peer: SocketAddr,
    /// Where StatsD lines go, if it was asked for.
    pub statsd: Option<SocketAddr>,
    /// A command, with arguments, that the node's own command line follows.
    pub wrapper: Vec<String>,
    extra: Vec<String>,
    child: Option<Child>,
}

/// Nodes below one temporary directory.
pub struct Cluster {
    /// The nodes, the first of which began the cluster.
    pub nodes: Vec<Node>,
    dir: TempDir,
}

impl Node {
    fn new(dir: &Path, name: &str, extra: &[&str]) -> Self {
        let any = ([127, 0, 0, 1], 0).into();
        let extra = extra.iter().map(|&flag| flag.to_owned()).collect();
        Self {
            name: name.into(),
            data: dir.join(name),
            client: any,
            peer: any,
            statsd: None,
            wrapper: Vec::new(),
            extra,
            child: None,
        }
    }

    /// Starts the process, on the same ports as before, and waits until it has told its addresses.
    pub async fn start(&mut self, join: &[SocketAddr]) {
        let _ = fs::remove_file(self.data.join("addresses"));
        let log = fs::File::options().create(true).append(true).open(self.log()).expect("the log opens");
        let mut line = self.wrapper.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_shoal")]);
        let mut command = Command::new(line.next().expect("a program"));
        command.args(line);
        command.args(["node", "--name", &self.name]).arg("--data").arg(&self.data);
        // A test that is about draining or the node's own metrics says so by a flag, which wins.
        command.env("SHOAL_DRAIN", "off").env("SHOAL_SELF_METRICS", "off");
        command
            .args(["--listen", &self.client.to_string(), "--peer", &self.peer.to_string()])
            .args(&self.extra);
        if !join.is_empty() {
            command.args(["--join", &join.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",")]);
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        self.child = Some(child.expect("the node starts"));
        let deadline = Instant::now() + PATIENCE;
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        while !self.take_addresses() {
            assert!(Instant::now() < deadline, "{} does not listen:\n{}", self.name, self.log_tail());
            assert!(self.is_running(), "{} has ended:\n{}", self.name, self.log_tail());
            tick.tick().await;
        }
    }

    fn take_addresses(&mut self) -> bool {
        let Ok(text) = fs::read_to_string(self.data.join("addresses")) else { return false };
        let field = |name| text.lines().find_map(|line| line.strip_prefix(name)).and_then(|a| a.parse().ok());
        if let (Some(client), Some(peer)) = (field("client="), field("peer=")) {
            (self.client, self.peer) = (client, peer);
        }
        self.statsd = field("statsd=");
        true
    }

    /// Whether the process runs.
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().is_ok_and(|ended| ended.is_none()))
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("the node can be killed");
            child.wait().expect("the node ends");
        }
    }

    /// SIGTERM, and waits for the end.
    pub async fn terminate(&mut self) -> std::process::ExitStatus {
        self.signal(Signal::TERM);
        self.ended().await
    }

    /// Waits for the end.
    pub async fn ended(&mut self) -> std::process::ExitStatus {
        let mut child = self.child.take().expect("the node runs");
        tokio::task::spawn_blocking(move || child.wait()).await.expect("no panic").expect("the node ends")
    }

    /// The number of the process.
    pub fn process_id(&self) -> u32 {
        self.child.as_ref().expect("the node runs").id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("the node runs");
        kill_process(Pid::from_child(child), signal).expect("the signal is delivered");
    }

    /// GET of a path; status and body.
    pub async fn get(&self, path: &str) -> Option<(u16, String)> {
        self.get_with(path, &[]).await
    }

    /// GET of a path with headers; status, headers and body in one text.
    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Option<(u16, String)> {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        self.request(
            format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n").as_bytes(),
        )
        .await
    }

    /// The same for a body that is no text: the head and the body.
    pub async fn get_bytes(&self, path: &str, headers: &[(&str, &str)]) -> Option<(String, Vec<u8>)> {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
        let answer = self.exchange(request.as_bytes()).await?;
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
        Some((String::from_utf8(answer[..end].to_vec()).ok()?, answer[end + 4..].to_vec()))
    }

    /// POST of a body; status, headers and body in one text.
    pub async fn post(&self, path: &str, body: &str) -> Option<(u16, String)> {
        let len = body.len();
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {len}\r\n\r\n");
        self.request((head + body).as_bytes()).await
    }

    /// POST of a form; status, headers and body in one text.
    pub async fn post_form(&self, path: &str, form: &str) -> Option<(u16, String)> {
        let len = form.len();
        let kind = "application/x-www-form-urlencoded";
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {kind}\r\n\
             content-length: {len}\r\n\r\n"
        );
        self.request((head + form).as_bytes()).await
    }

    /// POST of bytes with headers; status, headers and body in one text.
    pub async fn post_bytes(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Option<(u16, String)> {
        let mut head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
        headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
        head += &format!("content-length: {}\r\n\r\n", body.len());
        self.request(&[head.as_bytes(), body].concat()).await
    }

    async fn request(&self, request: &[u8]) -> Option<(u16, String)> {
        let answer = String::from_utf8_lossy(&self.exchange(request).await?).into_owned();
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        Some((status, answer))
    }

    async fn exchange(&self, request: &[u8]) -> Option<Vec<u8>> {
        let talk = async {
            let mut stream = TcpStream::connect(self.client).await.ok()?;
            stream.write_all(request).await.ok()?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.ok()?;
            Some(answer)
        };
        // A digest of a million points takes a busy machine its time; whoever tells nothing at all is soon given up.
        let is_long = request.windows(DIGEST.len()).any(|bytes| bytes == DIGEST.as_bytes());
        let patience = if is_long { PATIENCE / 2 } else { Duration::from_secs(5) };
        tokio::time::timeout(patience, talk).await.ok().flatten()
    }

    /// What the node says of the cluster.
    pub async fn state(&self) -> Option<Value> {
        self.state_at("/api/v1/cluster").await
    }

    /// The same with a digest of every point, once it is in service.
    pub async fn state_with_digest(&self) -> Option<Value> {
        self.state_at(DIGEST).await.filter(|state| state["digest"].is_string())
    }

    async fn state_at(&self, path: &str) -> Option<Value> {
        let (_, answer) = self.get(path).await?;
        let body = answer.split_once("\r\n\r\n")?.1;
        // A chunked body has its length in a line of its own.
        serde_json::from_str(&body[body.find('{')?..=body.rfind('}')?]).ok()
    }

    /// A field of the node's state as text; empty where the node does not answer.
    pub async fn field(&self, name: &str) -> String {
        self.state().await.map(|state| state[name].to_string()).unwrap_or_default()
    }

    /// Whether the node is in service.
    pub async fn is_ready(&self) -> bool {
        self.get("/-/ready").await.is_some_and(|(status, _)| status == 200)
    }

    /// Whether the node sees the member of that name as reachable.
    pub async fn reaches(&self, name: &str) -> bool {
        let Some(state) = self.state().await else { return false };
        state["members"].as_array().is_some_and(|members| {
            members.iter().any(|m| m["name"] == name && m["state"] == "joined" && m["reachable"] == true)
        })
    }

    /// A client that asks this node only.
    pub fn client(&self) -> Client {
        Client::builder().seeds([self.client.to_string()]).only_seeds().build().expect("inside a runtime")
    }

    /// The newest value of the one series that a selector fits.
    pub async fn value(&self, selector: &str) -> Option<f64> {
        let answer = self.client().read(selector, ReadOptions::default()).await.ok()?;
        assert!(answer.series.len() < 2, "{selector} fits several series: {:?}", answer.series);
        answer.series.first().map(|series| series.value)
    }

    /// The file that its log goes to.
    pub fn log(&self) -> PathBuf {
        self.data.with_extension("log")
    }

    /// The end of the node's log.
    pub fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let skip = log.lines().count().saturating_sub(30);
        log.lines().skip(skip).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Cluster {
    /// Nodes `n1`, `n2`, …, all ready and in sight of one another.
    pub async fn start(size: usize) -> Self {
        let mut cluster = Self::empty();
        for number in 1..=size {
            cluster.add(&format!("n{number}"), &[]);
        }
        for index in 0..size {
            cluster.start_node(index).await;
        }
        cluster.all_ready().await;
        cluster
    }

    /// No nodes yet.
    pub fn empty() -> Self {
        Self { nodes: Vec::new(), dir: tempfile::tempdir().expect("a temporary directory") }
    }

    /// Adds a node that is not started yet.
    pub fn add(&mut self, name: &str, extra: &[&str]) -> usize {
        self.nodes.push(Node::new(self.dir.path(), name, extra));
        self.nodes.len() - 1
    }

    /// A path in the test's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Starts a node; it joins all others that have been started.
    pub async fn start_node(&mut self, index: usize) {
        let others = self.nodes.iter().enumerate().filter(|(i, node)| *i != index && node.peer.port() != 0);
        let join: Vec<_> = others.map(|(_, node)| node.peer).collect();
        self.nodes[index].start(&join).await;
    }

    /// Waits until all nodes are ready and reach one another.
    pub async fn all_ready(&self) {
        self.eventually("all nodes are ready and reach one another", async || {
            for node in &self.nodes {
                if !node.is_ready().await {
                    return false;
                }
                for other in &self.nodes {
                    if !node.reaches(&other.name).await {
                        return false;
                    }
                }
            }
            true
        })
        .await;
    }

    /// Waits until all nodes hold the same points at the same frontier.
    pub async fn all_agree(&self) {
        self.eventually("all nodes agree", async || {
            let mut seen = Vec::new();
            for node in &self.nodes {
                let state = node.state_with_digest().await;
                seen.push(state.map(|state| (state["frontier"].clone(), state["digest"].clone())));
            }
            seen[0].is_some() && seen.iter().all(|one| *one == seen[0])
        })
        .await;
    }

    /// Asks all nodes the same question for the same times, and demands the same answer, byte for byte; the values of
    /// its only series.
    pub async fn all_answer_alike(&self, query: &str) -> Vec<String> {
        let now = UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
        let (start, end) = (now - 300, now + 5);
        let form = format!("query={query}&start={start}&end={end}&step=5");
        let mut answers = Vec::new();
        for node in &self.nodes {
            let (status, answer) = node.post_form("/api/v1/query_range", &form).await.expect("it answers");
            assert_eq!(status, 200, "{answer}");
            let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
            let data: Value = serde_json::from_str(&body).expect("an answer is JSON");
            answers.push(data["data"].to_string());
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{form}: {answers:#?}");
        let data: Value = serde_json::from_str(&answers[0]).expect("it was JSON before");
        let values = data["result"][0]["values"].as_array().cloned().unwrap_or_default();
        values.iter().filter_map(|value| value[1].as_str().map(str::to_owned)).collect()
    }

    /// Addresses of all nodes for clients.
    pub fn seeds(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.client.to_string()).collect()
    }

    /// Waits for a condition; on failure shows what every node says.
    pub async fn eventually<F: Future<Output = bool>>(
        &self,
        what: &str,
        mut holds: impl FnMut() -> F,
    ) -> Duration {
        let began = Instant::now();
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        while !holds().await {
            if began.elapsed() > PATIENCE {
                self.dump().await;
                panic!("never happened within {PATIENCE:?}: {what}");
            }
            tick.tick().await;
        }
        began.elapsed()
    }

    async fn dump(&self) {
        for node in &self.nodes {
            eprintln!("--- {} at {}: {:#}", node.name, node.client, node.state().await.unwrap_or_default());
            eprintln!("{}", node.log_tail());
        }
    }
}
