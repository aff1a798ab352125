//! `shoal status`: the cluster as one node sees it, once or again every second.

mod json;
mod text;

use std::io::{IsTerminal, Write};
use std::time::Duration;

use shoal_client::{Client, Member, MemberState};
use tokio::time::MissedTickBehavior;

use super::{CommandError, Target};

/// How often a watched cluster is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// To the upper left corner, and what is below is gone.
const CLEAR: &str = "\x1b[H\x1b[J";

/// What is typed after `shoal status`.
#[derive(Debug, clap::Args)]
pub(crate) struct Status {
    /// Print JSON
    #[arg(long)]
    json: bool,

    /// Look again every second, until interrupted, and tell rates; where output is no terminal, a block each time
    #[arg(long)]
    watch: bool,

    #[command(flatten)]
    target: Target,
}

impl Status {
    pub(crate) async fn run(&self) -> Result<String, CommandError> {
        let client = self.target.client()?;
        if self.watch {
            return self.keep_looking(&client).await;
        }
        let members = client.members().await?;
        Ok(if self.json { json::json(&members) } else { text::text(&members, None) })
    }

    /// Ends when nobody reads any more. A node that does not answer is told and asked again.
    async fn keep_looking(&self, client: &Client) -> Result<String, CommandError> {
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let before_each = match (self.json, std::io::stdout().is_terminal()) {
            (true, _) => "",
            (false, true) => CLEAR,
            (false, false) => "\n",
        };
        let mut last = None;
        loop {
            tick.tick().await;
            let block = match client.members().await {
                Ok(members) if self.json => json::line(&members),
                Ok(members) => {
                    let block = text::text(&members, last.as_ref());
                    last = Some(members);
                    block
                }
                Err(error) => format!("{error}\n"),
            };
            let mut out = std::io::stdout().lock();
            if write!(out, "{before_each}{block}").and_then(|()| out.flush()).is_err() {
                return Ok(String::new());
            }
        }
    }
}

/// Digits of an id that people are shown; `--json` has all 32.
const SHORT: usize = 8;

fn short(id: &str) -> String {
    id.chars().take(SHORT).collect()
}

/// Where a member stands: in its life while it counts, else why it does not.
pub(crate) fn state(member: &Member) -> &str {
    match member.state {
        // Nothing was heard of it since the answering node started.
        MemberState::Joined if member.phase.is_empty() => "joined",
        MemberState::Joined => &member.phase,
        MemberState::Left => "left",
        MemberState::Forgotten => "forgotten",
        MemberState::Unknown => "unknown",
    }
}
