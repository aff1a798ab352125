//! gRPC `Query`: matchers or a selector in, merged values out; and PromQL, once or as it changes.

mod promql;

use futures::stream::BoxStream;
use shoal_model::Matcher;
use shoal_proto::{Token, convert, header, v1};
use shoal_store::FrameId;
use tonic::{Request, Response, Status};

use super::Context;
use crate::engine::{PartValue, Question, ReadError, SeriesValue};

/// The service.
#[derive(Clone)]
pub(super) struct Query(pub(super) Context);

#[tonic::async_trait]
impl v1::query_server::Query for Query {
    async fn read(&self, request: Request<v1::ReadRequest>) -> Result<Response<v1::ReadReply>, Status> {
        let Awaited { token: header, may_be_late } = awaited(&request)?;
        let v1::ReadRequest { selector, matchers, time, parts, tokens } = request.into_inner();
        let tokens = tokens.iter().map(token).chain(header.map(Ok)).collect::<Result<_, _>>()?;
        let question = Question { matchers: matchers_of(&selector, matchers)?, at_ms: time, parts, tokens };
        let mut answer = self.0.engine.read(question.clone()).await;
        if let Err(error @ ReadError::Behind(_)) = &answer
            && may_be_late
        {
            let late = error.to_string();
            answer = self.0.engine.read(Question { tokens: Vec::new(), ..question }).await;
            answer.iter_mut().for_each(|answer| answer.warnings.push(late.clone()));
        }
        let answer = answer.map_err(|error| status(&error))?;
        let frontier = format!("{:032x}", answer.frontier);
        let mut response = Response::new(v1::ReadReply {
            series: answer.series.into_iter().map(series_message).collect(),
            frontier: answer.frontier.to_be_bytes().to_vec(),
            warnings: answer.warnings,
            complete_until: answer.complete_until.unwrap_or_default(),
        });
        if let Some(Ok(value)) = answer.complete_until.map(|until| until.to_string().parse()) {
            response.metadata_mut().insert(header::COMPLETE_UNTIL, value);
        }
        if let Ok(value) = frontier.parse() {
            response.metadata_mut().insert(header::FRONTIER, value);
        }
        Ok(response)
    }

    async fn query(&self, request: Request<v1::QueryRequest>) -> Result<Response<v1::QueryReply>, Status> {
        let awaited = awaited(&request)?;
        promql::query(&self.0, request.into_inner(), awaited).await.map(Response::new)
    }

    async fn query_range(
        &self,
        request: Request<v1::QueryRangeRequest>,
    ) -> Result<Response<v1::QueryReply>, Status> {
        let awaited = awaited(&request)?;
        promql::query_range(&self.0, request.into_inner(), awaited).await.map(Response::new)
    }

    type WatchStream = BoxStream<'static, Result<v1::QueryReply, Status>>;

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let awaited = awaited(&request)?;
        promql::watch(self.0.clone(), request.into_inner(), awaited).map(Response::new)
    }
}

/// What the request's metadata says of a write that the answer is to contain.
#[derive(Clone, Copy)]
struct Awaited {
    token: Option<FrameId>,
    /// Whether an answer without it is wanted all the same.
    may_be_late: bool,
}

fn awaited<T>(request: &Request<T>) -> Result<Awaited, Status> {
    let value = request.metadata().get(header::TOKEN).map(|value| value.to_str().unwrap_or_default());
    let parsed = value.map(str::parse::<Token>).transpose();
    let token = parsed.map_err(|error| Status::invalid_argument(format!("{}: {error}", header::TOKEN)))?;
    let token = token.map(|token| FrameId { origin: token.origin, seq: token.seq });
    let may_be_late = request.metadata().get(header::TOKEN_LATE).is_some_and(|value| value == "warn");
    Ok(Awaited { token, may_be_late })
}

fn token(message: &v1::Token) -> Result<FrameId, Status> {
    let token =
        convert::token(message).map_err(|error| Status::invalid_argument(format!("tokens: {error}")))?;
    Ok(FrameId { origin: token.origin, seq: token.seq })
}

fn matchers_of(selector: &str, messages: Vec<v1::Matcher>) -> Result<Vec<Matcher>, Status> {
    let invalid = |text: String| Status::invalid_argument(text);
    match (selector.is_empty(), messages.is_empty()) {
        (false, true) => {
            shoal_query::parse_selector(selector).map_err(|error| invalid(format!("selector: {error}")))
        }
        (true, false) => convert::matchers(messages).map_err(|error| invalid(error.to_string())),
        (true, true) => Err(invalid("selector: give a selector, or matchers".to_owned())),
        (false, false) => Err(invalid("matchers: give either a selector or matchers, not both".to_owned())),
    }
}

fn series_message(series: SeriesValue) -> v1::Series {
    let SeriesValue { labels, kind, point, parts } = series;
    v1::Series {
        labels: labels.into_iter().map(|(name, value)| v1::Label { name, value }).collect(),
        kind: convert::kind_message(kind).into(),
        value: point.value,
        time: point.time,
        parts: parts.into_iter().map(part_message).collect(),
    }
}

fn part_message(part: PartValue) -> v1::Part {
    let PartValue { writer, kind, point } = part;
    v1::Part {
        writer: convert::writer_bytes(writer),
        kind: convert::kind_message(kind).into(),
        value: point.value,
        time: point.time,
    }
}

fn status(error: &ReadError) -> Status {
    match error {
        ReadError::TooManySeries(_) => Status::invalid_argument(error.to_string()),
        ReadError::NotReady(_) | ReadError::Behind(_) | ReadError::Damaged(_) | ReadError::Stopped(_) => {
            Status::unavailable(error.to_string())
        }
    }
}
