//! Where the demo shows itself. On a terminal the report is redrawn in place, above the line that the user is
//! typing; elsewhere it is printed every few seconds.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use tokio::time::Instant;

use super::DemoError;

/// How often a report is printed where there is no terminal.
const PRINT_EVERY: Duration = Duration::from_secs(3);

// ECMA-48 control sequences, and DEC's for saving the cursor and for line wrap.
const CLEAR: &str = "\x1b[2J\x1b[H";
const CLEAR_REST_OF_LINE: &str = "\x1b[K";
const CLEAR_REST_OF_SCREEN: &str = "\x1b[J";
const SAVE_CURSOR: &str = "\x1b7";
const RESTORE_CURSOR: &str = "\x1b8";
const WRAP_OFF: &str = "\x1b[?7l";
const WRAP_ON: &str = "\x1b[?7h";

/// The terminal, or whatever stdout is instead.
#[derive(Debug)]
pub(super) struct Screen {
    is_terminal: bool,
    introduction: String,
    /// Whether everything is to be drawn anew, because the user has typed a line.
    is_stale: bool,
    last: Option<(Instant, String)>,
}

impl Screen {
    pub(super) fn new() -> Self {
        let is_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        Self { is_terminal, introduction: String::new(), is_stale: true, last: None }
    }

    /// Whether somebody sits in front of it.
    pub(super) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Prints a line, before there are reports.
    pub(super) fn say(&mut self, line: &str) -> Result<(), DemoError> {
        write(&format!("{line}\n"))
    }

    /// What stands above the reports.
    pub(super) fn begin(&mut self, introduction: String) {
        self.introduction = introduction;
        self.is_stale = true;
    }

    /// The user has typed a line.
    pub(super) fn refresh(&mut self) {
        self.is_stale = true;
    }

    /// Shows a report, and what came of the last order.
    pub(super) fn show(&mut self, report: &str, note: &str) -> Result<(), DemoError> {
        if self.is_terminal {
            let stale = std::mem::take(&mut self.is_stale);
            let report = format!("{report}{note}\n");
            return write(&redraw(introduction_that_fits(&self.introduction, &report), &report, stale));
        }
        let introduction = std::mem::take(&mut self.introduction);
        let now = Instant::now();
        let is_new = self.last.as_ref().is_none_or(|(_, last)| last != note);
        let is_due = self.last.as_ref().is_none_or(|(at, _)| now >= *at + PRINT_EVERY);
        if !is_new && !is_due {
            return Ok(());
        }
        self.last = Some((now, note.to_owned()));
        let note = if is_new && !note.is_empty() { format!("{note}\n") } else { String::new() };
        write(&format!("{introduction}\n{note}{report}"))
    }
}

/// On a small screen, none: a screen that scrolls cannot be drawn in place. One line each is kept for the gap,
/// the line that is typed and the one after it.
fn introduction_that_fits<'a>(introduction: &'a str, report: &str) -> &'a str {
    let needed = introduction.lines().count() + report.lines().count() + 3;
    let rows = rustix::termios::tcgetwinsize(std::io::stdout()).map_or(0, |size| size.ws_row.into());
    if needed <= rows { introduction } else { "" }
}

/// The bytes that bring a report to the screen; what the user is typing below it stays.
fn redraw(introduction: &str, report: &str, stale: bool) -> String {
    let body: String = report.lines().map(|line| format!("{line}{CLEAR_REST_OF_LINE}\n")).collect();
    if stale {
        return format!("{WRAP_OFF}{CLEAR}{introduction}\n{body}{CLEAR_REST_OF_SCREEN}{WRAP_ON}\n> ");
    }
    let top = introduction.lines().count() + 2;
    format!("{SAVE_CURSOR}{WRAP_OFF}\x1b[{top};1H{body}{WRAP_ON}{RESTORE_CURSOR}")
}

fn write(text: &str) -> Result<(), DemoError> {
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(DemoError::system("stdout"))
}
