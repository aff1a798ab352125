//! What a PromQL question takes and gives.

use std::time::Duration;

use shoal_model::Point;
use shoal_proto::convert::token_message;
use shoal_proto::{Token, v1};
use tonic::Status;

use crate::address::Address;
use crate::limits::DEADLINE;

/// When an expression is evaluated; times in ms since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Now, by the node's clock.
    Now,
    /// At one time.
    At(i64),
    /// At every step of a range.
    Over {
        /// The first time.
        start: i64,
        /// None is later than this.
        end: i64,
        /// Their distance in ms.
        step: i64,
    },
}

/// How to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryOptions {
    /// How far back a selector looks for a sample; `None`: 5 minutes.
    pub lookback: Option<Duration>,
    /// How many series the answer may have; `None`: as many as there are.
    pub limit: Option<u64>,
    /// Writes that the answer must contain.
    pub tokens: Vec<Token>,
    /// How long the call may take with all its attempts.
    pub deadline: Duration,
}

impl Default for QueryOptions {
    fn default() -> Self {
        Self { lookback: None, limit: None, tokens: Vec::new(), deadline: DEADLINE }
    }
}

/// The answer to a PromQL question.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryAnswer {
    /// What the expression comes to.
    pub result: QueryResult,
    /// The hash of what the node had applied, where it gave one: equal hashes, equal answers.
    pub frontier: Option<[u8; 16]>,
    /// What may be missing, or is probably not what was meant, for people.
    pub warnings: Vec<String>,
    /// What is possibly not what was meant.
    pub infos: Vec<String>,
    /// Up to which time, in ms of the node's clock, all that the members held is in the answer, where it is known.
    pub complete_until: Option<i64>,
    /// The node that answered.
    pub node: Address,
}

/// The four forms of a PromQL result.
#[derive(Clone, Debug, PartialEq)]
pub enum QueryResult {
    /// One number, with its time.
    Scalar(Point),
    /// A text.
    Text(String),
    /// Series with one point each, in the order that the expression gives.
    Vector(Vec<QuerySeries>),
    /// Series in order of labels.
    Matrix(Vec<QuerySeries>),
}

/// A series of a result; it may have no label at all.
#[derive(Clone, Debug, PartialEq)]
pub struct QuerySeries {
    /// Its labels in order of name.
    pub labels: Vec<(String, String)>,
    /// Its points in order of time, which is in ms since 1970.
    pub points: Vec<Point>,
}

fn terms(options: &QueryOptions) -> v1::QueryTerms {
    let QueryOptions { lookback, limit, tokens, deadline } = options;
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    v1::QueryTerms {
        tokens: tokens.iter().copied().map(token_message).collect(),
        lookback: lookback.map_or(0, |lookback| i64::try_from(lookback.as_millis()).unwrap_or(i64::MAX)),
        timeout: millis(*deadline),
        limit: limit.unwrap_or(0),
    }
}

pub(crate) fn instant(query: &str, time: Option<i64>, options: &QueryOptions) -> v1::QueryRequest {
    v1::QueryRequest { query: query.to_owned(), time, terms: Some(terms(options)) }
}

pub(crate) fn range(
    query: &str,
    (start, end, step): (i64, i64, i64),
    options: &QueryOptions,
) -> v1::QueryRangeRequest {
    v1::QueryRangeRequest { query: query.to_owned(), start, end, step, terms: Some(terms(options)) }
}

/// A reply that means nothing counts as a failure of its node.
pub(crate) fn answer(reply: v1::QueryReply, node: Address) -> Result<QueryAnswer, Status> {
    let kind = reply.r#type();
    let v1::QueryReply { r#type: _, series, text, frontier, complete_until, warnings, infos } = reply;
    let mut series: Vec<QuerySeries> = series.into_iter().map(one_series).collect();
    let result = match kind {
        v1::ResultType::Scalar => {
            let point = series.pop().and_then(|one| one.points.first().copied());
            QueryResult::Scalar(point.ok_or_else(|| Status::internal("a scalar without a value"))?)
        }
        v1::ResultType::String => QueryResult::Text(text),
        v1::ResultType::Vector => QueryResult::Vector(series),
        v1::ResultType::Matrix => QueryResult::Matrix(series),
    };
    let complete_until = (complete_until != 0).then_some(complete_until);
    Ok(QueryAnswer { result, frontier: frontier.try_into().ok(), warnings, infos, complete_until, node })
}

fn one_series(message: v1::Samples) -> QuerySeries {
    let v1::Samples { labels, times, values } = message;
    QuerySeries {
        labels: labels.into_iter().map(|v1::Label { name, value }| (name, value)).collect(),
        points: times.into_iter().zip(values).map(|(time, value)| Point::new(time, value)).collect(),
    }
}
