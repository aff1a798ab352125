//! The command line as a person uses it: real processes, their output and their exit codes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[path = "cli/commands.rs"]
mod commands;
#[path = "cli/demo.rs"]
mod demo;
#[path = "cli/program.rs"]
mod program;
#[path = "cli/refusals.rs"]
mod refusals;
