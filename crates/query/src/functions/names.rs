//! `label_replace` and `label_join`: labels made from other labels.

use shoal_model::labels::METRIC_NAME;
use shoal_model::whole_value_regex;

use super::{argument, text};
use crate::error::QueryError;
use crate::eval::{Computed, Evaluator, Grid, Row, merge_rows};
use crate::plan::Node;

/// `label_replace(v, target, replacement, source, regex)`.
pub(super) fn replace(
    evaluator: &mut Evaluator<'_>,
    args: &[Node],
    grid: &Grid,
) -> Result<Computed, QueryError> {
    let (target, replacement, source) = (text(args, 1)?, text(args, 2)?, text(args, 3)?);
    let pattern = text(args, 4)?;
    let regex = whole_value_regex(pattern).map_err(|_| {
        QueryError::execution(format!("invalid regular expression in label_replace(): {pattern}"))
    })?;
    check_name(target, "destination label name in label_replace()")?;
    let mut rows = evaluator.rows(argument(args, 0)?, grid)?;
    for row in &mut rows {
        let value = row.labels.value(source).to_owned();
        if let Some(captures) = regex.captures(&value) {
            let mut made = String::new();
            captures.expand(replacement, &mut made);
            set(row, target, &made);
        }
    }
    merge_rows(rows).map(Computed::Rows)
}

/// `label_join(v, target, separator, sources…)`.
pub(super) fn join(
    evaluator: &mut Evaluator<'_>,
    args: &[Node],
    grid: &Grid,
) -> Result<Computed, QueryError> {
    let (target, separator) = (text(args, 1)?, text(args, 2)?);
    let sources: Vec<&str> = (3..args.len()).map(|at| text(args, at)).collect::<Result<_, _>>()?;
    for source in &sources {
        check_name(source, "source label name in label_join()")?;
    }
    check_name(target, "destination label name in label_join()")?;
    let mut rows = evaluator.rows(argument(args, 0)?, grid)?;
    for row in &mut rows {
        let values: Vec<&str> = sources.iter().map(|source| row.labels.value(source)).collect();
        let made = values.join(separator);
        set(row, target, &made);
    }
    merge_rows(rows).map(Computed::Rows)
}

fn check_name(name: &str, what: &str) -> Result<(), QueryError> {
    if name.is_empty() {
        return Err(QueryError::execution(format!("invalid {what}: {name}")));
    }
    Ok(())
}

/// A name given on purpose stays.
fn set(row: &mut Row, target: &str, value: &str) {
    row.labels = row.labels.with(target, value);
    if target == METRIC_NAME {
        row.drops_name = false;
    }
}
