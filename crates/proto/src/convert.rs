//! Messages to model values and back, by exhaustive destructuring: a new field breaks the build until it is
//! mapped here. What comes in is refused by field; what goes out cannot fail.

mod id;
mod matcher;
mod stream;

pub use id::{IdError, node_id, origin, token, token_message, writer, writer_bytes};
pub use matcher::{matcher, matcher_message, matchers};
pub use stream::{
    StreamRefusal, kind, kind_message, label_messages, labels, stream_points, stream_points_message,
};

/// A field of a message that does not mean anything. The sender's fault; sending it again fails again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct FieldError {
    /// Where: the path of the field in the request, such as `matchers[1].value`.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
}
