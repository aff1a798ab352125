//! The same question to another member, through this node: `/api/v1/members/NODE/CALL`. A browser that shows this
//! node's page may ask nobody else, yet has to compare nodes. Only members are asked, at the address that they tell by
//! gossip, and only the calls listed here: nobody can send this node elsewhere. The client's token goes along, and
//! members trust each other.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use shoal_proto::header;
use shoal_replication::Status as Standing;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Context, http};

/// What members are asked.
const CALLS: [&str; 4] = ["cluster", "query", "query_range", "targets"];
/// A member that does not take a connection within this time is away.
const CONNECT: Duration = Duration::from_secs(2);
/// How long a member may take to begin its answer: as long as a question may take.
const ANSWER: Duration = Duration::from_secs(120);
/// The same for what tells how it fares.
const ANSWER_SOON: Duration = Duration::from_secs(3);
/// What goes along of a request, and what comes back of an answer.
const ASKED: [HeaderName; 3] = [AUTHORIZATION, CONTENT_TYPE, ACCEPT_ENCODING];
const ANSWERED: [HeaderName; 4] = [CONTENT_TYPE, CONTENT_ENCODING, RETRY_AFTER, WWW_AUTHENTICATE];
const TOLD: [&str; 2] = [header::FRONTIER, header::COMPLETE_UNTIL];

/// The call.
pub(super) async fn ask(
    State(context): State<Context>,
    Path((node, call)): Path<(String, String)>,
    request: Request,
) -> Response {
    if !CALLS.contains(&call.as_str()) {
        return http::error(StatusCode::NOT_FOUND, "not_found", "members are not asked this");
    }
    let address = match address_of(&context, &node).await {
        Ok(address) => address,
        Err(refusal) => return refusal,
    };
    let (parts, body) = request.into_parts();
    let body = match axum::body::to_bytes(body, shoal_model::limits::REQUEST_BYTES_MAX).await {
        Ok(body) => body,
        Err(error) => return http::error(StatusCode::BAD_REQUEST, "bad_data", &error.to_string()),
    };
    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let asked = hyper::Request::builder()
        .method(parts.method)
        .uri(format!("/api/v1/{call}{query}"))
        .header(HOST, address.to_string())
        .body(Full::new(body));
    let Ok(mut asked) = asked else {
        return http::error(StatusCode::BAD_REQUEST, "bad_data", "this cannot be asked of a member");
    };
    *asked.headers_mut() = copied(&parts.headers, ASKED.iter(), asked.headers().clone());
    let patience = if call == "cluster" { ANSWER_SOON } else { ANSWER };
    match answer(address, asked, patience).await {
        Ok(response) => response,
        Err(why) => http::error(StatusCode::BAD_GATEWAY, "unavailable", &format!("{address}: {why}")),
    }
}

/// Where a member answers clients, by its id in hexadecimal digits.
async fn address_of(context: &Context, node: &str) -> Result<SocketAddr, Response> {
    let status = context.engine.status().await.map_err(|stopped| {
        http::error(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &stopped.to_string())
    })?;
    let member = status
        .members
        .iter()
        .find(|member| member.member.status == Standing::Joined && member.member.node.to_string() == node);
    let Some(member) = member else {
        return Err(http::error(StatusCode::NOT_FOUND, "not_found", "no member has this id"));
    };
    if member.member.node == context.engine.node() {
        return Ok(context.about.profile.client);
    }
    let profile = member.profile.as_ref();
    profile.map(|profile| profile.client).ok_or_else(|| {
        http::error(StatusCode::BAD_GATEWAY, "unavailable", "nobody has told where this member answers")
    })
}

/// One request on a connection of its own, which ends with the answer.
async fn answer(
    address: SocketAddr,
    asked: hyper::Request<Full<Bytes>>,
    patience: Duration,
) -> Result<Response, String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let stream = timeout(CONNECT, TcpStream::connect(address)).await;
    let stream = stream.map_err(|_| "it takes no connection".to_owned())?.map_err(|error| text(&error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| text(&error))?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "the connection to a member broke");
        }
    });
    let answered = timeout(patience, sender.send_request(asked)).await;
    let answered = answered.map_err(|_| "it does not answer".to_owned())?.map_err(|error| text(&error))?;
    let told = TOLD.map(HeaderName::from_static);
    let headers = copied(answered.headers(), ANSWERED.iter().chain(&told), HeaderMap::new());
    Ok((answered.status(), headers, Body::new(answered.into_body())).into_response())
}

fn copied<'n>(
    from: &HeaderMap,
    names: impl Iterator<Item = &'n HeaderName>,
    mut into: HeaderMap,
) -> HeaderMap {
    for name in names {
        if let Some(value) = from.get(name) {
            into.insert(name, value.clone());
        }
    }
    into
}
