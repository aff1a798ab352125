//! Every bound that is a constant, with its reason. What an operator may trade is a flag instead.

use std::time::Duration;

/// Labels of one series: Prometheus users stay under 40; a set is compared and hashed whole.
pub const LABELS_MAX: usize = 128;
/// Bytes of a label name: longer ones are always a mistake of the sender.
pub const LABEL_NAME_BYTES_MAX: usize = 1024;
/// Bytes of a canonical label set: one series must not fill a message.
pub const LABELS_BYTES_MAX: usize = 16 * 1024;
/// Points in one write: bounds the frame, and the time that the loop is held by one request.
pub const BATCH_POINTS_MAX: usize = 200_000;
/// Streams in one write: as above.
pub const BATCH_STREAMS_MAX: usize = 50_000;
/// Bytes of one request at a door, before and after decompression.
pub const REQUEST_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of one frame: a batch at its limits fits, and a peer cannot make us allocate more.
pub const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of one peer message: a frame at its limit with its table beside it.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How far ahead of the node's clock a point may be: a grow-only map never forgets the year 2100.
pub const FUTURE_MAX: Duration = Duration::from_secs(600);
/// Series in one answer of `Query.Read`.
pub const READ_SERIES_MAX: usize = 10_000;
/// How long a gauge or updown writer counts as live after its last point.
pub const LIVE: Duration = Duration::from_secs(300);
