//! Streams with their points. Here points get their place on the stream's time axis; whether their values and
//! times are acceptable is judged by the node's admission, point by point.

use shoal_model::time::{DELTA_BITS, DELTA_MILLIS_MAX, delta_time, millis};
use shoal_model::{Kind, LabelError, Labels, Point, Stream, StreamPoints};

use super::id::{IdError, writer, writer_bytes};
use crate::v1;

/// Why a whole stream was refused. The sender's fault: nothing of the stream was stored, the other streams of
/// the request are not concerned, and sending the same again fails again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamRefusal {
    /// The labels name no series.
    #[error(transparent)]
    Labels(#[from] LabelError),
    /// The writer is no id.
    #[error(transparent)]
    Writer(#[from] IdError),
    /// The kind is missing or unknown.
    #[error("there is no kind {0}")]
    Kind(i32),
    /// Some values have no time, or some times no value.
    #[error("{times} times for {values} values")]
    Times {
        /// How many times came.
        times: usize,
        /// How many values came.
        values: usize,
    },
    /// Some increments have no start, or some starts no increment.
    #[error("{starts} starts for {values} values")]
    Starts {
        /// How many starts came.
        starts: usize,
        /// How many values came.
        values: usize,
    },
    /// Starts in a stream that is not of kind delta.
    #[error("only delta streams have starts")]
    NotDelta,
}

impl StreamRefusal {
    /// The field of the stream that is at fault.
    pub fn field(&self) -> &'static str {
        match self {
            StreamRefusal::Labels(_) => "labels",
            StreamRefusal::Writer(_) => "writer",
            StreamRefusal::Kind(_) => "kind",
            StreamRefusal::Times { .. } => "times",
            StreamRefusal::Starts { .. } | StreamRefusal::NotDelta => "starts",
        }
    }

    /// The refusal as a reply names it; `index` is the stream's place in the request.
    pub fn message(&self, index: usize) -> v1::Refusal {
        v1::Refusal {
            stream: u32::try_from(index).unwrap_or(u32::MAX),
            point: 0,
            all_points: true,
            reason: format!("streams[{index}].{}: {self}", self.field()),
        }
    }
}

/// Reads one stream of a request; its points keep the order of the message.
///
/// `key` tells the increments of this request from those of another: the request's idempotency key, or, where
/// the request brings none and leaves the times to the node, something that the node draws. `now_ms` is the
/// time of points that came without.
pub fn stream_points(
    message: v1::StreamPoints,
    key: &[u8],
    now_ms: i64,
) -> Result<StreamPoints, StreamRefusal> {
    let v1::StreamPoints { labels: pairs, writer: writer_id, kind: code, times, values, starts } = message;
    let kind = kind(code).ok_or(StreamRefusal::Kind(code))?;
    let stream = Stream { labels: labels(pairs)?, writer: writer(&writer_id)?, kind };
    if !times.is_empty() && times.len() != values.len() {
        return Err(StreamRefusal::Times { times: times.len(), values: values.len() });
    }
    if !starts.is_empty() && kind != Kind::Delta {
        return Err(StreamRefusal::NotDelta);
    }
    if !starts.is_empty() && starts.len() != values.len() {
        return Err(StreamRefusal::Starts { starts: starts.len(), values: values.len() });
    }
    let point = |(index, value)| {
        let time = times.get(index).copied().unwrap_or(now_ms);
        match kind {
            Kind::Delta => Point::new(delta_place(start(&starts, &times, index), time, key), value),
            Kind::Sample | Kind::Counter | Kind::UpDown | Kind::Gauge => Point::new(time, value),
        }
    };
    Ok(StreamPoints { stream, points: values.into_iter().enumerate().map(point).collect() })
}

/// A stream as it travels.
///
/// The bits below the millisecond of a delta stream's axis travel as the start of the increment: the node's
/// own axis differs, but a retry still lands on the same place and a neighbour beside it.
pub fn stream_points_message(part: &StreamPoints) -> v1::StreamPoints {
    let StreamPoints { stream: Stream { labels, writer, kind }, points } = part;
    let starts = match kind {
        Kind::Delta => points.iter().map(|point| point.time & ((1 << DELTA_BITS) - 1)).collect(),
        Kind::Sample | Kind::Counter | Kind::UpDown | Kind::Gauge => Vec::new(),
    };
    v1::StreamPoints {
        labels: label_messages(labels),
        writer: writer_bytes(*writer),
        kind: kind_message(*kind).into(),
        times: points.iter().map(|point| millis(*kind, point.time)).collect(),
        values: points.iter().map(|point| point.value).collect(),
        starts,
    }
}

/// The series that label messages name.
pub fn labels(messages: Vec<v1::Label>) -> Result<Labels, LabelError> {
    Labels::new(messages.into_iter().map(|v1::Label { name, value }| (name, value)))
}

/// Labels as they travel.
pub fn label_messages(labels: &Labels) -> Vec<v1::Label> {
    labels.iter().map(|(name, value)| v1::Label { name: name.to_owned(), value: value.to_owned() }).collect()
}

/// The kind with this number in a message, if there is one.
pub fn kind(code: i32) -> Option<Kind> {
    match v1::Kind::try_from(code).ok()? {
        v1::Kind::Unspecified => None,
        v1::Kind::Sample => Some(Kind::Sample),
        v1::Kind::Counter => Some(Kind::Counter),
        v1::Kind::Updown => Some(Kind::UpDown),
        v1::Kind::Delta => Some(Kind::Delta),
        v1::Kind::Gauge => Some(Kind::Gauge),
    }
}

/// A kind as it travels.
pub fn kind_message(kind: Kind) -> v1::Kind {
    match kind {
        Kind::Sample => v1::Kind::Sample,
        Kind::Counter => v1::Kind::Counter,
        Kind::UpDown => v1::Kind::Updown,
        Kind::Delta => v1::Kind::Delta,
        Kind::Gauge => v1::Kind::Gauge,
    }
}

/// Where an increment starts. Values that the node stamps all end at one time, so their number in the message
/// keeps them apart.
fn start(starts: &[i64], times: &[i64], index: usize) -> i64 {
    match starts.get(index) {
        Some(start) => *start,
        None if times.is_empty() => i64::try_from(index).unwrap_or(i64::MAX),
        None => 0,
    }
}

/// The place on the axis. A time beyond the axis is drawn to its end, where admission refuses the point.
fn delta_place(start_ms: i64, end_ms: i64, key: &[u8]) -> i64 {
    let end_ms = end_ms.clamp(-DELTA_MILLIS_MAX, DELTA_MILLIS_MAX);
    delta_time(start_ms, end_ms, key).expect("the time is on the axis")
}

#[cfg(test)]
mod tests;
