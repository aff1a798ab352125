//! How far long work has come: one line on stderr that is drawn again and again, and nothing where stderr is no
//! terminal.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often the line is drawn.
const EVERY: Duration = Duration::from_millis(200);
/// Columns of the bar.
const WIDTH: usize = 24;

/// The line.
pub(crate) struct Progress {
    is_shown: bool,
    began: Instant,
    drawn: Option<Instant>,
}

impl Progress {
    /// Work begins.
    pub(crate) fn start() -> Self {
        Self { is_shown: std::io::stderr().is_terminal(), began: Instant::now(), drawn: None }
    }

    /// Whether somebody looks.
    pub(crate) fn is_shown(&self) -> bool {
        self.is_shown
    }

    /// For how long it has been going on.
    pub(crate) fn took(&self) -> Duration {
        self.began.elapsed()
    }

    /// It has come so far: the part that is done, where that is known, and more in words.
    pub(crate) fn show(&mut self, part: Option<f64>, words: impl FnOnce() -> String) {
        if !self.is_shown || self.drawn.is_some_and(|drawn| drawn.elapsed() < EVERY) {
            return;
        }
        self.drawn = Some(Instant::now());
        draw(&line(part, &words(), self.began.elapsed()));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.drawn.is_some() {
            draw("");
        }
    }
}

/// In place of what the line held before.
fn draw(text: &str) {
    let mut stderr = std::io::stderr().lock();
    // Who has closed stderr does not look.
    let _ = write!(stderr, "\r\x1b[K{text}").and_then(|()| stderr.flush());
}

/// A bar, where the part that is done is known, the words, and how long it still takes at this rate.
fn line(part: Option<f64>, words: &str, took: Duration) -> String {
    let Some(part) = part.map(|part| part.clamp(0.0, 1.0)) else { return words.to_owned() };
    let left = (part > 0.0).then(|| took.mul_f64((1.0 - part) / part));
    let left = left.map_or_else(String::new, |left| format!(", about {} left", span_text(left)));
    format!("{} {words}{left}", bar(part))
}

/// `[=====>      ]  42 %`.
pub(crate) fn bar(part: f64) -> String {
    let full = (part.clamp(0.0, 1.0) * WIDTH as f64) as usize;
    let head = if full < WIDTH { ">" } else { "" };
    let empty = " ".repeat(WIDTH - full - head.len());
    format!("[{}{head}{empty}] {:3.0} %", "=".repeat(full), (part * 100.0).floor())
}

/// A length of time for people: `45 s`, `3 min 20 s`, `5 h 2 min`, `3 d 4 h`.
pub(crate) fn span_text(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// A number for people: `950`, `12.3k`, `4.5M`.
pub(crate) fn count_text(count: f64) -> String {
    scaled(count, 1_000.0, &["", "k", "M", "G", "T"])
}

/// Bytes for people: `950 B`, `12.3 KiB`, `4.5 GiB`.
pub(crate) fn bytes_text(bytes: u64) -> String {
    scaled(bytes as f64, 1_024.0, &[" B", " KiB", " MiB", " GiB", " TiB", " PiB"])
}

fn scaled(mut value: f64, step: f64, units: &[&str]) -> String {
    let mut units = units.iter();
    let mut unit = units.next().copied().unwrap_or_default();
    let mut is_scaled = false;
    for next in units {
        if value < step {
            break;
        }
        (value, unit, is_scaled) = (value / step, next, true);
    }
    if is_scaled && value < 100.0 { format!("{value:.1}{unit}") } else { format!("{value:.0}{unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_a_bar_where_the_end_is_known() {
        let check = |part, expected| assert_eq!(line(part, "5 points", Duration::from_secs(30)), expected);
        check(None, "5 points");
        check(Some(0.0), "[>                       ]   0 % 5 points");
        check(Some(0.5), "[============>           ]  50 % 5 points, about 30 s left");
        check(Some(2.0), "[========================] 100 % 5 points, about 0 s left");
    }

    #[test]
    fn numbers_are_short_for_people() {
        let check = |text: String, expected: &str| assert_eq!(text, expected);
        check(count_text(999.0), "999");
        check(count_text(12_345.0), "12.3k");
        check(count_text(123_456_789.0), "123M");
        check(bytes_text(1023), "1023 B");
        check(bytes_text(1536), "1.5 KiB");
        check(bytes_text(5 << 30), "5.0 GiB");
        check(span_text(Duration::from_secs(59)), "59 s");
        check(span_text(Duration::from_secs(3_599)), "59 min 59 s");
        check(span_text(Duration::from_secs(90_000)), "1 d 1 h");
    }
}
