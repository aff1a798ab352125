//! From the parser's tree to a plan. Experimental syntax, foreign extensions and what nests too deep are refused
//! here, by name, before anything is read.

use std::time::{Duration, SystemTime};

use promql_parser::parser::token::{
    T_ADD, T_ATAN2, T_AVG, T_BOTTOMK, T_COUNT, T_COUNT_VALUES, T_DIV, T_EQLC, T_GROUP, T_GTE, T_GTR, T_LAND,
    T_LOR, T_LSS, T_LTE, T_LUNLESS, T_MAX, T_MIN, T_MOD, T_MUL, T_NEQ, T_POW, T_QUANTILE, T_STDDEV, T_STDVAR,
    T_SUB, T_SUM, T_TOPK, TokenType,
};
use promql_parser::parser::{
    AggregateExpr, AtModifier, BinModifier, BinaryExpr, Call, Expr, LabelModifier, Offset, SubqueryExpr,
    VectorMatchCardinality, VectorSelector,
};

use super::{
    Aggregate, AggregateOp, Arithmetic, Binary, BinaryOp, Compare, Group, Grouping, Matching, Moment, Node,
    Selector, SetOp, Subquery,
};
use crate::error::QueryError;
use crate::functions;
use crate::selector::matchers_of;

/// How deep an expression may nest: more than people write, and the evaluator's stack holds it.
const DEPTH_MAX: usize = 200;

/// The times that `start()` and `end()` mean after `@`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub start_ms: i64,
    pub end_ms: i64,
}

/// The plan of a parsed expression.
pub(crate) fn lower(expr: &Expr, bounds: Bounds) -> Result<Node, QueryError> {
    Lowering { bounds, depth: 0 }.node(expr)
}

#[derive(Clone, Copy)]
struct Lowering {
    bounds: Bounds,
    depth: usize,
}

impl Lowering {
    fn node(self, expr: &Expr) -> Result<Node, QueryError> {
        if self.depth >= DEPTH_MAX {
            return Err(QueryError::bad(format!("the expression nests deeper than {DEPTH_MAX} levels")));
        }
        let inner = Self { depth: self.depth + 1, ..self };
        match expr {
            Expr::Paren(paren) => inner.node(&paren.expr),
            Expr::NumberLiteral(number) => Ok(Node::Number(number.val)),
            Expr::StringLiteral(text) => Ok(Node::Text(text.val.clone())),
            Expr::VectorSelector(selector) => Ok(Node::Selector(inner.selector(selector)?)),
            Expr::MatrixSelector(range) => {
                Ok(Node::Range { selector: inner.selector(&range.vs)?, range_ms: millis(range.range) })
            }
            Expr::Unary(unary) => Ok(Node::Negate(inner.boxed(&unary.expr)?)),
            Expr::Subquery(subquery) => inner.subquery(subquery),
            Expr::Binary(binary) => inner.binary(binary),
            Expr::Aggregate(aggregate) => inner.aggregate(aggregate),
            Expr::Call(call) => inner.call(call),
            Expr::Extension(_) => Err(QueryError::bad("extensions of PromQL are not supported")),
        }
    }

    fn boxed(self, expr: &Expr) -> Result<Box<Node>, QueryError> {
        self.node(expr).map(Box::new)
    }

    fn selector(self, parsed: &VectorSelector) -> Result<Selector, QueryError> {
        if !parsed.matchers.or_matchers.is_empty() {
            return Err(QueryError::bad("\"or\" between matchers is no PromQL of Prometheus"));
        }
        let matchers = matchers_of(parsed).map_err(|error| QueryError::bad(error.to_string()))?;
        Ok(Selector { matchers, moment: self.moment(parsed.at.as_ref(), parsed.offset.as_ref())? })
    }

    fn moment(self, at: Option<&AtModifier>, offset: Option<&Offset>) -> Result<Moment, QueryError> {
        let at_ms = match at {
            None => None,
            Some(AtModifier::Start) => Some(self.bounds.start_ms),
            Some(AtModifier::End) => Some(self.bounds.end_ms),
            Some(AtModifier::At(time)) => Some(epoch_millis(*time)?),
        };
        let offset_ms = match offset {
            None => 0,
            Some(Offset::Pos(back)) => millis(*back),
            Some(Offset::Neg(ahead)) => -millis(*ahead),
        };
        Ok(Moment { at_ms, offset_ms })
    }

    fn subquery(self, parsed: &SubqueryExpr) -> Result<Node, QueryError> {
        Ok(Node::Subquery(Subquery {
            expr: self.boxed(&parsed.expr)?,
            range_ms: millis(parsed.range),
            step_ms: parsed.step.map(millis).filter(|step| *step > 0),
            moment: self.moment(parsed.at.as_ref(), parsed.offset.as_ref())?,
        }))
    }

    fn binary(self, parsed: &BinaryExpr) -> Result<Node, QueryError> {
        let op = binary_op(parsed.op, parsed.return_bool())?;
        let matching = matching(parsed.modifier.as_ref())?;
        Ok(Node::Binary(Binary {
            op,
            left: self.boxed(&parsed.lhs)?,
            right: self.boxed(&parsed.rhs)?,
            matching,
        }))
    }

    fn aggregate(self, parsed: &AggregateExpr) -> Result<Node, QueryError> {
        let grouping = match &parsed.modifier {
            None => Grouping::By(Vec::new()),
            Some(LabelModifier::Include(labels)) => Grouping::By(labels.labels.clone()),
            Some(LabelModifier::Exclude(labels)) => Grouping::Without(labels.labels.clone()),
        };
        Ok(Node::Aggregate(Aggregate {
            op: aggregate_op(parsed.op)?,
            expr: self.boxed(&parsed.expr)?,
            param: parsed.param.as_ref().map(|param| self.boxed(param)).transpose()?,
            grouping,
        }))
    }

    fn call(self, parsed: &Call) -> Result<Node, QueryError> {
        let name = parsed.func.name;
        let Some(function) = functions::find(name) else {
            return Err(QueryError::bad(format!("function {name:?} is experimental and not supported")));
        };
        let args = parsed.args.args.iter().map(|arg| self.node(arg)).collect::<Result<_, _>>()?;
        Ok(Node::Call { function, args })
    }
}

fn matching(modifier: Option<&BinModifier>) -> Result<Matching, QueryError> {
    let Some(modifier) = modifier else {
        return Ok(Matching { on: false, labels: Vec::new(), group: Group::None });
    };
    if modifier.fill_values.lhs.is_some() || modifier.fill_values.rhs.is_some() {
        return Err(QueryError::bad("the fill modifiers are experimental and not supported"));
    }
    let group = match &modifier.card {
        VectorMatchCardinality::OneToOne | VectorMatchCardinality::ManyToMany => Group::None,
        VectorMatchCardinality::ManyToOne(labels) => Group::Left(labels.labels.clone()),
        VectorMatchCardinality::OneToMany(labels) => Group::Right(labels.labels.clone()),
    };
    let (on, labels) = match &modifier.matching {
        None => (false, Vec::new()),
        Some(LabelModifier::Include(labels)) => (true, labels.labels.clone()),
        Some(LabelModifier::Exclude(labels)) => (false, labels.labels.clone()),
    };
    Ok(Matching { on, labels, group })
}

fn binary_op(token: TokenType, returns_bool: bool) -> Result<BinaryOp, QueryError> {
    let compare = |compare| Ok(BinaryOp::Compare { compare, returns_bool });
    let arithmetic = |op| Ok(BinaryOp::Arithmetic(op));
    match token.id() {
        T_ADD => arithmetic(Arithmetic::Add),
        T_SUB => arithmetic(Arithmetic::Sub),
        T_MUL => arithmetic(Arithmetic::Mul),
        T_DIV => arithmetic(Arithmetic::Div),
        T_MOD => arithmetic(Arithmetic::Mod),
        T_POW => arithmetic(Arithmetic::Pow),
        T_ATAN2 => arithmetic(Arithmetic::Atan2),
        T_EQLC => compare(Compare::Equal),
        T_NEQ => compare(Compare::NotEqual),
        T_LSS => compare(Compare::Less),
        T_LTE => compare(Compare::LessOrEqual),
        T_GTR => compare(Compare::Greater),
        T_GTE => compare(Compare::GreaterOrEqual),
        T_LAND => Ok(BinaryOp::Set(SetOp::And)),
        T_LOR => Ok(BinaryOp::Set(SetOp::Or)),
        T_LUNLESS => Ok(BinaryOp::Set(SetOp::Unless)),
        _ => Err(QueryError::bad(format!("operator {token} is not supported"))),
    }
}

fn aggregate_op(token: TokenType) -> Result<AggregateOp, QueryError> {
    match token.id() {
        T_SUM => Ok(AggregateOp::Sum),
        T_AVG => Ok(AggregateOp::Avg),
        T_MIN => Ok(AggregateOp::Min),
        T_MAX => Ok(AggregateOp::Max),
        T_COUNT => Ok(AggregateOp::Count),
        T_GROUP => Ok(AggregateOp::Group),
        T_STDDEV => Ok(AggregateOp::Stddev),
        T_STDVAR => Ok(AggregateOp::Stdvar),
        T_TOPK => Ok(AggregateOp::Topk),
        T_BOTTOMK => Ok(AggregateOp::Bottomk),
        T_COUNT_VALUES => Ok(AggregateOp::CountValues),
        T_QUANTILE => Ok(AggregateOp::Quantile),
        _ => Err(QueryError::bad(format!("aggregation {token} is experimental and not supported"))),
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn epoch_millis(time: SystemTime) -> Result<i64, QueryError> {
    let (distance, sign) = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => (after, 1),
        Err(before) => (before.duration(), -1),
    };
    let ms = i64::try_from(distance.as_millis()).map_err(|_| {
        QueryError::bad(format!("timestamp out of bounds for @ modifier: {}", distance.as_secs_f64()))
    })?;
    Ok(sign * ms)
}
