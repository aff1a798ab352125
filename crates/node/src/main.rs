//! The binary `shoal`: one node, the demo, and the commands that talk to any node.

mod admission;
mod cli;
mod clock;
mod commands;
mod config;
mod demo;
mod doors;
mod dump;
mod engine;
mod exposition;
mod figures;
mod gzip;
mod host;
mod log;
mod node;
mod otlp;
mod rendezvous;
mod scrape;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
