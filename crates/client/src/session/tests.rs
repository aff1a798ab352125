//! A session against a fake node: what its flushes send, and what they do after failures.

use tonic::Code;

use super::*;
use crate::fake::{FakeNode, Meeting};
use shoal_proto::v1;

const DAY: Duration = Duration::from_secs(86_400);

fn session(node: &FakeNode, config: SessionConfig) -> Session {
    let client = Client::builder().seeds([node.address.to_string()]).only_seeds().build().unwrap();
    Session::new(client, config)
}

fn only_stream(write: &v1::WriteRequest) -> &v1::StreamPoints {
    assert_eq!(write.streams.len(), 1);
    &write.streams[0]
}

#[tokio::test]
async fn counters_stay_cumulative_over_failed_flushes() {
    let node = FakeNode::start([], Meeting::Fail(Code::InvalidArgument));
    let failing = session(&node, SessionConfig::default());
    let counter = failing.counter("requests_total", &[("code", "200")]);
    for total in 1..=3 {
        counter.add(1.0);
        assert!(matches!(failing.flush().await, Err(CallError::Refused { .. })), "{total}");
    }
    let writes = node.writes();
    let streams: Vec<_> = writes.iter().map(only_stream).collect();
    assert!(streams.iter().all(|part| part.writer == streams[0].writer && part.writer.len() == 16));
    assert!(streams.iter().all(|part| part.kind() == v1::Kind::Counter && part.values.len() == 1));
    let points: Vec<_> = streams.iter().map(|part| (part.times[0], part.values[0])).collect();
    assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0), "{points:?}");
    assert_eq!(points.iter().map(|point| point.1).collect::<Vec<_>>(), [1.0, 2.0, 3.0]);
}

#[tokio::test]
async fn what_was_acknowledged_is_not_sent_again_until_it_changes() {
    let node = FakeNode::accepting();
    let session = session(&node, SessionConfig::default());
    let counter = session.counter("requests_total", &[]);
    let sent = Flush { accepted: 1, refused: 0, copies: Some(2) };
    assert_eq!(session.flush().await, Ok(sent.clone()));
    assert_eq!(session.flush().await, Ok(Flush::default()));
    counter.add(1.0);
    assert_eq!(session.flush().await, Ok(sent));
}

#[tokio::test]
async fn two_sessions_are_two_writers() {
    let node = FakeNode::accepting();
    for _ in 0..2 {
        let session = session(&node, SessionConfig::default());
        session.updown("open", &[]).add(-1.0);
        session.flush().await.unwrap();
    }
    let writes = node.writes();
    assert_ne!(only_stream(&writes[0]).writer, only_stream(&writes[1]).writer);
    assert_eq!(only_stream(&writes[0]).labels, only_stream(&writes[1]).labels);
}

#[tokio::test]
async fn an_instruments_own_labels_win_over_the_sessions() {
    let node = FakeNode::accepting();
    let labels = [("job", "web"), ("zone", "a")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let session = session(&node, SessionConfig { labels: labels.to_vec(), ..SessionConfig::default() });
    session.gauge("heat", &[("zone", "b")]).set(1.0);
    session.flush().await.unwrap();
    let labels = shoal_proto::convert::labels(node.writes()[0].streams[0].labels.clone()).unwrap();
    assert_eq!(labels.to_string(), r#"heat{job="web",zone="b"}"#);
}

#[tokio::test]
async fn instruments_beyond_the_bound_are_counted_and_not_sent() {
    let node = FakeNode::accepting();
    let session = session(&node, SessionConfig { streams_max: 2, ..SessionConfig::default() });
    for name in ["a", "b", "c", "a"] {
        session.counter(name, &[]).add(1.0);
    }
    session.counter("d", &[("", "no name")]).add(1.0);
    assert_eq!(session.refused_instruments(), 2);
    session.flush().await.unwrap();
    assert_eq!(node.writes()[0].streams.len(), 2);
}

#[tokio::test]
async fn the_flusher_sends_without_being_asked_and_finish_sends_the_rest() {
    let node = FakeNode::accepting();
    let session = session(&node, SessionConfig::default());
    let counter = session.counter("requests_total", &[]);
    session.start(Duration::from_millis(5));
    node.saw(1).await;
    session.start(DAY);
    counter.add(1.0);
    session.finish().await.unwrap();
    assert_eq!(node.writes().last().map(|write| only_stream(write).values[0]), Some(1.0));
}

#[test]
fn flushes_fall_on_whole_intervals_of_the_clock() {
    let check = |now, expected| assert_eq!(until_next(Duration::from_secs(10), now).as_millis(), expected);
    check(1_700_000_000_000, 10_000);
    check(1_700_000_000_001, 9_999);
    check(-1, 1);
}
