//! One call: asks a node, then the next when it fails or stays silent, until one answers or time is up.
//! Asking several is free of harm because points have identities and reads change nothing.

use std::collections::VecDeque;
use std::future::Future;
use std::time::Duration;

use rand::Rng;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::Shared;
use crate::address::Address;
use crate::limits::{HEDGE_AFTER, PAUSE_MAX, PAUSE_MIN};

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The request itself is at fault, or not allowed: nothing was changed, and the same again fails again.
    #[error("{node} refused the request: {reason} ({code:?})")]
    Refused {
        /// The node that refused.
        node: Address,
        /// What kind of refusal.
        code: Code,
        /// Why, in the node's words.
        reason: String,
    },
    /// No node answered in time. A write may have been stored all the same; making the same call again is free.
    #[error("no node answered in time; the last failure was: {last}")]
    Unanswered {
        /// The last failure, with the node's address where there was one.
        last: String,
    },
}

/// What an attempt needs to ask one node.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) channel: Channel,
    pub(crate) timeout: Duration,
    pub(crate) bearer: Option<MetadataValue<Ascii>>,
}

impl Link {
    /// A request that says how long its sender waits, and who it is.
    pub(crate) fn request<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        request.set_timeout(self.timeout);
        if let Some(bearer) = &self.bearer {
            request.metadata_mut().insert("authorization", bearer.clone());
        }
        request
    }
}

type Attempt<T> = (Address, Result<T, Status>);

/// The state of one call between its attempts.
struct Course<T> {
    ends: Instant,
    /// Nodes of this round that were not asked yet.
    queue: VecDeque<Address>,
    /// Asked and silent, in the order of asking.
    silent: Vec<Address>,
    attempts: JoinSet<Attempt<T>>,
    rounds: u32,
    next: Instant,
    last: String,
}

impl Shared {
    /// Makes a call; `send` asks one node.
    pub(crate) async fn call<T, F, Asked>(&self, deadline: Duration, send: F) -> Result<T, CallError>
    where
        T: Send + 'static,
        F: Fn(Address, Link) -> Asked,
        Asked: Future<Output = Result<T, Status>> + Send + 'static,
    {
        let mut course = Course::new(deadline);
        loop {
            tokio::select! {
                biased;
                Some(attempt) = course.attempts.join_next() => {
                    let (node, result) = attempt.expect("an attempt neither panics nor is cancelled");
                    if let Some(outcome) = self.judge(&mut course, node, result) {
                        return outcome;
                    }
                }
                () = sleep_until(course.next.min(course.ends)) => {
                    if Instant::now() >= course.ends {
                        return Err(CallError::Unanswered { last: course.give_up(self) });
                    }
                    self.ask_next(&mut course, &send);
                }
            }
        }
    }

    /// Asks the next node, and sets the time at which the one after it is asked.
    fn ask_next<T, F, Asked>(&self, course: &mut Course<T>, send: &F)
    where
        T: Send + 'static,
        F: Fn(Address, Link) -> Asked,
        Asked: Future<Output = Result<T, Status>> + Send + 'static,
    {
        let now = Instant::now();
        if course.queue.is_empty() {
            let candidates = self.roster().candidates(now.into_std());
            course.begin_round(candidates);
        }
        let Some(node) = course.queue.pop_front() else {
            course.next = now + pause(course.rounds);
            return;
        };
        let asked = send(node.clone(), self.link(&node, course.ends - now));
        course.silent.push(node.clone());
        course.attempts.spawn(async move { (node, asked.await) });
        course.next = now + HEDGE_AFTER;
        if course.queue.is_empty() {
            course.next += pause(course.rounds);
        }
    }

    /// What a node's reply means for the call; `None`: go on.
    fn judge<T: 'static>(
        &self,
        course: &mut Course<T>,
        node: Address,
        result: Result<T, Status>,
    ) -> Option<Result<T, CallError>> {
        let now = Instant::now();
        let place = course.silent.iter().position(|asked| *asked == node);
        let place = place.expect("who replies was asked");
        course.silent.remove(place);
        match result {
            Ok(value) => {
                let mut roster = self.roster();
                // Those that were asked earlier and are still silent were overtaken.
                course.silent.iter().take(place).for_each(|slow| roster.failed(slow, now.into_std()));
                roster.answered(&node, now.into_std());
                Some(Ok(value))
            }
            Err(status) if is_final(status.code()) => {
                let (code, reason) = (status.code(), status.message().to_owned());
                Some(Err(CallError::Refused { node, code, reason }))
            }
            Err(status) => {
                tracing::debug!(%node, code = ?status.code(), reason = status.message(), "moving on to the next node");
                self.roster().failed(&node, now.into_std());
                self.stale.notify_one();
                course.last = format!("{node}: {} ({:?})", status.message(), status.code());
                course.move_on(now);
                None
            }
        }
    }
}

impl<T: 'static> Course<T> {
    fn new(deadline: Duration) -> Self {
        let now = Instant::now();
        Self {
            ends: now + deadline,
            queue: VecDeque::new(),
            silent: Vec::new(),
            attempts: JoinSet::new(),
            rounds: 0,
            next: now,
            last: "no node was asked".to_owned(),
        }
    }

    /// A round asks every node once; one that is still silent has its question already.
    fn begin_round(&mut self, candidates: Vec<Address>) {
        self.rounds = self.rounds.saturating_add(1);
        self.queue = candidates.into_iter().filter(|node| !self.silent.contains(node)).collect();
    }

    /// After a failure: at once to the next node, or, where all were asked, after a pause.
    fn move_on(&mut self, now: Instant) {
        let wait = if self.queue.is_empty() { pause(self.rounds) } else { Duration::ZERO };
        self.next = self.next.min(now + wait);
    }

    /// Time is up: those that stayed silent to the end are not to be asked first again.
    fn give_up(&self, shared: &Shared) -> String {
        let now = Instant::now().into_std();
        self.silent.iter().for_each(|node| shared.roster().failed(node, now));
        shared.stale.notify_one();
        match self.silent.first() {
            Some(node) => format!("{node}: silent until the deadline"),
            None => self.last.clone(),
        }
    }
}

/// Whether no other node would answer otherwise.
fn is_final(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidArgument
            | Code::FailedPrecondition
            | Code::Unauthenticated
            | Code::PermissionDenied
            | Code::Unimplemented
            | Code::NotFound
            | Code::AlreadyExists
            | Code::OutOfRange
    )
}

/// The pause after a round, drawn so that clients that failed together do not come back together.
fn pause(rounds: u32) -> Duration {
    let doubled = PAUSE_MIN.saturating_mul(1 << rounds.saturating_sub(1).min(16));
    doubled.min(PAUSE_MAX).mul_f64(rand::rng().random_range(0.5..1.0))
}
