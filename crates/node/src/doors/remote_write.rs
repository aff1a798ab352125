//! `POST /api/v1/write`: remote write 1.0, samples only. All that can be judged is judged before anything is
//! stored; what is refused gets 400, because the same bytes would be refused again.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use prost::Message;
use shoal_model::limits::REQUEST_BYTES_MAX;
use shoal_model::{Kind, LabelError, Labels, Point, Stream, StreamPoints, Writer};
use shoal_replication::Acks;
use thiserror::Error;

use super::refusals::Door;
use super::{Context, http, import};
use crate::admission::Admitted;
use crate::engine::Written;

/// Bytes that are no remote write request.
#[derive(Debug, Error)]
enum Malformed {
    #[error("the body is no snappy block: {0}")]
    Snappy(#[from] snap::Error),
    #[error("{0} bytes after decompression are over the limit of {REQUEST_BYTES_MAX}")]
    TooLong(usize),
    #[error("the body is no remote write 1.0 message: {0}")]
    Message(#[from] prost::DecodeError),
    #[error("a series is refused: {0}")]
    Labels(#[from] LabelError),
}

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

/// The door.
pub(super) async fn write(State(context): State<Context>, body: Bytes) -> Response {
    let streams = match decode(&body) {
        Ok(streams) => streams,
        Err(error) => {
            context.refusals.refuse(Door::RemoteWrite, "syntax", 1);
            return http::error(StatusCode::BAD_REQUEST, "bad_data", &error.to_string());
        }
    };
    let Admitted { batch, refused, .. } =
        match context.about.rules().admit(streams.into_iter().enumerate().collect()) {
            Ok(admitted) => admitted,
            Err(error) => return http::error(StatusCode::BAD_REQUEST, "bad_data", &error.to_string()),
        };
    refused.iter().for_each(|refused| context.refusals.refuse(Door::RemoteWrite, refused.reason.word(), 1));
    let sizes: Vec<u64> = batch.streams.iter().map(|part| part.points.len() as u64).collect();
    let Written { clashes, .. } = match context.engine.write(batch, Acks::Auto).await {
        Ok(written) => written,
        Err(error) => return import::write_error(&error),
    };
    let clashed: u64 = clashes.iter().filter_map(|clash| sizes.get(clash.stream)).sum();
    context.refusals.refuse(Door::RemoteWrite, "family", clashed);
    context.refusals.accept(Door::RemoteWrite, sizes.iter().sum::<u64>() - clashed);
    let reasons = refused.iter().map(|refused| refused.reason.to_string());
    match reasons.chain(clashes.into_iter().map(|clash| clash.reason)).next() {
        None => StatusCode::NO_CONTENT.into_response(),
        Some(reason) => {
            let text =
                format!("some samples were refused, the others are stored; the first reason: {reason}");
            http::error(StatusCode::BAD_REQUEST, "bad_data", &text)
        }
    }
}

fn decode(body: &[u8]) -> Result<Vec<StreamPoints>, Malformed> {
    let length = snap::raw::decompress_len(body)?;
    if length > REQUEST_BYTES_MAX {
        return Err(Malformed::TooLong(length));
    }
    let bytes = snap::raw::Decoder::new().decompress_vec(body)?;
    let request = WriteRequest::decode(bytes.as_slice())?;
    request.timeseries.into_iter().map(stream).collect()
}

fn stream(series: TimeSeries) -> Result<StreamPoints, Malformed> {
    let labels = Labels::new(series.labels.iter().map(|label| (&label.name, &label.value)))?;
    let points = series.samples.iter().map(|sample| Point::new(sample.timestamp, sample.value)).collect();
    Ok(StreamPoints { stream: Stream { labels, writer: Writer::NONE, kind: Kind::Sample }, points })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_judged_before_they_are_unpacked() {
        let labels = vec![Label { name: "__name__".to_owned(), value: "m".to_owned() }];
        let series = TimeSeries { labels, samples: vec![Sample { value: 1.5, timestamp: 7 }] };
        let message = WriteRequest { timeseries: vec![series] }.encode_to_vec();
        let packed = snap::raw::Encoder::new().compress_vec(&message).unwrap();
        let decoded = decode(&packed).unwrap();
        assert_eq!(decoded[0].points, [Point::new(7, 1.5)]);
        assert!(matches!(decode(&[0xff, 0xff, 0xff, 0x7f, 0]), Err(Malformed::TooLong(_))));
        assert!(matches!(decode(b"junk"), Err(Malformed::Snappy(_) | Malformed::Message(_))));
    }
}
