//! What a read takes and gives.

use std::time::Duration;

use shoal_model::{Kind, Labels, Matcher, Writer};
use shoal_proto::convert::{kind, labels, matcher_message, token_message, writer};
use shoal_proto::{Token, v1};
use tonic::Status;

use crate::address::Address;
use crate::limits::DEADLINE;

/// Which series to read.
#[derive(Clone, Debug)]
pub enum Selection {
    /// A PromQL vector selector, judged by the node.
    Selector(String),
    /// All of these must match.
    Matchers(Vec<Matcher>),
}

impl From<&str> for Selection {
    fn from(selector: &str) -> Self {
        Self::Selector(selector.to_owned())
    }
}

impl From<String> for Selection {
    fn from(selector: String) -> Self {
        Self::Selector(selector)
    }
}

impl From<Vec<Matcher>> for Selection {
    fn from(matchers: Vec<Matcher>) -> Self {
        Self::Matchers(matchers)
    }
}

/// How to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadOptions {
    /// At what time, in ms since 1970; `None`: now, by the node's clock.
    pub time: Option<i64>,
    /// Whether each series lists what its writers contribute.
    pub parts: bool,
    /// Writes that the answer must contain.
    pub tokens: Vec<Token>,
    /// How long the call may take with all its attempts.
    pub deadline: Duration,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { time: None, parts: false, tokens: Vec::new(), deadline: DEADLINE }
    }
}

/// The answer to a read.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadAnswer {
    /// The series, in the node's order.
    pub series: Vec<SeriesValue>,
    /// The hash of what the node had applied, where it gave one: equal hashes, equal answers.
    pub frontier: Option<[u8; 16]>,
    /// What may be missing, for people.
    pub warnings: Vec<String>,
    /// Up to which time, in ms of the node's clock, all that the members held is in the answer, where it is known.
    pub complete_until: Option<i64>,
    /// The node that answered.
    pub node: Address,
}

/// The merged value of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesValue {
    /// Which series.
    pub labels: Labels,
    /// How its points read.
    pub kind: Kind,
    /// Its value.
    pub value: f64,
    /// The newest point in it, in ms since 1970.
    pub time: i64,
    /// What its writers contribute, where asked for.
    pub parts: Vec<Part>,
}

/// What one writer contributes to a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Who counts.
    pub writer: Writer,
    /// How the writer's points read.
    pub kind: Kind,
    /// The contribution.
    pub value: f64,
    /// The writer's newest point, in ms since 1970.
    pub time: i64,
}

pub(crate) fn request(selection: Selection, options: &ReadOptions) -> v1::ReadRequest {
    let (selector, matchers) = match selection {
        Selection::Selector(selector) => (selector, Vec::new()),
        Selection::Matchers(matchers) => (String::new(), matchers.iter().map(matcher_message).collect()),
    };
    let ReadOptions { time, parts, tokens, deadline: _ } = options;
    let tokens = tokens.iter().copied().map(token_message).collect();
    v1::ReadRequest { selector, matchers, time: *time, parts: *parts, tokens }
}

/// A reply that means nothing counts as a failure of its node.
pub(crate) fn answer(reply: v1::ReadReply, node: Address) -> Result<ReadAnswer, Status> {
    let v1::ReadReply { series, frontier, warnings, complete_until } = reply;
    let series = series.into_iter().map(series_value).collect::<Result<_, _>>()?;
    let complete_until = (complete_until != 0).then_some(complete_until);
    Ok(ReadAnswer { series, frontier: frontier.try_into().ok(), warnings, complete_until, node })
}

fn series_value(message: v1::Series) -> Result<SeriesValue, Status> {
    let v1::Series { labels: pairs, kind: code, value, time, parts } = message;
    let labels = labels(pairs).map_err(|error| Status::internal(error.to_string()))?;
    let parts = parts.into_iter().map(part).collect::<Result<_, _>>()?;
    Ok(SeriesValue { labels, kind: known_kind(code)?, value, time, parts })
}

fn part(message: v1::Part) -> Result<Part, Status> {
    let v1::Part { writer: id, kind: code, value, time } = message;
    let writer = writer(&id).map_err(|error| Status::internal(error.to_string()))?;
    Ok(Part { writer, kind: known_kind(code)?, value, time })
}

fn known_kind(code: i32) -> Result<Kind, Status> {
    kind(code).ok_or_else(|| Status::internal(format!("there is no kind {code}")))
}
