//! One metric family as exposition text. Names that the old format does not know are quoted, so that whatever
//! a label set can hold can be shown.

use std::fmt::Write as _;

use super::line::Bare;

/// Appends a family: its help, its type (`counter`, `gauge`, `histogram`) and a line per sample, in the order given;
/// each sample with what its name has behind the family's, such as `_bucket`.
pub(crate) fn write_family<'a, N, V>(
    out: &mut String,
    name: &str,
    kind: &str,
    help: &str,
    samples: impl IntoIterator<Item = (&'a str, &'a [(N, V)], f64)>,
) where
    N: AsRef<str> + 'a,
    V: AsRef<str> + 'a,
{
    for (keyword, text) in [("# HELP ", help), ("# TYPE ", kind)] {
        out.push_str(keyword);
        write_name(out, name, Bare::Metric);
        out.push(' ');
        out.push_str(&text.replace('\\', "\\\\").replace('\n', "\\n"));
        out.push('\n');
    }
    for (suffix, labels, value) in samples {
        write_series(out, &format!("{name}{suffix}"), labels);
        out.push(' ');
        write_value(out, value);
        out.push('\n');
    }
}

/// An upper bound as the label `le` says it.
pub(crate) fn bound_text(bound: f64) -> String {
    let mut text = String::new();
    write_value(&mut text, bound);
    text
}

/// Appends one sample with its time in ms, of a metric of which nothing more is known; the first one of a metric
/// is told apart, because its type stands before it.
pub(crate) fn write_sample<N: AsRef<str>, V: AsRef<str>>(
    out: &mut String,
    (name, is_first): (&str, bool),
    labels: &[(N, V)],
    (value, time_ms): (f64, i64),
) {
    if is_first {
        out.push_str("# TYPE ");
        write_name(out, name, Bare::Metric);
        out.push_str(" untyped\n");
    }
    write_series(out, name, labels);
    out.push(' ');
    write_value(out, value);
    writeln!(out, " {time_ms}").expect("writing to a String does not fail");
}

/// Appends one sample with its time as OpenMetrics writes it, in seconds.
pub(crate) fn write_sample_in_seconds<N: AsRef<str>, V: AsRef<str>>(
    out: &mut String,
    name: &str,
    labels: &[(N, V)],
    (value, time_ms): (f64, i64),
) {
    write_series(out, name, labels);
    out.push(' ');
    write_value(out, value);
    let (sign, millis) = (if time_ms < 0 { "-" } else { "" }, time_ms.unsigned_abs());
    let written = match millis % 1_000 {
        0 => writeln!(out, " {sign}{}", millis / 1_000),
        fraction => writeln!(out, " {sign}{}.{fraction:03}", millis / 1_000),
    };
    written.expect("writing to a String does not fail");
}

fn write_series<N: AsRef<str>, V: AsRef<str>>(out: &mut String, name: &str, labels: &[(N, V)]) {
    let bare = is_bare(name, Bare::Metric);
    if bare {
        out.push_str(name);
    }
    if bare && labels.is_empty() {
        return;
    }
    let mut separator = "{";
    if !bare {
        out.push_str(separator);
        write_quoted(out, name);
        separator = ",";
    }
    for (label, value) in labels {
        out.push_str(separator);
        write_name(out, label.as_ref(), Bare::Label);
        out.push('=');
        write_quoted(out, value.as_ref());
        separator = ",";
    }
    out.push('}');
}

fn write_name(out: &mut String, name: &str, sort: Bare) {
    if is_bare(name, sort) { out.push_str(name) } else { write_quoted(out, name) }
}

fn is_bare(name: &str, sort: Bare) -> bool {
    !name.is_empty() && sort.len_at(name) == name.len()
}

fn write_quoted(out: &mut String, text: &str) {
    out.push('"');
    for char in text.chars() {
        match char {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' => out.push_str("\\\""),
            _ => out.push(char),
        }
    }
    out.push('"');
}

fn write_value(out: &mut String, value: f64) {
    let written = if value.is_nan() {
        out.write_str("NaN")
    } else if value.is_infinite() {
        out.write_str(if value > 0.0 { "+Inf" } else { "-Inf" })
    } else if value.fract() == 0.0 && value.abs() < 1e15 {
        write!(out, "{value}")
    } else {
        write!(out, "{value:?}")
    };
    written.expect("writing to a String does not fail");
}
