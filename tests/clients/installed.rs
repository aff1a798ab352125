//! Finds the clients that are installed on this machine and runs them. What is not there is told once, as
//! `skipped: needs X`, and the test that needs it ends.

use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use tokio::process::Command;

/// No client takes longer on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A client that is there.
pub struct Client {
    /// Where it is.
    pub program: PathBuf,
    arguments: Vec<String>,
}

/// A program on the `PATH`.
pub fn program(name: &str) -> Option<Client> {
    let found = on_path(name);
    if found.is_none() {
        println!("skipped: needs {name}");
    }
    Some(Client { program: found?, arguments: Vec::new() })
}

/// A Python script that needs modules of PyPI. It sees its arguments from `sys.argv[1]` on.
pub async fn python(modules: &[&str], script: &str) -> Option<Client> {
    let python = Client { program: on_path("python3").unwrap_or_default(), arguments: vec!["-c".to_owned()] };
    for module in modules {
        let import = format!("import {module}");
        if python.program.as_os_str().is_empty() || !python.output(&[&import]).await.status.success() {
            println!("skipped: needs Python with {module}");
            return None;
        }
    }
    Some(Client { arguments: vec!["-c".to_owned(), script.to_owned()], ..python })
}

impl Client {
    /// Runs it to its end.
    pub async fn output(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(&self.program);
        let running = command.args(&self.arguments).args(arguments).kill_on_drop(true).output();
        tokio::time::timeout(PATIENCE, running).await.expect("the client ends").expect("the client starts")
    }

    /// Runs it to its end, which has to be a success; what it printed.
    pub async fn printed(&self, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.output(arguments).await;
        let (out, err) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        assert!(status.success(), "{:?} {arguments:?} {status}:\n{out}\n{err}", self.program);
        out.into_owned()
    }
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
}

#[tokio::test]
async fn a_script_sees_its_arguments() {
    let Some(script) = python(&["json"], "import json, sys; print(json.dumps(sys.argv[1:]))").await else {
        return;
    };
    assert_eq!(script.printed(&["a", "b"]).await.trim(), "[\"a\", \"b\"]");
}
