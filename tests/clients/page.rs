//! The page at `/`, driven by Debian's Chromium: by its reader's keyboard, against nodes that live and die.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Cluster, Node};
use crate::webdriver::{Browser, ENTER};

/// How many pixels of a graph are of no shade of grey: lines, not axes.
const COLOURED: &str = "
    const canvas = document.querySelector('.chart canvas');
    if (!canvas?.width) return 0;
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let coloured = 0;
    for (let at = 0; at < data.length; at += 4) {
        const [low, high] = [Math.min(data[at], data[at + 1], data[at + 2]), Math.max(data[at], data[at + 1], data[at + 2])];
        if (data[at + 3] > 128 && high - low > 60) coloured += 1;
    }
    return coloured;";
/// The time of the newest sample in the graph.
const NEWEST: &str = "return Number(document.querySelector('.chart canvas')?.dataset.newest ?? 0)";

/// Writes a point a few times a second until it is dropped.
struct Pulse(Arc<AtomicBool>);

impl Pulse {
    fn start(node: &Node) -> Self {
        let (stop, address) = (Arc::new(AtomicBool::new(false)), node.client);
        let stopped = stop.clone();
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(Duration::from_millis(300));
            let mut beats = 0_u64;
            while !stopped.load(Ordering::Relaxed) {
                tick.tick().await;
                beats += 1;
                beat(address, beats).await;
            }
        });
        Self(stop)
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn beat(address: std::net::SocketAddr, beats: u64) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let Ok(mut stream) = tokio::net::TcpStream::connect(address).await else { return };
    let body = format!("heart_beats_total{{place=\"left\"}} {beats}\n");
    let request = format!(
        "POST /api/v1/import/prometheus HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(request.as_bytes()).await;
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

fn page(node: &Node, rest: &str) -> String {
    format!("http://{}/{rest}", node.client)
}

/// Nothing was asked of anybody but the node, and the console has no complaint but of members that are away and of
/// expressions that are wrong on purpose.
fn nothing_went_wrong(browser: &Browser, node: &Node) {
    let origin = page(node, "");
    let asked = browser.run("return performance.getEntriesByType('resource').map(entry => entry.name)", &[]);
    let asked: Vec<&str> = asked.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(!asked.is_empty() && asked.iter().all(|url| url.starts_with(&origin)), "{asked:#?}");
    let expected = |entry: &Value| {
        let text = entry["message"].as_str().unwrap_or_default();
        entry["source"] == "network"
            && (text.contains("/api/v1/members/") || text.contains("400 (Bad Request)"))
            && text.starts_with(&origin)
    };
    let complaints: Vec<Value> = browser
        .console()
        .into_iter()
        .filter(|entry| entry["level"] == "SEVERE" && !expected(entry))
        .collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

async fn asks_by_keyboard(browser: &Browser) {
    browser.keys("/heart_b");
    browser.until("no key is lost", "return document.activeElement.value === 'heart_b'").await;
    let proposed =
        "return document.querySelector('.options:not([hidden]) .text')?.textContent === 'heart_beats_total'";
    browser.until("the metric is proposed", proposed).await;
    // Tab takes the proposal, Enter asks.
    browser.keys("\u{e004}");
    let typed = browser.run("return document.activeElement.value", &[]);
    assert_eq!(typed, "heart_beats_total");
    browser.keys(&ENTER.to_string());
    browser.until("there is a line", &format!("return (() => {{ {COLOURED} }})() > 20")).await;
    let facts = browser.run("return document.querySelector('.facts-line').textContent", &[]);
    assert!(facts.as_str().unwrap().starts_with("1 series · "), "{facts}");
}

async fn goes_on(browser: &Browser) {
    let before = browser.run(NEWEST, &[]).as_f64().unwrap();
    assert!(before > 0.0, "{before}");
    let script = format!("return (() => {{ {NEWEST} }})() > {before} + 2500");
    browser.until("new points arrive", &script).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_asks_and_sees_a_node_die_and_the_graph_go_on() {
    let Some(browser) = Browser::start() else { return };
    let mut cluster = Cluster::start(3).await;
    browser.resize(1280, 900);
    browser.open(&page(&cluster.nodes[0], "#/explore?range=5m"));
    browser.until("the page has begun", "return document.querySelector('textarea') !== null").await;
    browser
        .until("the members are heard", "return document.querySelector('.pulse')?.dataset.kind === 'good'")
        .await;
    browser.until("there is no metric", "return document.querySelector('.metrics .empty') !== null").await;
    let _pulse = Pulse::start(&cluster.nodes[1]);
    browser.until("the metric is listed", "return document.querySelector('.metrics button') !== null").await;
    asks_by_keyboard(&browser).await;
    goes_on(&browser).await;

    browser.run("document.querySelector('[data-view=cluster]').click()", &[]);
    browser
        .until("all are there", "return document.querySelector('h1').textContent === 'All 3 members answer.'")
        .await;
    browser
        .until(
            "everybody reaches everybody",
            "return document.querySelectorAll('[data-reach=yes]').length === 6",
        )
        .await;
    cluster.nodes[2].kill();
    let marked = browser
        .until(
            "the dead node is marked",
            "return ['away', 'silent'].includes(document.querySelector('[data-member=n3]').dataset.state)",
        )
        .await;
    let away = browser
        .until("it is away", "return document.querySelector('[data-member=n3]').dataset.state === 'away'")
        .await;
    println!("a killed node is marked after {marked:.1?}, and away after {:.1?}", marked + away);
    let verdict = browser.run("return document.querySelector('h1').textContent", &[]);
    assert_eq!(verdict, "n3 does not answer; 2 of 3 members do.");

    browser.run("document.querySelector('[data-view=explore]').click()", &[]);
    browser.until("the graph is back", &format!("return (() => {{ {NEWEST} }})() > 0")).await;
    goes_on(&browser).await;
    browser
        .until(
            "the answer names the dead node",
            "return document.querySelector('.notes').textContent.includes('n3')",
        )
        .await;
    nothing_went_wrong(&browser, &cluster.nodes[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_are_compared_and_the_address_says_it_all() {
    let Some(browser) = Browser::start() else { return };
    let cluster = Cluster::start(2).await;
    let (status, answer) = cluster.nodes[0]
        .post("/api/v1/import/prometheus", "depth{at=\"a\"} 3\ndepth{at=\"b\"} 4\n")
        .await
        .unwrap();
    assert_eq!(status, 204, "{answer}");
    cluster.all_agree().await;
    browser.resize(1280, 900);
    browser.open(&page(&cluster.nodes[0], "#/explore?q=depth&range=15m&live=off"));
    browser
        .until(
            "there is another to compare with",
            "return document.querySelectorAll('#other option').length === 2",
        )
        .await;
    browser.run(
        "const other = document.getElementById('other'); other.selectedIndex = 1; other.dispatchEvent(new Event('change'))",
        &[],
    );
    let same = "return document.querySelector('.comparison')?.dataset.verdict === 'same' && document.querySelectorAll('.chart').length === 2";
    browser.until("both say the same", same).await;
    let told = browser.run("return document.querySelector('.comparison').textContent", &[]);
    assert!(told.as_str().unwrap().contains("identical – n2 gave the same"), "{told}");

    let address = browser.run("return location.href", &[]);
    browser.open("about:blank");
    browser.open(address.as_str().unwrap());
    browser.until("both say the same again", same).await;
    let shown = browser.run(
        "return document.querySelector('textarea').value + document.querySelector('.range').textContent",
        &[],
    );
    assert_eq!(shown, "depthLast 15 min");

    browser.run("location.hash = '#/explore?q=sum(dept'", &[]);
    browser
        .until(
            "the error is told at its place",
            "return document.querySelector('.wrong')?.textContent === '('",
        )
        .await;
    let problem = browser.run("return document.querySelector('.problem').textContent", &[]);
    assert!(problem.as_str().unwrap().contains("unclosed left parenthesis"), "{problem}");

    for view in ["cluster", "explore?q=depth&as=table", "explore?q=depth", "explore", "targets", "doors"] {
        browser.resize(360, 740);
        browser.open(&page(&cluster.nodes[0], &format!("#/{view}")));
        browser
            .until(
                "the members are heard",
                "return document.querySelector('.pulse')?.dataset.kind === 'good'",
            )
            .await;
        let sizes = browser.run("return [document.documentElement.scrollWidth, innerWidth]", &[]);
        assert_eq!(sizes[0], sizes[1], "{view} is wider than a phone");
    }
    nothing_went_wrong(&browser, &cluster.nodes[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_tokens_asks_its_reader_for_one() {
    let Some(browser) = Browser::start() else { return };
    let mut cluster = Cluster::empty();
    let tokens = cluster.path("tokens");
    std::fs::write(&tokens, "open-sesame\n").unwrap();
    let node = cluster.add("n1", &["--token-file", &tokens.display().to_string()]);
    cluster.start_node(node).await;
    browser.open(&page(&cluster.nodes[0], ""));
    browser.until("a token is asked for", "return document.activeElement?.id === 'token'").await;
    browser.keys(&format!("open-sesame{ENTER}"));
    let answers = "return document.querySelector('h1').textContent.startsWith('This node answers')";
    browser.until("the node answers", answers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_pieces_do_what_they_say() {
    let Some(browser) = Browser::start() else { return };
    let cluster = Cluster::start(1).await;
    browser.open(&page(&cluster.nodes[0], ""));
    let failures = browser.run_async(include_str!("page_pieces.js"), &[]);
    assert_eq!(failures, serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_kept_by_their_content_and_run_nothing_foreign() {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    let (status, start) = node.get("/").await.unwrap();
    assert_eq!(status, 200);
    assert!(start.contains("content-security-policy: default-src 'none'; script-src 'self'"), "{start}");
    let tag = start.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().trim();
    let (status, again) = node.get_with("/", &[("if-none-match", tag)]).await.unwrap();
    assert_eq!(status, 304, "{again}");
    let script = start.split('"').find(|part| part.ends_with("/main.js")).unwrap();
    let (head, packed) = node.get_bytes(&format!("/{script}"), &[("accept-encoding", "gzip")]).await.unwrap();
    for line in ["text/javascript", "nosniff", "immutable", "content-encoding: gzip"] {
        assert!(head.contains(line), "{line}: {head}");
    }
    assert_eq!(packed[..2], [0x1f, 0x8b]);
    let (status, other) = node.get("/page/0123456789abcdef/main.js").await.unwrap();
    assert_eq!(status, 404, "{other}");
}
