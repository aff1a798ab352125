//! Asking in PromQL: what the doors of both protocols share. A question waits for its turn and for the writes that
//! it names, works on one moment's state on a thread of its own, and is given up when nobody waits for it any more.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use shoal_query::{Answer, Options, QueryError, Range, Stop, evaluate_instant, evaluate_range};
use shoal_store::FrameId;
use tokio::sync::Semaphore;

use super::Context;
use crate::engine::{Effort, Lensed, ReadError, Snapshot};

/// How long a question may take at the most, and where it says nothing: Prometheus' default.
const TIMEOUT_MAX: Duration = Duration::from_secs(120);
/// Questions that are worked on at once: Prometheus' default. The others wait for their turn.
const QUESTIONS_MAX: usize = 20;

/// Threads for one expression: one for each core.
static THREADS: LazyLock<Option<NonZero<usize>>> =
    LazyLock::new(|| std::thread::available_parallelism().ok());

/// The turns of the questions that a node works on; clones share them.
#[derive(Clone)]
pub struct Turns(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(QUESTIONS_MAX)))
    }
}

/// When an expression is evaluated.
#[derive(Clone, Copy, Debug)]
pub(super) enum When {
    At(i64),
    Over(Range),
}

/// An expression and how to evaluate it.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    pub text: String,
    pub when: When,
    pub lookback_ms: Option<i64>,
}

/// How long a question may take, and which writes it has to see.
#[derive(Clone, Debug, Default)]
pub(super) struct Terms {
    pub timeout: Option<Duration>,
    pub tokens: Vec<FrameId>,
    /// Whether an answer without them, and with a warning, is better than none.
    pub may_be_late: bool,
}

/// Why a question has no answer.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// The expression, or what it comes to.
    Query(QueryError),
    /// The node.
    Read(ReadError),
    /// Too many others.
    Busy,
}

impl From<QueryError> for Unanswered {
    fn from(error: QueryError) -> Self {
        Unanswered::Query(error)
    }
}

impl From<ReadError> for Unanswered {
    fn from(error: ReadError) -> Self {
        Unanswered::Read(error)
    }
}

impl Unanswered {
    /// What to tell of a busy node.
    pub(super) fn busy() -> String {
        format!("{QUESTIONS_MAX} queries are under way on this node: try again, or at another one")
    }
}

/// One moment's state, for as long as somebody waits.
pub(super) struct Moment {
    pub snapshot: Snapshot,
    /// How long the question has waited so far.
    pub waited: Duration,
    gone: Arc<AtomicBool>,
    deadline: Instant,
}

/// An evaluated expression.
pub(super) struct Evaluated {
    pub answer: Answer,
    /// What has to be said of the data, not of the expression.
    pub warnings: Vec<String>,
    pub effort: Effort,
}

/// Works on the state of one moment.
pub(super) async fn ask<T: Send + 'static>(
    context: &Context,
    Terms { timeout, tokens, may_be_late }: Terms,
    work: impl FnOnce(Moment) -> Result<T, QueryError> + Send + 'static,
) -> Result<T, Unanswered> {
    let began = Instant::now();
    let deadline = began + timeout.unwrap_or(TIMEOUT_MAX).min(TIMEOUT_MAX);
    let gone = Arc::new(AtomicBool::new(false));
    let _waiting = Waiting(Arc::clone(&gone));
    let mut late = None;
    if !tokens.is_empty() {
        // Whoever waits for writes takes nobody's turn meanwhile.
        match context.engine.inspect_after(tokens, |_| ()).await {
            Err(error @ ReadError::Behind(_)) if may_be_late => late = Some(error.to_string()),
            arrived => arrived?,
        }
    }
    let turn = Arc::clone(&context.turns.0).acquire_owned();
    let turn = tokio::time::timeout_at(deadline.into(), turn).await.map_err(|_| Unanswered::Busy)?;
    let work = move |mut snapshot: Snapshot| {
        snapshot.warnings.extend(late);
        // The turn lasts as long as the work, even when nobody waits for it any more.
        let _turn = turn;
        work(Moment { snapshot, waited: began.elapsed(), gone, deadline })
    };
    Ok(context.engine.inspect(work).await??)
}

impl Moment {
    /// Evaluates an expression.
    pub(super) fn evaluate(&self, expression: &Expression) -> Result<Evaluated, QueryError> {
        let Expression { text, when, lookback_ms } = expression;
        let source = Lensed::new(&self.snapshot.view);
        let stop = || self.stop();
        let mut options = Options { stop: &stop, threads: *THREADS, ..Options::default() };
        options.lookback_ms = lookback_ms.unwrap_or(options.lookback_ms);
        let answer = match when {
            When::At(at_ms) => evaluate_instant(&source, text, *at_ms, options),
            When::Over(range) => evaluate_range(&source, text, *range, options),
        }?;
        let warnings = [self.snapshot.warnings.clone(), source.warnings()].concat();
        Ok(Evaluated { answer, warnings, effort: source.effort() })
    }

    /// Ends the work where nobody waits for it, or its time is over.
    pub(super) fn check(&self) -> Result<(), QueryError> {
        match self.stop() {
            None => Ok(()),
            Some(Stop::Timeout) => Err(QueryError::Timeout),
            Some(Stop::Canceled) => Err(QueryError::Canceled),
        }
    }

    fn stop(&self) -> Option<Stop> {
        match (self.gone.load(Ordering::Relaxed), Instant::now() >= self.deadline) {
            (true, _) => Some(Stop::Canceled),
            (false, true) => Some(Stop::Timeout),
            (false, false) => None,
        }
    }
}

/// Tells the work when nobody waits for it any more.
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
