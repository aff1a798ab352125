//! `shoal query`: what a PromQL expression comes to, at one time or over a range.

use serde_json::{Value, json};
use shoal_client::{QueryAnswer, QueryOptions, QueryResult, QuerySeries, Token, When};
use shoal_model::Point;
use shoal_query::LabelSet;

use super::figure::time_text;
use super::time::{Time, now_ms};
use super::{CommandError, Table, Target, hex, value_text};

/// Steps of a range that names none: a screen full.
const STEPS: i64 = 20;

/// What is typed after `shoal query`.
#[derive(Debug, clap::Args)]
pub(crate) struct Query {
    /// A PromQL expression, such as 'sum by (job) (rate(requests_total[5m]))'
    expression: String,

    /// At this time: seconds since 1970, or how long ago (5m); now where absent
    #[arg(long, value_name = "TIME", value_parser = Time::parse, allow_negative_numbers = true, conflicts_with_all = ["start", "end", "step"])]
    time: Option<Time>,

    /// Over a range from this time on
    #[arg(long, value_name = "TIME", value_parser = Time::parse, allow_negative_numbers = true)]
    start: Option<Time>,

    /// The end of the range; now where absent
    #[arg(long, value_name = "TIME", value_parser = Time::parse, allow_negative_numbers = true)]
    end: Option<Time>,

    /// The distance of the times in the range: seconds, or a duration (1m); a twentieth of it where absent
    #[arg(long, value_name = "STEP", value_parser = parse_step)]
    step: Option<i64>,

    /// Show no more series than this
    #[arg(long, value_name = "SERIES")]
    limit: Option<u64>,

    /// The answer must contain this write: the token that it printed
    #[arg(long, value_name = "TOKEN")]
    token: Vec<Token>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    target: Target,
}

fn parse_step(text: &str) -> Result<i64, String> {
    let step = shoal_query::parse_duration_ms(text).filter(|step| *step > 0);
    step.ok_or_else(|| "a step is a number of seconds above zero, or a duration such as 1m".to_owned())
}

impl Query {
    pub(crate) async fn run(&self) -> Result<String, CommandError> {
        let options =
            QueryOptions { limit: self.limit, tokens: self.token.clone(), ..QueryOptions::default() };
        let answer = self.target.client()?.query(&self.expression, self.when()?, options).await?;
        Ok(if self.json { json_text(&answer) } else { text(&answer) })
    }

    fn when(&self) -> Result<When, CommandError> {
        let now_ms = now_ms();
        let Some(start) = self.start else {
            if self.end.is_some() || self.step.is_some() {
                return Err(CommandError::NoStart);
            }
            return Ok(self.time.map_or(When::Now, |time| When::At(time.ms(now_ms))));
        };
        let (start, end) = (start.ms(now_ms), self.end.map_or(now_ms, |end| end.ms(now_ms)));
        let step = self.step.unwrap_or_else(|| (end.saturating_sub(start) / STEPS).max(1));
        Ok(When::Over { start, end, step })
    }
}

fn text(answer: &QueryAnswer) -> String {
    let mut text = match &answer.result {
        QueryResult::Scalar(point) => value_text(point.value) + "\n",
        QueryResult::Text(text) => format!("{text}\n"),
        QueryResult::Vector(series) | QueryResult::Matrix(series) if series.is_empty() => {
            "no series\n".to_owned()
        }
        QueryResult::Vector(series) => vector_table(series),
        QueryResult::Matrix(series) => matrix_table(series),
    };
    answer.warnings.iter().for_each(|warning| text.push_str(&format!("warning: {warning}\n")));
    answer.infos.iter().for_each(|info| text.push_str(&format!("info: {info}\n")));
    text
}

fn vector_table(series: &[QuerySeries]) -> String {
    let mut table = Table::new(["VALUE", "SERIES"]);
    for one in series {
        let value = one.points.first().map_or(f64::NAN, |point| point.value);
        table.row([value_text(value), shown(one)]);
    }
    table.text()
}

/// A row a point, because a range may have more steps than a screen has columns.
fn matrix_table(series: &[QuerySeries]) -> String {
    let mut table = Table::new(["TIME", "VALUE", "SERIES"]);
    for one in series {
        let labels = shown(one);
        for point in &one.points {
            table.row([time_text(point.time), value_text(point.value), labels.clone()]);
        }
    }
    table.text()
}

fn shown(series: &QuerySeries) -> String {
    LabelSet::new(series.labels.iter().map(|(name, value)| (name, value))).to_string()
}

/// The form of Prometheus' API, with what the node says besides. Values are texts, because JSON has no infinities
/// and no NaN; times are seconds since 1970.
fn json_text(answer: &QueryAnswer) -> String {
    let QueryAnswer { result, frontier, warnings, infos, complete_until, node } = answer;
    let (kind, result) = match result {
        QueryResult::Scalar(point) => ("scalar", sample(point)),
        QueryResult::Text(text) => ("string", json!(text)),
        QueryResult::Vector(series) => {
            let one =
                |one: &QuerySeries| json!({"metric": metric(one), "value": one.points.first().map(sample)});
            ("vector", series.iter().map(one).collect())
        }
        QueryResult::Matrix(series) => {
            let values = |one: &QuerySeries| one.points.iter().map(sample).collect::<Vec<_>>();
            let one = |one: &QuerySeries| json!({"metric": metric(one), "values": values(one)});
            ("matrix", series.iter().map(one).collect())
        }
    };
    let answer = json!({
        "resultType": kind,
        "result": result,
        "warnings": warnings,
        "infos": infos,
        "frontier": frontier.map(|hash| hex(&hash)),
        "complete_until": complete_until,
        "node": node.to_string(),
    });
    let text = serde_json::to_string_pretty(&answer).expect("texts and numbers are JSON");
    text + "\n"
}

fn metric(series: &QuerySeries) -> Value {
    series
        .labels
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn sample(point: &Point) -> Value {
    json!([point.time as f64 / 1_000.0, value_text(point.value)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_date_or_an_age() {
        assert_eq!(Time::parse("1700000000.5"), Ok(Time::At(1_700_000_000_500)));
        assert_eq!(Time::parse("1h30m"), Ok(Time::Ago(5_400_000)));
        assert_eq!(Time::Ago(1_000).ms(5_000), 4_000);
        assert!(Time::parse("now").is_err() && Time::parse("inf").is_err());
    }

    #[test]
    fn a_step_is_above_zero() {
        assert_eq!(parse_step("15"), Ok(15_000));
        assert_eq!(parse_step("1m"), Ok(60_000));
        assert!(parse_step("0").is_err() && parse_step("-5").is_err() && parse_step("soon").is_err());
    }
}
