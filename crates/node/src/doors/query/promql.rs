//! PromQL by gRPC: an expression at one time, over a range, or watched as it changes.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use shoal_proto::v1;
use shoal_query::{Answer, Element, LabelSet, QueryError, Range, Sample, Series, Value};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tonic::Status;

use super::super::Context;
use super::super::asking::{Evaluated, Expression, Moment, Terms, Unanswered, When, ask};
use super::{Awaited, status, token};
use crate::clock::wall_ms;

/// How often a watched expression is evaluated, where nothing is said.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// More often than this nobody looks.
const WATCH_EVERY_MIN: Duration = Duration::from_millis(100);

const STOPPING: &str = "this node is stopping: watch at another";

/// An expression under certain terms.
#[derive(Clone)]
struct Question {
    expression: Expression,
    terms: Terms,
    limit: usize,
}

/// `Query`.
pub(super) async fn query(
    context: &Context,
    request: v1::QueryRequest,
    awaited: Awaited,
) -> Result<v1::QueryReply, Status> {
    let v1::QueryRequest { query, time, terms } = request;
    question(query, When::At(time.unwrap_or_else(wall_ms)), terms, awaited)?.answer(context).await
}

/// `QueryRange`.
pub(super) async fn query_range(
    context: &Context,
    request: v1::QueryRangeRequest,
    awaited: Awaited,
) -> Result<v1::QueryReply, Status> {
    let v1::QueryRangeRequest { query, start, end, step, terms } = request;
    let range = Range { start_ms: start, end_ms: end, step_ms: step };
    question(query, When::Over(range), terms, awaited)?.answer(context).await
}

/// `Watch`: the first answer at once, then each that differs from the one before. An error ends it.
pub(super) fn watch(
    context: Context,
    request: v1::WatchRequest,
    awaited: Awaited,
) -> Result<BoxStream<'static, Result<v1::QueryReply, Status>>, Status> {
    let v1::WatchRequest { query, interval: every_ms, terms } = request;
    let every = if every_ms == 0 { WATCH_EVERY } else { Duration::from_millis(every_ms) };
    let question = question(query, When::At(0), terms, awaited)?;
    shoal_query::parse(&question.expression.text).map_err(|error| query_status(&error))?;
    let mut ticks = interval(every.max(WATCH_EVERY_MIN));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watched = Watched { context, question, ticks, last: None };
    Ok(stream::try_unfold(Some(watched), next_change).boxed())
}

/// An expression that is watched.
struct Watched {
    context: Context,
    question: Question,
    ticks: Interval,
    last: Option<v1::QueryReply>,
}

async fn next_change(watched: Option<Watched>) -> Result<Option<(v1::QueryReply, Option<Watched>)>, Status> {
    let Some(mut watched) = watched else { return Ok(None) };
    loop {
        tokio::select! {
            _ = watched.ticks.tick() => {}
            () = watched.context.stopped() => return Err(Status::unavailable(STOPPING)),
        }
        watched.question.expression.when = When::At(wall_ms());
        let reply = watched.question.clone().answer(&watched.context).await?;
        if watched.last.as_ref().is_none_or(|last| differs(last, &reply)) {
            watched.last = Some(reply.clone());
            return Ok(Some((reply, Some(watched))));
        }
    }
}

/// Whether the values differ, or what has to be said of them. Evaluation times always do, and so mostly does what
/// the node had applied.
fn differs(last: &v1::QueryReply, next: &v1::QueryReply) -> bool {
    let said = |reply: &v1::QueryReply| (reply.warnings.clone(), reply.infos.clone(), reply.text.clone());
    let values = |reply: &v1::QueryReply| -> Vec<_> {
        let bits = |one: &v1::Samples| one.values.iter().map(|value| value.to_bits()).collect::<Vec<u64>>();
        reply.series.iter().map(|one| (one.labels.clone(), bits(one))).collect()
    };
    said(last) != said(next) || values(last) != values(next)
}

fn question(
    text: String,
    when: When,
    terms: Option<v1::QueryTerms>,
    Awaited { token: header, may_be_late }: Awaited,
) -> Result<Question, Status> {
    let v1::QueryTerms { tokens, lookback, timeout, limit } = terms.unwrap_or_default();
    if text.is_empty() {
        return Err(Status::invalid_argument("query: it is missing"));
    }
    if lookback < 0 {
        return Err(Status::invalid_argument("terms.lookback: it is negative"));
    }
    let tokens = tokens.iter().map(token).chain(header.map(Ok)).collect::<Result<_, _>>()?;
    let timeout = (timeout > 0).then(|| Duration::from_millis(timeout));
    let lookback_ms = (lookback > 0).then_some(lookback);
    let limit = if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
    Ok(Question {
        expression: Expression { text, when, lookback_ms },
        terms: Terms { timeout, tokens, may_be_late },
        limit,
    })
}

impl Question {
    async fn answer(self, context: &Context) -> Result<v1::QueryReply, Status> {
        let Self { expression, terms, limit } = self;
        let work = move |moment: Moment| Ok(reply(moment.evaluate(&expression)?, &moment, limit));
        ask(context, terms, work).await.map_err(|unanswered| match &unanswered {
            Unanswered::Query(error) => query_status(error),
            Unanswered::Read(error) => status(error),
            Unanswered::Busy => Status::resource_exhausted(Unanswered::busy()),
        })
    }
}

fn reply(evaluated: Evaluated, moment: &Moment, limit: usize) -> v1::QueryReply {
    let Evaluated { answer: Answer { value, warnings: said, infos }, mut warnings, effort: _ } = evaluated;
    warnings.extend(said);
    let (kind, mut series, text) = match value {
        Value::Scalar(sample) => {
            (v1::ResultType::Scalar, vec![samples(&LabelSet::empty(), &[sample])], String::new())
        }
        Value::String { t_ms: _, text } => (v1::ResultType::String, Vec::new(), text),
        Value::Vector(elements) => {
            let one = |Element { labels, sample }: &Element| samples(labels, &[*sample]);
            (v1::ResultType::Vector, elements.iter().map(one).collect(), String::new())
        }
        Value::Matrix(series) => {
            let one = |series: &Series| samples(&series.labels, &series.samples);
            (v1::ResultType::Matrix, series.iter().map(one).collect(), String::new())
        }
    };
    if series.len() > limit {
        series.truncate(limit);
        warnings.push("results truncated due to limit".to_owned());
    }
    v1::QueryReply {
        r#type: kind.into(),
        series,
        text,
        frontier: moment.snapshot.frontier.to_be_bytes().to_vec(),
        complete_until: moment.snapshot.complete_until.unwrap_or_default(),
        warnings,
        infos: infos.into_iter().collect(),
    }
}

fn samples(labels: &LabelSet, samples: &[Sample]) -> v1::Samples {
    let label = |(name, value): (&str, &str)| v1::Label { name: name.to_owned(), value: value.to_owned() };
    v1::Samples {
        labels: labels.iter().map(label).collect(),
        times: samples.iter().map(|sample| sample.t_ms).collect(),
        values: samples.iter().map(|sample| sample.v).collect(),
    }
}

fn query_status(error: &QueryError) -> Status {
    let text = error.to_string();
    match error {
        QueryError::BadData(_) => Status::invalid_argument(format!("query: {text}")),
        QueryError::Execution(_) => Status::failed_precondition(text),
        QueryError::Timeout => Status::deadline_exceeded(text),
        QueryError::Canceled => Status::cancelled(text),
        QueryError::Internal(_) => Status::internal(text),
    }
}
