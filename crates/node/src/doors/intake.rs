//! Bounds the requests that are in work: each costs the bytes of its body from their arrival until it is answered,
//! and a least amount. When the budget is spent, requests are refused with a time to come back, before their bodies
//! are read; what tells how the node fares is never refused.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{self, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use futures::{Stream, StreamExt, stream};
use http_body::{Frame, SizeHint};
use shoal_model::limits::REQUEST_BYTES_MAX;
use tokio::time::timeout;
use tonic::Status;

use super::{access, http};

/// Bytes of all requests in work: four of the largest.
const BUDGET_BYTES: usize = 4 * REQUEST_BYTES_MAX;
/// What a request costs at least: its task, its connection's buffers, its place in queues. So there are 4096 at most.
const REQUEST_BYTES_MIN: usize = 16 * 1024;
/// How long a body may stand still before its request is given up: what it has taken of the budget is not its own.
const STALL: Duration = Duration::from_secs(30);
/// When to come back, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");
const BUSY: &str =
    "this node has as many requests in work as it can hold: try again later or at another node";
/// Paths that tell how the node fares.
const ALWAYS_OPEN: [&str; 3] = ["/", "/metrics", "/api/v1/cluster"];
/// What such paths begin with.
const ALWAYS_OPEN_BELOW: [&str; 4] = ["/-/", "/page/", "/grpc.health.v1.Health/", "/shoal.v1.Cluster/"];

/// The budget, and what is spent of it.
#[derive(Debug, Default)]
pub struct Intake {
    spent: AtomicUsize,
    refused: AtomicU64,
}

/// What one request has taken of the budget; dropped, it is given back.
#[derive(Debug)]
pub(super) struct Charge {
    intake: Arc<Intake>,
    /// Bytes taken of the budget.
    taken: AtomicUsize,
    /// Bytes of the body that have arrived.
    arrived: AtomicUsize,
    is_refused: AtomicBool,
}

impl Intake {
    /// Bytes of the requests in work.
    pub fn spent(&self) -> u64 {
        self.spent.load(Ordering::Relaxed) as u64
    }

    /// Requests refused because the budget was spent.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> bool {
        let fits = |spent: usize| spent.checked_add(bytes).filter(|spent| *spent <= BUDGET_BYTES);
        self.spent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    /// Lets one more request in. Its bytes are charged as they arrive, not as they are announced: who announces
    /// much and sends nothing keeps nobody out.
    fn charge(self: &Arc<Self>) -> Option<Arc<Charge>> {
        if !self.take(REQUEST_BYTES_MIN) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(Arc::new(Charge {
            intake: self.clone(),
            taken: AtomicUsize::new(REQUEST_BYTES_MIN),
            arrived: AtomicUsize::new(0),
            is_refused: AtomicBool::new(false),
        }))
    }
}

impl Charge {
    /// More of the body has arrived; false where the budget has no room for it.
    pub(super) fn arrive(&self, bytes: usize) -> bool {
        let arrived = self.arrived.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let beyond = arrived.saturating_sub(self.taken.load(Ordering::Relaxed));
        if beyond == 0 {
            return true;
        }
        if !self.intake.take(beyond) {
            self.is_refused.store(true, Ordering::Relaxed);
            self.intake.refused.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        self.taken.fetch_add(beyond, Ordering::Relaxed);
        true
    }

    /// The answer takes its place whether there is room or not: it is there.
    fn owe(&self, bytes: usize) {
        self.taken.fetch_add(bytes, Ordering::Relaxed);
        self.intake.spent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A message of a long request is answered: what it took is given back.
    pub(super) fn settle(&self) {
        self.arrived.store(0, Ordering::Relaxed);
        let taken = self.taken.swap(REQUEST_BYTES_MIN, Ordering::Relaxed);
        self.intake.spent.fetch_sub(taken - REQUEST_BYTES_MIN, Ordering::Relaxed);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.intake.spent.fetch_sub(*self.taken.get_mut(), Ordering::Relaxed);
    }
}

/// Lets a request in while there is room for it.
pub(super) async fn measure(State(intake): State<Arc<Intake>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if ALWAYS_OPEN.contains(&path) || ALWAYS_OPEN_BELOW.iter().any(|below| path.starts_with(below)) {
        return next.run(request).await;
    }
    let is_grpc = access::is_grpc(request.headers());
    let Some(charge) = intake.charge() else { return busy(is_grpc) };
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(charge.clone());
    let stall = if is_grpc { Duration::MAX } else { STALL };
    let body = Body::from_stream(counted(body, charge.clone(), stall));
    let response = next.run(Request::from_parts(parts, body)).await;
    if charge.is_refused.load(Ordering::Relaxed) {
        return busy(is_grpc);
    }
    response.map(|body| Body::new(Answer::new(body, charge)))
}

/// An answer, which is memory too until it is sent.
struct Answer {
    body: Body,
    _charge: Arc<Charge>,
}

impl Answer {
    fn new(body: Body, charge: Arc<Charge>) -> Self {
        charge.owe(body.size_hint().exact().unwrap_or_default() as usize);
        Self { body, _charge: charge }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body, each piece of it counted as it arrives.
fn counted(body: Body, charge: Arc<Charge>, stall: Duration) -> impl Stream<Item = Result<Bytes, Status>> {
    stream::unfold(Some((body.into_data_stream(), charge)), move |rest| async move {
        let (mut body, charge) = rest?;
        match timeout(stall, body.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(piece))) if charge.arrive(piece.len()) => Some((Ok(piece), Some((body, charge)))),
            Ok(Some(Ok(_))) => Some((Err(Status::resource_exhausted(BUSY)), None)),
            Ok(Some(Err(error))) => Some((Err(Status::cancelled(error.to_string())), None)),
            Err(_) => Some((Err(Status::cancelled("the body stood still")), None)),
        }
    })
}

/// The refusal in the protocol of the request.
fn busy(is_grpc: bool) -> Response {
    let mut response = if is_grpc {
        Status::resource_exhausted(BUSY).into_http::<Body>()
    } else {
        http::error(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", BUSY)
    };
    response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_bounded_in_number_and_given_back_at_the_end() {
        let intake = Arc::new(Intake::default());
        let all: Vec<_> = std::iter::from_fn(|| intake.charge()).collect();
        assert_eq!((all.len(), intake.refused()), (4096, 1));
        drop(all);
        assert_eq!(intake.spent(), 0);
    }

    #[test]
    fn bytes_are_taken_as_they_arrive() {
        let intake = Arc::new(Intake::default());
        let charge = intake.charge().unwrap();
        assert!(charge.arrive(REQUEST_BYTES_MIN) && intake.spent() == REQUEST_BYTES_MIN as u64);
        assert!(charge.arrive(5) && intake.spent() == REQUEST_BYTES_MIN as u64 + 5);
        assert!(!charge.arrive(BUDGET_BYTES), "beyond the budget");
        assert_eq!(intake.refused(), 1);
        drop(charge);
        assert_eq!(intake.spent(), 0);
    }

    #[test]
    fn a_long_request_gives_back_what_its_answered_messages_took() {
        let intake = Arc::new(Intake::default());
        let charge = intake.charge().unwrap();
        for _ in 0..100 {
            assert!(charge.arrive(REQUEST_BYTES_MAX / 2));
            charge.settle();
        }
        assert_eq!(intake.spent(), REQUEST_BYTES_MIN as u64);
    }
}
