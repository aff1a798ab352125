//! Runs a script. Its lines:
//!
//! ```text
//! load 1m                               series follow, indented, one value a step from 1970 on
//! eval instant at 5m EXPR               what is expected follows, indented: series with a value, or a number
//! eval range from 0 to 10m step 5m EXPR series with a value a step
//! expect fail|ordered|warn|info|no_warn|no_info|string "text"|range vector from A to B step S, or: msg TEXT
//! clear
//! ```

use std::path::Path;

use shoal_model::is_stale;
use shoal_query::{
    Answer, LabelSet, Options, QueryError, Range, Sample, Series, Value, evaluate_instant, evaluate_range,
};

use crate::memory::Memory;
use crate::notation;

/// When a case is evaluated.
#[derive(Clone, Copy)]
enum When {
    At(i64),
    Over(Range),
}

/// A series with a value, or none, at every step.
type Row = (LabelSet, Vec<Option<f64>>);

/// What a case expects.
#[derive(Default)]
struct Expected {
    fail: bool,
    message: Option<String>,
    ordered: bool,
    warn: Option<bool>,
    info: Option<bool>,
    text: Option<String>,
    scalar: Option<f64>,
    vector_range: Option<Range>,
    rows: Vec<Row>,
}

struct Case {
    line: usize,
    when: When,
    expr: String,
    expected: Expected,
}

/// Runs all cases of a file; the failures, each in a line or more.
pub fn run(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).expect("a script");
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut memory = Memory::default();
    let mut step_ms = None;
    let mut case: Option<Case> = None;
    let mut failures = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.starts_with('#') || trimmed.is_empty() {
            continue;
        }
        if line.starts_with(char::is_whitespace) {
            match (&mut case, step_ms) {
                (Some(case), _) => expect(case, trimmed),
                (None, Some(step_ms)) => load(&mut memory, trimmed, step_ms),
                (None, None) => panic!("{file}:{}: what is this?", number + 1),
            }
            continue;
        }
        failures.extend(case.take().and_then(|case| judge(&memory, &case, &file)));
        if let Some(step) = trimmed.strip_prefix("load ") {
            step_ms = notation::millis(step);
        } else if trimmed == "clear" {
            memory = Memory::default();
        } else {
            case = Some(begin(trimmed, number + 1).unwrap_or_else(|| panic!("{file}:{}", number + 1)));
        }
    }
    failures.extend(case.and_then(|case| judge(&memory, &case, &file)));
    failures
}

fn begin(line: &str, number: usize) -> Option<Case> {
    let (fail, rest) = match line.strip_prefix("eval_fail ") {
        Some(rest) => (true, rest),
        None => (false, line.strip_prefix("eval ")?),
    };
    let expected = Expected { fail, ..Expected::default() };
    if let Some(rest) = rest.strip_prefix("instant at ") {
        let (at, expr) = rest.split_once(' ')?;
        let when = When::At(notation::millis(at)?);
        return Some(Case { line: number, when, expr: expr.trim().to_owned(), expected });
    }
    let (range, expr) = range_of(rest.strip_prefix("range ")?)?;
    Some(Case { line: number, when: When::Over(range), expr: expr.to_owned(), expected })
}

fn range_of(text: &str) -> Option<(Range, &str)> {
    let mut words = text.splitn(7, ' ');
    let mut after = |keyword: &str| {
        (words.next()? == keyword).then_some(())?;
        notation::millis(words.next()?)
    };
    let (start_ms, end_ms, step_ms) = (after("from")?, after("to")?, after("step")?);
    Some((Range { start_ms, end_ms, step_ms }, words.next().unwrap_or_default().trim()))
}

fn load(memory: &mut Memory, line: &str, step_ms: i64) {
    let (labels, values) = notation::series(line).unwrap_or_else(|| panic!("series {line:?}"));
    let samples = notation::values(values).into_iter().enumerate();
    let samples = samples.filter_map(|(step, v)| Some(Sample { t_ms: step as i64 * step_ms, v: v? }));
    memory.add(labels, samples);
}

fn expect(case: &mut Case, line: &str) {
    let expected = &mut case.expected;
    let Some(what) = line.strip_prefix("expect ") else {
        if let Some((labels, values)) = notation::series(line) {
            expected.rows.push((labels, notation::values(values)));
        } else {
            expected.scalar = notation::number(line);
        }
        return;
    };
    let (word, rest) = what.split_once(' ').unwrap_or((what, ""));
    match word {
        "fail" => {
            expected.fail = true;
            expected.message = rest.trim().strip_prefix("msg:").map(|text| text.trim().to_owned());
        }
        "ordered" => expected.ordered = true,
        "warn" => expected.warn = Some(true),
        "no_warn" => expected.warn = Some(false),
        "info" => expected.info = Some(true),
        "no_info" => expected.info = Some(false),
        "string" => expected.text = notation::quoted(rest.trim()).map(|(text, _)| text),
        "range" => {
            expected.vector_range =
                range_of(rest.strip_prefix("vector ").expect("a range vector")).map(|(range, _)| range)
        }
        other => panic!("expect {other:?}"),
    }
}

fn judge(memory: &Memory, case: &Case, file: &str) -> Option<String> {
    let answer = match case.when {
        When::At(at_ms) => evaluate_instant(memory, &case.expr, at_ms, Options::default()),
        When::Over(range) => evaluate_range(memory, &case.expr, range, Options::default()),
    };
    let verdict = compare(case, &answer).and_then(|()| match (case.when, &answer) {
        (When::At(at_ms), Ok(answer)) => replay(memory, &case.expr, at_ms, answer),
        _ => Ok(()),
    });
    let why = verdict.err()?;
    Some(format!("{file}:{}: {}\n    {why}", case.line, case.expr))
}

fn compare(case: &Case, answer: &Result<Answer, QueryError>) -> Result<(), String> {
    let expected = &case.expected;
    let answer = match answer {
        Err(error) if expected.fail => {
            let message = expected.message.as_deref().unwrap_or_default();
            return if error.to_string().contains(message) { Ok(()) } else { Err(error.to_string()) };
        }
        Err(error) => return Err(format!("{}: {error}", error.kind())),
        Ok(answer) if expected.fail => return Err(format!("should fail: {answer:?}")),
        Ok(answer) => answer,
    };
    let notes = [("warn", expected.warn, &answer.warnings), ("info", expected.info, &answer.infos)];
    if let Some((kind, ..)) =
        notes.iter().find(|(_, wanted, found)| wanted.is_some_and(|wanted| wanted == found.is_empty()))
    {
        return Err(format!("{kind}: {:?} {:?}", answer.warnings, answer.infos));
    }
    compare_value(case, &answer.value).map_err(|()| format!("gives {:?}", answer.value))
}

fn compare_value(case: &Case, value: &Value) -> Result<(), ()> {
    let expected = &case.expected;
    let holds = match (value, case.when) {
        (Value::String { text, .. }, _) => expected.text.as_ref() == Some(text),
        (Value::Scalar(sample), _) => expected.scalar.is_some_and(|scalar| is_near(scalar, sample.v)),
        (Value::Vector(elements), _) => {
            let found: Vec<Row> = elements
                .iter()
                .map(|element| (element.labels.clone(), vec![Some(element.sample.v)]))
                .collect();
            same_rows(&found, &expected.rows, expected.ordered)
        }
        (Value::Matrix(series), When::Over(range)) => same_series(series, &expected.rows, range),
        (Value::Matrix(series), When::At(_)) => {
            expected.vector_range.is_some_and(|range| same_series(series, &expected.rows, range))
        }
    };
    if holds { Ok(()) } else { Err(()) }
}

fn same_series(series: &[Series], expected: &[Row], range: Range) -> bool {
    let steps = (range.end_ms - range.start_ms) / range.step_ms + 1;
    let row = |one: &Series| -> Row {
        let mut values = vec![None; steps as usize];
        for sample in &one.samples {
            values[((sample.t_ms - range.start_ms) / range.step_ms) as usize] = Some(sample.v);
        }
        (one.labels.clone(), values)
    };
    let found: Vec<_> = series.iter().map(row).collect();
    same_rows(&found, expected, false)
}

fn same_rows(found: &[Row], expected: &[Row], ordered: bool) -> bool {
    let by_labels = |rows: &[Row]| {
        let mut rows = rows.to_vec();
        if !ordered {
            rows.sort_by(|a, b| a.0.cmp(&b.0));
        }
        rows
    };
    let same = |(a, b): (&Row, &Row)| {
        let steps = a.1.len().max(b.1.len());
        let value = |row: &[Option<f64>], step: usize| row.get(step).copied().flatten();
        a.0 == b.0
            && (0..steps).all(|step| match (value(&a.1, step), value(&b.1, step)) {
                (None, None) => true,
                (Some(found), Some(expected)) => is_near(expected, found),
                _ => false,
            })
    };
    let (found, expected) = (by_labels(found), by_labels(expected));
    found.len() == expected.len() && found.iter().zip(&expected).all(same)
}

fn is_near(expected: f64, found: f64) -> bool {
    assert!(!is_stale(found), "a stale marker in an answer");
    let is_same = expected == found || (expected.is_nan() && found.is_nan());
    is_same || (expected - found).abs() <= 1e-9 * expected.abs().max(found.abs())
}

/// Asks the same as a range around the time; at that step it must be the same to the bit.
fn replay(memory: &Memory, expr: &str, at_ms: i64, answer: &Answer) -> Result<(), String> {
    let range = Range { start_ms: at_ms - 60_000, end_ms: at_ms + 60_000, step_ms: 60_000 };
    let mut instant: Vec<(LabelSet, u64)> = match &answer.value {
        Value::Vector(elements) => {
            elements.iter().map(|element| (element.labels.clone(), element.sample.v.to_bits())).collect()
        }
        Value::Scalar(sample) => vec![(LabelSet::empty(), sample.v.to_bits())],
        Value::String { .. } | Value::Matrix(_) => return Ok(()),
    };
    if expr.contains("start()") || expr.contains("end()") {
        return Ok(());
    }
    let ranged = match evaluate_range(memory, expr, range, Options::default()) {
        Ok(Answer { value: Value::Matrix(series), .. }) => series,
        // Another step of the range may rightly fail.
        Err(QueryError::Execution(_)) => return Ok(()),
        other => return Err(format!("as a range: {other:?}")),
    };
    let at = |series: Series| {
        let sample = series.samples.iter().find(|sample| sample.t_ms == at_ms)?;
        Some((series.labels.clone(), sample.v.to_bits()))
    };
    instant.sort();
    let ranged: Vec<_> = ranged.into_iter().filter_map(at).collect();
    if instant == ranged { Ok(()) } else { Err(format!("as a range: {ranged:?}")) }
}
