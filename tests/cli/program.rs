//! Runs `shoal`, once or for a while, and waits for what it says and does, with a deadline.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Longer than anything here takes on a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// What a command said, and how it ended.
pub struct Said {
    /// Its exit code.
    pub code: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

/// Runs a command to its end.
pub fn shoal<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Said {
    run(command().args(args))
}

/// Runs the program to its end, with its stdin closed.
pub fn run(command: &mut Command) -> Said {
    let output = command.stdin(Stdio::null()).output().expect("the program starts");
    let Output { status, stdout, stderr } = output;
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Said { code: status.code(), out: text(stdout), err: text(stderr) }
}

/// The program, without settings from outside.
pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shoal"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"SHOAL_")) {
        command.env_remove(name);
    }
    command
}

/// Waits for a condition.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// How many processes have this path in their command line.
pub fn processes_at(path: &Path) -> usize {
    let path = path.to_str().expect("UTF-8");
    let processes = procfs::process::all_processes().expect("/proc can be read");
    let is_at = |process: &procfs::process::Process| {
        process.cmdline().is_ok_and(|line| line.iter().any(|arg| arg.contains(path)))
    };
    processes.filter_map(Result::ok).filter(is_at).count()
}

/// A program that runs.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Running {
    /// Starts a program; its standard output is read line by line.
    pub fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program starts");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
        });
        Self { child, lines, seen: Vec::new() }
    }

    /// Types a line.
    pub fn type_line(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().expect("stdin is open"), "{line}").expect("it reads on");
    }

    /// Ends its input.
    pub fn close_stdin(&mut self) {
        self.child.stdin = None;
    }

    /// Waits for a line that it has not said before.
    pub fn wait_for_line(&mut self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if fits(&line) {
                        return line;
                    }
                }
                Err(error) => panic!("never said: {what} ({error}); it said:\n{}", self.seen.join("\n")),
            }
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Waits until it has ended.
    pub fn wait_for_end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => {
                    return self.child.wait().expect("it can be waited for");
                }
                Err(RecvTimeoutError::Timeout) => {
                    panic!("it does not end; it said:\n{}", self.seen.join("\n"))
                }
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
