//! Headless Chromium, driven over WebDriver: JSON over plain HTTP, so it takes no library. Every browser has a user
//! directory of its own and ends with its handle.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::installed;

/// Longer than anything here takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// What Chromium needs to run as anybody, alone, and without calling home.
const FLAGS: [&str; 8] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];
/// What has the focus, and what stands in the fields: the text of a page lacks both.
const FIELDS: &str = "
    const fields = [...document.querySelectorAll('input, textarea')].map(field => field.value);
    return { focus: document.activeElement?.tagName, fields };";

/// The Enter key.
pub const ENTER: char = '\u{e007}';

/// A browser with one window.
pub struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// Starts one; `None`, which is told, where it or its driver is not installed.
    pub fn start() -> Option<Self> {
        let (chromium, driver) = (installed::program("chromium")?, installed::program("chromedriver")?);
        let mut driver = Command::new(driver.program)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| {
            line.unwrap()
                .split_once("successfully on port ")
                .and_then(|(_, port)| port.trim_end_matches('.').parse().ok())
        });
        // What it says later is read too, or it would stand still.
        std::thread::spawn(move || lines.for_each(drop));
        let address = SocketAddr::from(([127, 0, 0, 1], port.expect("chromedriver tells its port")));
        let profile = tempfile::tempdir().unwrap();
        let mut browser = Self { driver, address, session: String::new(), _profile: profile };
        let mut flags: Vec<String> = FLAGS.map(str::to_owned).to_vec();
        flags.push(format!("--user-data-dir={}", browser._profile.path().display()));
        let asked = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"binary": chromium.program, "args": flags},
        }}});
        let begun = browser.talk("POST", "/session", &asked);
        browser.session = begun["sessionId"].as_str().unwrap_or_else(|| panic!("{begun}")).to_owned();
        Some(browser)
    }

    /// Opens an address.
    pub fn open(&self, url: &str) {
        self.call("POST", "url", &json!({"url": url}));
    }

    /// Runs the body of a function in the page, with arguments; what it returns.
    pub fn run(&self, script: &str, arguments: &[&str]) -> Value {
        self.call("POST", "execute/sync", &json!({"script": script, "args": arguments}))
    }

    /// The same, where the body awaits.
    pub fn run_async(&self, script: &str, arguments: &[&str]) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1]; const given = [...arguments].slice(0, -1);\
             (async () => {{ {script} }})().then(done, error => done(`failed: ${{error.stack}}`));"
        );
        self.call("POST", "execute/async", &json!({"script": script, "args": arguments}))
    }

    /// Types on the keyboard, wherever the focus is.
    pub fn keys(&self, text: &str) {
        let press =
            |key: char| [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})];
        let actions: Vec<Value> = text.chars().flat_map(press).collect();
        self.call(
            "POST",
            "actions",
            &json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]}),
        );
    }

    /// Gives the window the size of a screen.
    pub fn resize(&self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        let order = json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": size});
        self.call("POST", "goog/cdp/execute", &order);
    }

    /// What the browser has written to its console since it was asked last.
    pub fn console(&self) -> Vec<Value> {
        self.call("POST", "se/log", &json!({"type": "browser"})).as_array().cloned().unwrap_or_default()
    }

    /// Waits until a script returns something true; how long that took.
    pub async fn until(&self, what: &str, script: &str) -> Duration {
        let began = Instant::now();
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        loop {
            let found = self.run(script, &[]);
            if !matches!(found, Value::Null | Value::Bool(false)) {
                return began.elapsed();
            }
            if began.elapsed() > PATIENCE {
                let text = self.run("return document.body.innerText", &[]);
                let fields = self.run(FIELDS, &[]);
                panic!("never happened within {PATIENCE:?}: {what}\n{text}\n{fields}\n{:?}", self.console());
            }
            tick.tick().await;
        }
    }

    fn call(&self, method: &str, command: &str, body: &Value) -> Value {
        self.talk(method, &format!("/session/{}/{command}", self.session), body)
    }

    fn talk(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.exchange(method, path, &body.to_string()).expect("chromedriver answers");
        let mut answer: Value = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{path}: {answer}"));
        let value = answer["value"].take();
        assert!(value["error"].is_null(), "{path} {body}: {value:#}");
        value
    }

    /// One request; the body of its answer.
    fn exchange(&self, method: &str, path: &str, body: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}",
            self.address
        )?;
        // The driver keeps the connection open, whatever it is asked.
        let (mut reader, mut length) = (BufReader::new(stream), 0);
        for line in reader.by_ref().lines() {
            let line = line?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            length = line.strip_prefix("content-length:").map_or(length, |text| text.trim().parse().unwrap());
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser ends with its session, chromedriver does not take it along.
        let _ = self.exchange("DELETE", &format!("/session/{}", self.session), "");
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
