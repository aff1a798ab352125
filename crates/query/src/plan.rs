//! An expression as it is evaluated: operators and functions resolved, `@` and offsets in milliseconds, brackets
//! gone. What is refused by name has been refused before a plan exists.

mod lower;

use std::collections::BTreeSet;

use shoal_model::Matcher;

use crate::functions::Function;

pub(crate) use lower::{Bounds, lower};

/// A part of an expression.
#[derive(Debug)]
pub(crate) enum Node {
    Number(f64),
    Text(String),
    Selector(Selector),
    Range { selector: Selector, range_ms: i64 },
    Subquery(Subquery),
    Negate(Box<Node>),
    Binary(Binary),
    Aggregate(Aggregate),
    Call { function: &'static Function, args: Vec<Node> },
}

impl Node {
    /// The matchers that selectors in several places have, as texts.
    pub(crate) fn repeated_selectors(&self) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        let mut repeated = BTreeSet::new();
        self.each_selector(&mut |selector| {
            let matchers = format!("{:?}", selector.matchers);
            if !seen.insert(matchers.clone()) {
                repeated.insert(matchers);
            }
        });
        repeated
    }

    fn each_selector(&self, each: &mut impl FnMut(&Selector)) {
        match self {
            Node::Number(_) | Node::Text(_) => {}
            Node::Selector(selector) | Node::Range { selector, .. } => each(selector),
            Node::Subquery(subquery) => subquery.expr.each_selector(each),
            Node::Negate(inner) => inner.each_selector(each),
            Node::Binary(binary) => {
                binary.left.each_selector(each);
                binary.right.each_selector(each);
            }
            Node::Aggregate(aggregate) => {
                let parts = aggregate.param.iter().chain([&aggregate.expr]);
                parts.for_each(|part| part.each_selector(each));
            }
            Node::Call { args, .. } => args.iter().for_each(|arg| arg.each_selector(each)),
        }
    }
}

/// Which series, and at which time: `at` or the evaluation time, less `offset`.
#[derive(Debug)]
pub(crate) struct Selector {
    pub matchers: Vec<Matcher>,
    pub moment: Moment,
}

/// When a selector or a subquery looks, seen from an evaluation time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moment {
    pub at_ms: Option<i64>,
    pub offset_ms: i64,
}

impl Moment {
    /// The time looked at from an evaluation time.
    pub(crate) fn of(self, eval_ms: i64) -> i64 {
        self.at_ms.unwrap_or(eval_ms).saturating_sub(self.offset_ms)
    }
}

#[derive(Debug)]
pub(crate) struct Subquery {
    pub expr: Box<Node>,
    pub range_ms: i64,
    pub step_ms: Option<i64>,
    pub moment: Moment,
}

#[derive(Debug)]
pub(crate) struct Binary {
    pub op: BinaryOp,
    pub left: Box<Node>,
    pub right: Box<Node>,
    pub matching: Matching,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BinaryOp {
    Arithmetic(Arithmetic),
    /// With `bool`, a comparison gives 0 or 1 instead of filtering.
    Compare {
        compare: Compare,
        returns_bool: bool,
    },
    Set(SetOp),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SetOp {
    And,
    Or,
    Unless,
}

/// Which elements of two vectors belong together.
#[derive(Debug)]
pub(crate) struct Matching {
    /// Whether `labels` are those that must agree (`on`), or those that need not (`ignoring`).
    pub on: bool,
    pub labels: Vec<String>,
    pub group: Group,
}

/// Whether one side may have several elements for one of the other, and which labels it gets from there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Group {
    None,
    Left(Vec<String>),
    Right(Vec<String>),
}

#[derive(Debug)]
pub(crate) struct Aggregate {
    pub op: AggregateOp,
    pub expr: Box<Node>,
    pub param: Option<Box<Node>>,
    pub grouping: Grouping,
}

/// The labels that make a group.
#[derive(Debug)]
pub(crate) enum Grouping {
    By(Vec<String>),
    Without(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AggregateOp {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Group,
    Stddev,
    Stdvar,
    Topk,
    Bottomk,
    CountValues,
    Quantile,
}
