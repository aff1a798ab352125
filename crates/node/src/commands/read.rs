//! `shoal read`: the merged value of every series that a selector names, at one time.

use serde::Serialize;
use shoal_client::{ReadAnswer, ReadOptions, SeriesValue, Token};
use shoal_model::Writer;

use super::figure::time_text;
use super::{CommandError, Table, Target, hex, value_text};

/// What is typed after `shoal read`.
#[derive(Debug, clap::Args)]
pub(crate) struct Read {
    /// A PromQL vector selector, such as 'requests_total{job=~"web.*"}'
    selector: String,

    /// At this time, in seconds since 1970; now where absent
    #[arg(long, value_name = "SECONDS", value_parser = parse_time, allow_negative_numbers = true)]
    time: Option<i64>,

    /// Show what each writer contributes
    #[arg(long)]
    parts: bool,

    /// The answer must contain this write: the token that it printed
    #[arg(long, value_name = "TOKEN")]
    token: Vec<Token>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    target: Target,
}

impl Read {
    pub(crate) async fn run(&self) -> Result<String, CommandError> {
        let options = ReadOptions {
            time: self.time,
            parts: self.parts,
            tokens: self.token.clone(),
            ..ReadOptions::default()
        };
        let answer = self.target.client()?.read(self.selector.as_str(), options).await?;
        Ok(if self.json { json(&answer) } else { self.text(&answer) })
    }

    fn text(&self, answer: &ReadAnswer) -> String {
        let mut text = if answer.series.is_empty() {
            "no series\n".to_owned()
        } else if self.parts {
            parts_table(&answer.series)
        } else {
            series_table(&answer.series)
        };
        answer.warnings.iter().for_each(|warning| text.push_str(&format!("warning: {warning}\n")));
        text
    }
}

/// Seconds since 1970, as Prometheus' API takes them, in ms.
fn parse_time(text: &str) -> Result<i64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds.is_finite() => Ok((seconds * 1_000.0).round() as i64),
        _ => Err("a time is a number of seconds since 1970".to_owned()),
    }
}

fn series_table(series: &[SeriesValue]) -> String {
    let mut table = Table::new(["VALUE", "KIND", "TIME", "SERIES"]);
    for one in series {
        let kind = one.kind.to_string();
        table.row([value_text(one.value), kind, time_text(one.time), one.labels.to_string()]);
    }
    table.text()
}

fn parts_table(series: &[SeriesValue]) -> String {
    let mut table = Table::new(["VALUE", "KIND", "TIME", "WRITER", "SERIES"]);
    for one in series {
        let (kind, labels) = (one.kind.to_string(), one.labels.to_string());
        table.row([value_text(one.value), kind, time_text(one.time), "all".to_owned(), labels]);
        for part in &one.parts {
            let writer = if part.writer == Writer::NONE { String::new() } else { part.writer.to_string() };
            let kind = part.kind.to_string();
            table.row([value_text(part.value), kind, time_text(part.time), writer, String::new()]);
        }
    }
    table.text()
}

/// Values are texts, because JSON has no infinities and no NaN; times are ms since 1970.
#[derive(Serialize)]
struct Answer {
    node: String,
    frontier: Option<String>,
    complete_until: Option<i64>,
    series: Vec<Series>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct Series {
    labels: serde_json::Map<String, serde_json::Value>,
    kind: &'static str,
    value: String,
    time_ms: i64,
    parts: Vec<Part>,
}

#[derive(Serialize)]
struct Part {
    writer: String,
    kind: &'static str,
    value: String,
    time_ms: i64,
}

fn json(answer: &ReadAnswer) -> String {
    let answer = Answer {
        node: answer.node.to_string(),
        frontier: answer.frontier.map(|hash| hex(&hash)),
        complete_until: answer.complete_until,
        series: answer.series.iter().map(json_series).collect(),
        warnings: answer.warnings.clone(),
    };
    let text = serde_json::to_string_pretty(&answer).expect("texts and numbers are JSON");
    text + "\n"
}

fn json_series(series: &SeriesValue) -> Series {
    let part = |part: &shoal_client::Part| Part {
        writer: part.writer.to_string(),
        kind: part.kind.name(),
        value: value_text(part.value),
        time_ms: part.time,
    };
    let labels = series.labels.iter().map(|(name, value)| (name.to_owned(), value.into()));
    Series {
        labels: labels.collect(),
        kind: series.kind.name(),
        value: value_text(series.value),
        time_ms: series.time,
        parts: series.parts.iter().map(part).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_seconds_and_may_have_a_fraction() {
        assert_eq!(parse_time("1700000000.5"), Ok(1_700_000_000_500));
        assert_eq!(parse_time("-1"), Ok(-1_000));
        assert!(parse_time("now").is_err() && parse_time("inf").is_err());
    }
}
