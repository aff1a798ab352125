//! Aggregations: rows are put into groups by their labels, and each group gives one row (`sum`), some of its
//! own rows (`topk`) or a row for each distinct value (`count_values`).

use std::collections::HashMap;

use shoal_model::labels::METRIC_NAME;

use super::fold::{Count, Deviation, Fold, Greatest, Least, One};
use super::{ABSENT, Evaluator, Grid, Row, is_absent, merge_rows, rank, too_many_samples};
use crate::error::QueryError;
use crate::labels::LabelSet;
use crate::plan::{Aggregate, AggregateOp, Grouping, Node};
use crate::source::Sample;
use crate::sums::{self, Mean, Sum, Variance};
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

    /// The labels of a value that is counted: the label of the value makes groups too, and `without` can take it away.
    fn labels_of_counted(&self, labels: &LabelSet, name: &str, value: &str) -> LabelSet {
        match self {
            Grouping::By(_) => self.labels_of(labels).with(name, value),
            Grouping::Without(_) => self.labels_of(&labels.with(name, value)),
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
        match aggregate.op {
            AggregateOp::Sum => self.folded::<Sum>(aggregate, grid),
            AggregateOp::Avg => self.folded::<Mean>(aggregate, grid),
            AggregateOp::Min => self.folded::<Least>(aggregate, grid),
            AggregateOp::Max => self.folded::<Greatest>(aggregate, grid),
            AggregateOp::Count => self.folded::<Count>(aggregate, grid),
            AggregateOp::Group => self.folded::<One>(aggregate, grid),
            AggregateOp::Stddev => self.folded::<Deviation>(aggregate, grid),
            AggregateOp::Stdvar => self.folded::<Variance>(aggregate, grid),
            AggregateOp::CountValues => self.counted_values(aggregate, grid),
            AggregateOp::Topk => self.ranked(rank::End::Top, aggregate, grid),
            AggregateOp::Bottomk => self.ranked(rank::End::Bottom, aggregate, grid),
            AggregateOp::Quantile => {
                let params = self.scalars(parameter(aggregate)?, grid)?;
                let rows = self.rows(&aggregate.expr, grid)?;
                self.check_quantiles(&params);
                Ok(quantiles(&params, &rows, &aggregate.grouping.groups(&rows)))
            }
        }
    }

    /// Each row goes into its group's folds and is gone.
    fn folded<F: Fold>(&mut self, aggregate: &Aggregate, grid: &Grid) -> Result<Vec<Row>, QueryError> {
        let mut places: HashMap<LabelSet, usize> = HashMap::new();
        let mut groups: Vec<Folded<F>> = Vec::new();
        // A step of a group is as large as so many samples.
        let weight = grid.count.saturating_mul(size_of::<F>().div_ceil(size_of::<Sample>()));
        let groups_max = self.left() / weight.max(1);
        self.each_row(&aggregate.expr, grid, &mut |row| {
            let labels = aggregate.grouping.labels_of(&row.labels);
            let place = *places.entry(labels).or_insert_with_key(|labels| {
                groups.push(Folded::new(labels.clone(), row.drops_name, grid.count));
                groups.len() - 1
            });
            groups[place].add(&row.values);
            if groups.len() > groups_max { Err(too_many_samples()) } else { Ok(()) }
        })?;
        self.charge(groups.len().saturating_mul(weight))?;
        groups.sort_by(|a, b| a.row.labels.cmp(&b.row.labels));
        Ok(groups.into_iter().map(Folded::into_row).collect())
    }

    fn ranked(&mut self, end: rank::End, aggregate: &Aggregate, grid: &Grid) -> Result<Vec<Row>, QueryError> {
        let params = self.scalars(parameter(aggregate)?, grid)?;
        let rows = self.rows(&aggregate.expr, grid)?;
        let sizes = rank::sizes(&params)?;
        let groups = aggregate.grouping.groups(&rows);
        Ok(rank::ranked(end, &sizes, rows, &groups, !self.is_range))
    }

    fn counted_values(&mut self, aggregate: &Aggregate, grid: &Grid) -> Result<Vec<Row>, QueryError> {
        let name = label_name(parameter(aggregate)?)?;
        let rows = self.rows(&aggregate.expr, grid)?;
        let mut places: HashMap<(LabelSet, bool), usize> = HashMap::new();
        let mut counted: Vec<Row> = Vec::new();
        for row in rows {
            for (step, value) in row.values.iter().enumerate().filter(|(_, value)| !is_absent(**value)) {
                let labels = aggregate.grouping.labels_of_counted(&row.labels, name, &format_value(*value));
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

fn parameter(aggregate: &Aggregate) -> Result<&Node, QueryError> {
    aggregate.param.as_deref().ok_or_else(|| QueryError::bad("the aggregation lacks its parameter"))
}

fn label_name(param: &Node) -> Result<&str, QueryError> {
    match param {
        Node::Text(name) if name.is_empty() => Err(QueryError::execution("invalid label name \"\"")),
        Node::Text(name) => Ok(name),
        _ => Err(QueryError::bad("expected type string in aggregation parameter")),
    }
}

/// A group under way: a fold a step, and in the row which steps have had a value.
struct Folded<F> {
    row: Row,
    folds: Vec<F>,
}

impl<F: Fold> Folded<F> {
    fn new(labels: LabelSet, drops_name: bool, count: usize) -> Self {
        Self { row: Row::absent(labels, drops_name, count), folds: vec![F::default(); count] }
    }

    fn add(&mut self, values: &[f64]) {
        for ((fold, seen), value) in self.folds.iter_mut().zip(&mut self.row.values).zip(values) {
            if !is_absent(*value) {
                *seen = 0.0;
                fold.add(*value);
            }
        }
    }

    fn into_row(mut self) -> Row {
        let seen = self.row.values.iter_mut().zip(&self.folds).filter(|(seen, _)| !is_absent(**seen));
        seen.for_each(|(value, fold)| *value = fold.value());
        self.row
    }
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
