//! Arithmetic and comparison between scalars and vectors.

use std::collections::HashMap;

use shoal_model::labels::METRIC_NAME;

use super::matching::{Matched, live_steps};
use super::{ABSENT, Computed, Evaluator, Grid, Row, is_absent, merge_rows, setops};
use crate::error::QueryError;
use crate::labels::LabelSet;
use crate::plan::{Arithmetic, Binary, BinaryOp, Compare, Group, Matching};

impl Evaluator<'_> {
    pub(crate) fn binary(&mut self, binary: &Binary, grid: &Grid) -> Result<Computed, QueryError> {
        let Binary { op, left, right, matching } = binary;
        let left = self.eval(left, grid)?;
        let right = self.eval(right, grid)?;
        match (left, right) {
            (Computed::Scalars(left), Computed::Scalars(right)) => {
                let values = left.iter().zip(&right).map(|(l, r)| op.number(*l, *r));
                Ok(Computed::Scalars(values.collect()))
            }
            (Computed::Rows(rows), Computed::Scalars(scalars)) => {
                Ok(Computed::Rows(with_scalars(*op, rows, &scalars, Side::Right)))
            }
            (Computed::Scalars(scalars), Computed::Rows(rows)) => {
                Ok(Computed::Rows(with_scalars(*op, rows, &scalars, Side::Left)))
            }
            (Computed::Rows(left), Computed::Rows(right)) => {
                let rows = match op {
                    BinaryOp::Set(set) => setops::combine(*set, matching, left, right)?,
                    _ => Join { op: *op, matching, count: grid.count }.rows(&left, &right)?,
                };
                self.charge(rows.len().saturating_mul(grid.count))?;
                Ok(Computed::Rows(rows))
            }
        }
    }
}

impl BinaryOp {
    /// The value of two numbers, comparisons as 0 or 1.
    fn number(self, left: f64, right: f64) -> f64 {
        match self {
            BinaryOp::Arithmetic(op) => op.apply(left, right),
            BinaryOp::Compare { compare, .. } => f64::from(u8::from(compare.holds(left, right))),
            BinaryOp::Set(_) => f64::NAN,
        }
    }

    /// What stays of an element of which `kept` is the value: a computed value, 0 or 1, itself, or nothing.
    fn element(self, left: f64, right: f64, kept: f64) -> f64 {
        match self {
            BinaryOp::Compare { compare, returns_bool: false } => {
                if compare.holds(left, right) {
                    kept
                } else {
                    ABSENT
                }
            }
            _ => self.number(left, right),
        }
    }

    fn returns_bool(self) -> bool {
        matches!(self, BinaryOp::Compare { returns_bool: true, .. })
    }

    fn is_filter(self) -> bool {
        matches!(self, BinaryOp::Compare { returns_bool: false, .. })
    }
}

impl Arithmetic {
    fn apply(self, left: f64, right: f64) -> f64 {
        match self {
            Arithmetic::Add => left + right,
            Arithmetic::Sub => left - right,
            Arithmetic::Mul => left * right,
            Arithmetic::Div => left / right,
            Arithmetic::Mod => left % right,
            Arithmetic::Pow => left.powf(right),
            Arithmetic::Atan2 => left.atan2(right),
        }
    }
}

impl Compare {
    fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Compare::Equal => left == right,
            Compare::NotEqual => left != right,
            Compare::Less => left < right,
            Compare::LessOrEqual => left <= right,
            Compare::Greater => left > right,
            Compare::GreaterOrEqual => left >= right,
        }
    }
}

/// On which side the scalar stands.
#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
}

fn with_scalars(op: BinaryOp, mut rows: Vec<Row>, scalars: &[f64], side: Side) -> Vec<Row> {
    for row in &mut rows {
        row.drops_name |= !op.is_filter();
        for (value, scalar) in row.values.iter_mut().zip(scalars) {
            if !is_absent(*value) {
                let (left, right) = match side {
                    Side::Left => (*scalar, *value),
                    Side::Right => (*value, *scalar),
                };
                *value = op.element(left, right, *value);
            }
        }
    }
    rows.retain(|row| !row.is_empty());
    rows
}

/// One operator between two vectors.
struct Join<'a> {
    op: BinaryOp,
    matching: &'a Matching,
    count: usize,
}

impl Join<'_> {
    fn rows(&self, left: &[Row], right: &[Row]) -> Result<Vec<Row>, QueryError> {
        let (many, one, one_side) = match self.matching.group {
            Group::None | Group::Left(_) => (left, right, "right"),
            Group::Right(_) => (right, left, "left"),
        };
        let live: Vec<bool> = live_steps(left, self.count)
            .into_iter()
            .zip(live_steps(right, self.count))
            .map(|(left, right)| left && right)
            .collect();
        let one = Matched::new(one, self.matching);
        one.check_unique(one_side, &live)?;
        let mut seen = Seen::default();
        let mut rows = Vec::with_capacity(many.len());
        for row in many {
            let signature = self.matching.signature(&row.labels);
            for other in one.rows_of(&signature) {
                let joined = self.joined(row, other);
                let is_one_to_one = self.matching.group == Group::None;
                let labels = (!is_one_to_one).then(|| joined.labels.clone());
                seen.add(&signature, labels, (row, other))?;
                rows.push(joined);
            }
        }
        rows.retain(|row| !row.is_empty());
        merge_rows(rows)
    }

    fn joined(&self, many: &Row, one: &Row) -> Row {
        let is_swapped = matches!(self.matching.group, Group::Right(_));
        let value = |(many, one): (&f64, &f64)| {
            if is_absent(*many) || is_absent(*one) {
                return ABSENT;
            }
            let (left, right) = if is_swapped { (*one, *many) } else { (*many, *one) };
            self.op.element(left, right, left)
        };
        let (labels, is_named_anew) = self.labels(&many.labels, &one.labels);
        let drops_name = self.op.returns_bool() || (many.drops_name && !is_named_anew);
        Row { labels, drops_name, values: many.values.iter().zip(&one.values).map(value).collect() }
    }

    /// The labels of a result, and whether its name comes from the one side.
    fn labels(&self, many: &LabelSet, one: &LabelSet) -> (LabelSet, bool) {
        let mut labels =
            if self.op.is_filter() || self.op.returns_bool() { many.clone() } else { many.without_name() };
        let is_listed = |name: &str| self.matching.labels.iter().any(|label| label == name);
        let included = match &self.matching.group {
            Group::Left(included) | Group::Right(included) => included,
            Group::None => {
                labels = labels.filtered(|name| is_listed(name) == self.matching.on);
                return (labels, false);
            }
        };
        for name in included {
            labels = labels.with(name, one.value(name));
        }
        (labels, included.iter().any(|name| name == METRIC_NAME))
    }
}

/// The pairs of rows that gave results of one signature and, unless one to one, of one label set.
#[derive(Default)]
struct Seen<'r>(HashMap<(LabelSet, Option<LabelSet>), Vec<Pair<'r>>>);

/// An element of the many side with its counterpart.
type Pair<'r> = (&'r Row, &'r Row);

impl<'r> Seen<'r> {
    /// Refuses two elements of the many side that would have one counterpart, or give one result.
    fn add(
        &mut self,
        signature: &LabelSet,
        labels: Option<LabelSet>,
        (many, one): Pair<'r>,
    ) -> Result<(), QueryError> {
        let text = match labels {
            None => {
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
            }
            Some(_) => "multiple matches for labels: grouping labels must ensure unique matches",
        };
        let earlier = self.0.entry((signature.clone(), labels)).or_default();
        let meets = |row: &Row, step| row.at(step).is_some();
        let clashes = |(before, its_one): &Pair<'_>| {
            (0..many.values.len()).any(|step| {
                meets(many, step) && meets(one, step) && meets(before, step) && meets(its_one, step)
            })
        };
        if earlier.iter().any(clashes) {
            return Err(QueryError::execution(text));
        }
        earlier.push((many, one));
        Ok(())
    }
}
