//! Why a query has no answer, by Prometheus' error types. Nothing here changes any state.

use crate::source::SourceError;

/// Why a query has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The text is no PromQL, or PromQL that is not answered here: the caller's fault, before any evaluation.
    #[error("{0}")]
    BadData(String),
    /// The data do not allow what was asked, or it exceeds a limit; the same query fails on the same data.
    #[error("{0}")]
    Execution(String),
    /// The time allowed is over; a smaller query or an idler node may succeed.
    #[error("query timed out in expression evaluation")]
    Timeout,
    /// Nobody waits for the answer any more.
    #[error("query was canceled in expression evaluation")]
    Canceled,
    /// The series could not be read: the node's fault; a retry, or another node, may succeed.
    #[error(transparent)]
    Internal(#[from] SourceError),
}

impl QueryError {
    /// Prometheus' `errorType`.
    pub fn kind(&self) -> &'static str {
        match self {
            QueryError::BadData(_) => "bad_data",
            QueryError::Execution(_) => "execution",
            QueryError::Timeout => "timeout",
            QueryError::Canceled => "canceled",
            QueryError::Internal(_) => "internal",
        }
    }

    pub(crate) fn bad(text: impl Into<String>) -> Self {
        QueryError::BadData(text.into())
    }

    pub(crate) fn execution(text: impl Into<String>) -> Self {
        QueryError::Execution(text.into())
    }
}
