//! OTLP over HTTP: the body is protobuf or JSON, as its content type says, and may be packed by gzip. The answer is of
//! the same kind; an error is a `google.rpc.Status`, as the protocol wants it.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use prost::Message;
use serde_json::json;
use shoal_model::limits::REQUEST_BYTES_MAX;
use shoal_proto::header as own_header;
use shoal_replication::{Acks, SubmitError};
use tonic::Code;

use super::{ExportError, Exported, decode, export as take};
use crate::doors::refusals::Door;
use crate::doors::{Context, import};
use crate::engine::WriteError;
use crate::gzip;
use crate::otlp::judge_json;

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Protobuf,
    Json,
}

/// A request that is not answered by what it asked for.
struct Failure {
    status: StatusCode,
    code: Code,
    text: String,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// The door.
pub(in crate::doors) async fn export(
    State(context): State<Context>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form = match form(&headers) {
        Ok(form) => form,
        Err(failure) => {
            context.refusals.refuse(Door::Otlp, "header", 1);
            return failure.into_response(Form::Protobuf);
        }
    };
    let (request, acks) = match read(&context, form, &headers, &body) {
        Ok(read) => read,
        Err(failure) => return failure.into_response(form),
    };
    match take(&context, request, acks).await {
        Ok(Exported { response, receipt }) => {
            let mut answer = form.answer(StatusCode::OK, &response);
            import::put_receipt(answer.headers_mut(), receipt);
            answer
        }
        Err(error) => Failure::from(error).into_response(form),
    }
}

fn form(headers: &HeaderMap) -> Result<Form, Failure> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match kind.split(';').next().unwrap_or_default().trim() {
        "application/x-protobuf" => Ok(Form::Protobuf),
        "application/json" => Ok(Form::Json),
        other => Err(Failure {
            status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
            code: Code::InvalidArgument,
            text: format!("content-type {other:?}: application/x-protobuf or application/json is wanted"),
        }),
    }
}

fn read(
    context: &Context,
    form: Form,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(ExportMetricsServiceRequest, Acks), Failure> {
    let bad = |word: &'static str, text: String| {
        context.refusals.refuse(Door::Otlp, word, 1);
        Failure::bad(text)
    };
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let acks = text(own_header::ACKS).map_or(Ok(Acks::Auto), str::parse);
    let acks = acks.map_err(|error| bad("header", format!("{}: {error}", own_header::ACKS)))?;
    let unpacked = match text(header::CONTENT_ENCODING.as_str()) {
        None | Some("identity") => None,
        Some("gzip") => {
            Some(gzip::gunzip(body, REQUEST_BYTES_MAX).map_err(|error| bad("encoding", error.to_string()))?)
        }
        Some(other) => {
            return Err(bad("encoding", format!("content-encoding {other:?}: gzip or none is wanted")));
        }
    };
    let bytes = unpacked.as_deref().unwrap_or(body);
    let request = match form {
        Form::Protobuf => decode(context, bytes).map_err(Failure::bad)?,
        Form::Json => {
            judge_json(bytes).map_err(|error| bad("oversize", error.to_string()))?;
            let none = "the body is no ExportMetricsServiceRequest";
            serde_json::from_slice(bytes).map_err(|error| bad("syntax", format!("{none}: {error}")))?
        }
    };
    Ok((request, acks))
}

impl Form {
    fn answer(self, status: StatusCode, message: &ExportMetricsServiceResponse) -> Response {
        let json = || serde_json::to_vec(message).unwrap_or_default();
        self.respond(status, message.encode_to_vec(), json)
    }

    fn respond(self, status: StatusCode, protobuf: Vec<u8>, json: impl FnOnce() -> Vec<u8>) -> Response {
        let (kind, body) = match self {
            Form::Protobuf => ("application/x-protobuf", protobuf),
            Form::Json => ("application/json", json()),
        };
        (status, [(header::CONTENT_TYPE, HeaderValue::from_static(kind))], body).into_response()
    }
}

impl Failure {
    fn bad(text: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: Code::InvalidArgument, text }
    }

    fn into_response(self, form: Form) -> Response {
        let Self { status, code, text } = self;
        let message = RpcStatus { code: code as i32, message: text };
        let json = || json!({"code": message.code, "message": message.message}).to_string().into_bytes();
        let mut response = form.respond(status, message.encode_to_vec(), json);
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        let text = error.to_string();
        let (status, code) = match error {
            ExportError::Oversize(_) => (StatusCode::BAD_REQUEST, Code::InvalidArgument),
            ExportError::Write(WriteError::Refused(SubmitError::Busy)) => {
                (StatusCode::TOO_MANY_REQUESTS, Code::ResourceExhausted)
            }
            ExportError::Write(_) => (StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable),
        };
        Self { status, code, text }
    }
}
