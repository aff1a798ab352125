//! Aggregations: rows are put into groups by their labels, and each group gives one row (`sum`), some of its
//! own rows (`topk`) or a row for each distinct value (`count_values`).

use std::collections::HashMap;

use shoal_model::labels::METRIC_NAME;

use super::fold::Fold;
use super::{ABSENT, Evaluator, Grid, Row, is_absent, merge_rows, rank};
use crate::error::QueryError;
use crate::labels::LabelSet;
use crate::plan::{Aggregate, AggregateOp, Grouping, Node};
use crate::sums;
use crate::value::format_value;

/// The rows of one group.
pub(crate) struct Members {
    pub labels: LabelSet,
    pub drops_name: bool,
    /// Row numbers in order.
    pub numbers: Vec<usize>,
}

impl Grouping {
    fn labels_of(&self, labels: &LabelSet) -> LabelSet {
        match self {
            Grouping::By(names) => labels.filtered(|name| names.iter().any(|by| by == name)),
            Grouping::Without(names) => {
                labels.filtered(|name| name != METRIC_NAME && !names.iter().any(|without| without == name))
            }
        }
    }

    /// The groups in order of their labels.
    fn groups(&self, rows: &[Row]) -> Vec<Members> {
        let mut places: HashMap<LabelSet, usize> = HashMap::new();
        let mut groups: Vec<Members> = Vec::new();
        for (number, row) in rows.iter().enumerate() {
            let labels = self.labels_of(&row.labels);
            let place = *places.entry(labels.clone()).or_insert(groups.len());
            if place == groups.len() {
                groups.push(Members { labels, drops_name: row.drops_name, numbers: Vec::new() });
            }
            groups[place].numbers.push(number);
        }
        groups.sort_by(|a, b| a.labels.cmp(&b.labels));
        groups
    }
}

impl Evaluator<'_> {
    pub(crate) fn aggregate(&mut self, aggregate: &Aggregate, grid: &Grid) -> Result<Vec<Row>, QueryError> {
        let Aggregate { op, expr, param, grouping } = aggregate;
        if let Some(fold) = Fold::of(*op) {
            let rows = self.rows(expr, grid)?;
            return Ok(folded(fold, &rows, &grouping.groups(&rows), grid.count));
        }
        let Some(param) = param else {
            return Err(QueryError::bad("the aggregation lacks its parameter"));
        };
        if *op == AggregateOp::CountValues {
            let name = label_name(param)?;
            let rows = self.rows(expr, grid)?;
            return self.counted_values(name, &rows, grouping, grid);
        }
        let params = self.scalars(param, grid)?;
        let rows = self.rows(expr, grid)?;
        match op {
            AggregateOp::Quantile => {
                self.check_quantiles(&params);
                Ok(quantiles(&params, &rows, &grouping.groups(&rows)))
            }
            _ => {
                let sizes = rank::sizes(&params)?;
                let groups = grouping.groups(&rows);
                let end = if *op == AggregateOp::Topk { rank::End::Top } else { rank::End::Bottom };
                Ok(rank::ranked(end, &sizes, rows, &groups, !self.is_range))
            }
        }
    }

    fn counted_values(
        &mut self,
        name: &str,
        rows: &[Row],
        grouping: &Grouping,
        grid: &Grid,
    ) -> Result<Vec<Row>, QueryError> {
        let mut places: HashMap<(LabelSet, bool), usize> = HashMap::new();
        let mut counted: Vec<Row> = Vec::new();
        for row in rows {
            let group = grouping.labels_of(&row.labels);
            for (step, value) in row.values.iter().enumerate().filter(|(_, value)| !is_absent(**value)) {
                let labels = group.with(name, &format_value(*value));
                let place = *places.entry((labels.clone(), row.drops_name)).or_insert(counted.len());
                if place == counted.len() {
                    self.charge(grid.count)?;
                    counted.push(Row::absent(labels, row.drops_name, grid.count));
                }
                let count = &mut counted[place].values[step];
                *count = if is_absent(*count) { 1.0 } else { *count + 1.0 };
            }
        }
        counted.sort_by(|a, b| a.labels.cmp(&b.labels));
        merge_rows(counted)
    }
}

fn label_name(param: &Node) -> Result<&str, QueryError> {
    match param {
        Node::Text(name) if name.is_empty() => Err(QueryError::execution("invalid label name \"\"")),
        Node::Text(name) => Ok(name),
        _ => Err(QueryError::bad("expected type string in aggregation parameter")),
    }
}

fn folded(fold: Fold, rows: &[Row], groups: &[Members], count: usize) -> Vec<Row> {
    let row = |group: &Members| {
        let mut folds: Vec<(bool, Fold)> = vec![(false, fold); count];
        for number in &group.numbers {
            for ((is_live, fold), value) in folds.iter_mut().zip(&rows[*number].values) {
                if !is_absent(*value) {
                    *is_live = true;
                    fold.add(*value);
                }
            }
        }
        let values = folds.iter().map(|(is_live, fold)| if *is_live { fold.value() } else { ABSENT });
        Row { labels: group.labels.clone(), drops_name: group.drops_name, values: values.collect() }
    };
    groups.iter().map(row).collect()
}

fn quantiles(params: &[f64], rows: &[Row], groups: &[Members]) -> Vec<Row> {
    let mut values = Vec::new();
    let mut at = |group: &Members, step: usize| {
        values.clear();
        values.extend(group.numbers.iter().filter_map(|number| rows[*number].at(step)));
        if values.is_empty() { ABSENT } else { sums::quantile(params[step], &mut values) }
    };
    let mut row = |group: &Members| Row {
        labels: group.labels.clone(),
        drops_name: group.drops_name,
        values: (0..params.len()).map(|step| at(group, step)).collect(),
    };
    groups.iter().map(&mut row).collect()
}
