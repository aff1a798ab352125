//! What the macros of the `metrics` facade become on the wire.

use std::collections::BTreeMap;

use metrics::{counter, gauge, histogram, with_local_recorder};
use shoal_model::Kind;
use shoal_proto::v1;

use super::*;
use crate::client::Client;
use crate::fake::FakeNode;
use crate::session::SessionConfig;

/// Series by their text, with kind and value, as all writes together left them.
fn totals(writes: Vec<v1::WriteRequest>) -> BTreeMap<String, (Kind, f64)> {
    let parts = writes.into_iter().flat_map(|write| write.streams);
    let total = |part: v1::StreamPoints| {
        let part = shoal_proto::convert::stream_points(part, b"", 0).unwrap();
        (part.stream.labels.to_string(), (part.stream.kind, part.points[0].value))
    };
    parts.map(total).collect()
}

async fn recorded(buckets: &[f64], application: impl FnOnce()) -> BTreeMap<String, (Kind, f64)> {
    let node = FakeNode::accepting();
    let client = Client::connect([node.address.to_string()]).unwrap();
    let session = Session::new(client, SessionConfig::default());
    with_local_recorder(&Recorder::new(session.clone(), buckets), application);
    session.flush().await.unwrap();
    totals(node.writes())
}

fn expected<const N: usize>(series: [(&str, Kind, f64); N]) -> BTreeMap<String, (Kind, f64)> {
    series.into_iter().map(|(name, kind, value)| (name.to_owned(), (kind, value))).collect()
}

#[tokio::test]
async fn counters_add_up_and_absolute_never_lowers_them() {
    let totals = recorded(&BUCKETS, || {
        counter!("http.requests", "code" => "200").increment(1);
        counter!("http.requests", "code" => "200").increment(2);
        counter!("read_bytes").absolute(7);
        counter!("read_bytes").absolute(5);
    });
    let requests = (r#"http.requests{code="200"}"#, Kind::Counter, 3.0);
    assert_eq!(totals.await, expected([requests, ("read_bytes", Kind::Counter, 7.0)]));
}

#[tokio::test]
async fn gauges_show_the_last_reading() {
    let totals = recorded(&BUCKETS, || {
        gauge!("heat").set(5.0);
        gauge!("heat").increment(2.0);
        gauge!("heat").decrement(8.0);
    });
    assert_eq!(totals.await, expected([("heat", Kind::Gauge, -1.0)]));
}

#[tokio::test]
async fn histograms_become_classic_ones() {
    let totals = recorded(&[1.0, 0.5, f64::INFINITY], || {
        for seconds in [0.25, 0.5, 0.75, 3.0, -1.0, f64::NAN, f64::INFINITY] {
            histogram!("seconds").record(seconds);
        }
    });
    let expected = expected([
        (r#"seconds_bucket{le="0.5"}"#, Kind::Counter, 2.0),
        (r#"seconds_bucket{le="1"}"#, Kind::Counter, 3.0),
        (r#"seconds_bucket{le="+Inf"}"#, Kind::Counter, 4.0),
        ("seconds_sum", Kind::Counter, 4.5),
        ("seconds_count", Kind::Counter, 4.0),
    ]);
    assert_eq!(totals.await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installed_recorder_sends_the_rest_when_it_is_dropped_and_only_one_is_taken() {
    let node = FakeNode::accepting();
    let installed = install([node.address.to_string()], [("job", "test")]).unwrap();
    counter!("requests_total").increment(4);
    assert!(matches!(install(["node:7400"], [("a", "b")]), Err(InstallError::Taken)));
    let misconfigured = install(["nowhere"], [("a", "b")]);
    assert!(matches!(misconfigured, Err(InstallError::Build(_))));
    drop(installed);
    let total = (Kind::Counter, 4.0);
    assert_eq!(totals(node.writes()).get(r#"requests_total{job="test"}"#), Some(&total));
}
