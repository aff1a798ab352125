//! The command line: what is typed after `shoal`, and who does it. One line on stderr and exit code 1 when it
//! fails, 2 when it was not understood.

mod node;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands::{Bench, Change, Export, Forget, Import, Keygen, Log, Query, Read, Snapshot, Status};
use crate::demo::Demo;
use node::Node;

/// A leaderless metrics cluster: every node takes writes, every node answers, all give the same answer.
#[derive(Debug, Parser)]
#[command(name = "shoal", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one node
    Node(Box<Node>),
    /// Run a cluster on this machine, to watch and to break
    Demo(Demo),
    /// Show the cluster as a node sees it
    Status(Status),
    /// Read the merged values of series
    Read(Read),
    /// Evaluate a PromQL expression
    #[command(after_help = "Example: shoal query 'sum by (job) (rate(requests_total[5m]))' --start 1h")]
    Query(Query),
    /// Add to a series that counts
    #[command(after_help = "Example: shoal add 'requests_total{job=\"web\"}' 1")]
    Add(Change),
    /// Set a gauge; it reads for five minutes
    #[command(after_help = "Example: shoal set 'temperature{room=\"attic\"}' 21.5")]
    Set(Change),
    /// Stop counting a node as a member, for ever
    Forget(Forget),
    /// Copy a running node's store into a directory of its machine
    Snapshot(Snapshot),
    /// Load any remote write, StatsD or Prometheus server, and tell what it costs
    #[command(
        after_help = "Example: shoal bench --write http://127.0.0.1:7400/api/v1/write --query http://127.0.0.1:7400 --pid $(pidof shoal)"
    )]
    Bench(Box<Bench>),
    /// Write all samples of some series to a file, for Prometheus, VictoriaMetrics or another cluster
    #[command(after_help = "Example: shoal export '{__name__=~\".+\"}' --start 7d --out week.om")]
    Export(Export),
    /// Send a file of samples to the cluster; sent again it changes nothing
    #[command(after_help = "Example: promtool tsdb dump /var/lib/prometheus/metrics2 | shoal import -")]
    Import(Import),
    /// Show or change what a running node logs, until it ends
    #[command(after_help = "Example: shoal log info,shoal=debug --node 127.0.0.1:7400")]
    Log(Log),
    /// Make a new cluster key
    Keygen(Keygen),
}

/// Runs the command line.
pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match cli.command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shoal: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Command {
    fn run(self) -> anyhow::Result<()> {
        match self {
            Command::Node(node) => node.run(),
            Command::Demo(demo) => Ok(demo.run()?),
            Command::Status(status) => print(&block_on(status.run())??),
            Command::Read(read) => print(&block_on(read.run())??),
            Command::Query(query) => print(&block_on(query.run())??),
            Command::Add(change) => print(&block_on(change.add())??),
            Command::Set(change) => print(&block_on(change.set())??),
            Command::Forget(forget) => print(&block_on(forget.run())??),
            Command::Snapshot(snapshot) => print(&block_on(snapshot.run())??),
            Command::Export(export) => print(&block_on(export.run())??),
            Command::Import(import) => print(&block_on(import.run())??),
            Command::Log(log) => print(&block_on(log.run())??),
            Command::Bench(bench) => print(&block_on(bench.run())??),
            Command::Keygen(keygen) => print(&keygen.run()?),
        }
    }
}

fn block_on<T>(command: impl Future<Output = T>) -> std::io::Result<T> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command))
}

/// Prints a command's result. A reader that has had enough (`shoal read … | head`) is no error.
fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn lists_may_be_repeated_or_separated_by_commas() {
        let line = ["shoal", "node", "--join", "a:1,b:2", "--join", "c:3", "--open"];
        let Command::Node(node) = Cli::try_parse_from(line).unwrap().command else { panic!("not a node") };
        assert_eq!(node.typed.join, Some(["a:1", "b:2", "c:3"].map(str::to_owned).to_vec()));
        assert_eq!(node.typed.open, Some(true));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let check = |line: &[&str]| assert!(Cli::try_parse_from(line).is_err(), "{line:?}");
        check(&["shoal", "nod"]);
        check(&["shoal", "node", "--listen", "7400"]);
        check(&["shoal", "node", "--retention", "15"]);
        check(&["shoal", "node", "extra"]);
        check(&["shoal", "add", "clicks"]);
        check(&["shoal", "demo", "--nodes", "0"]);
    }
}
