//! Bad input gets a clear error in its own protocol, and nothing else is lost.

use shoal_model::limits::BATCH_POINTS_MAX;
use shoal_proto::v1;
use tonic::Code;

use crate::harness::{Cluster, Node};

fn stream(labels: &[(&str, &str)], kind: v1::Kind, values: &[f64]) -> v1::StreamPoints {
    let label = |(name, value): &(&str, &str)| v1::Label { name: (*name).into(), value: (*value).into() };
    v1::StreamPoints {
        labels: labels.iter().map(label).collect(),
        kind: kind.into(),
        values: values.to_vec(),
        ..Default::default()
    }
}

async fn write(
    node: &Node,
    streams: Vec<v1::StreamPoints>,
    acks: &str,
) -> Result<v1::WriteReply, tonic::Status> {
    let mut client =
        v1::ingest_client::IngestClient::connect(format!("http://{}", node.client)).await.unwrap();
    let request = v1::WriteRequest { streams, acks: acks.into(), ..Default::default() };
    client.write(request).await.map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_streams_and_points_refuse_themselves_over_grpc() {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    let good = stream(&[("__name__", "good_total")], v1::Kind::Counter, &[3.0]);
    let streams = vec![
        good.clone(),
        stream(&[("__name__", "x"), ("", "y")], v1::Kind::Gauge, &[1.0]),
        stream(&[("job", "nameless")], v1::Kind::Gauge, &[1.0]),
        stream(&[("__name__", "fell_total")], v1::Kind::Counter, &[-1.0]),
        stream(&[("__name__", "good_total")], v1::Kind::Gauge, &[1.0]),
        stream(&[("__name__", "odd")], v1::Kind::Unspecified, &[1.0]),
        v1::StreamPoints { writer: vec![1, 2, 3], ..good.clone() },
        v1::StreamPoints { times: vec![i64::MAX], ..stream(&[("__name__", "far")], v1::Kind::Gauge, &[1.0]) },
    ];
    let reply = write(node, streams, "").await.unwrap();
    assert_eq!((reply.accepted, reply.refused_points), (1, 7), "{reply:#?}");
    let reasons: Vec<_> =
        reply.refused.iter().map(|refused| format!("{} {}", refused.stream, refused.reason)).collect();
    for (place, word) in [
        (1, "empty name"),
        (2, "metric name"),
        (3, "from 0 on"),
        (4, "totals"),
        (5, "kind"),
        (6, "writer"),
        (7, "ahead"),
    ] {
        let found =
            reasons.iter().any(|reason| reason.starts_with(&place.to_string()) && reason.contains(word));
        assert!(found, "stream {place} should say {word:?}: {reasons:#?}");
    }
    assert_eq!(node.value("good_total").await, Some(3.0));
    let (_, metrics) = node.get("/metrics").await.unwrap();
    for reason in ["labels", "value", "family", "kind", "writer", "future"] {
        let line = format!("shoal_points_refused_total{{door=\"grpc\",reason=\"{reason}\"}}");
        assert!(metrics.contains(&line), "{line} is missing in {metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn oversize_and_senseless_requests_are_refused_whole_and_say_why() {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    let times: Vec<i64> = (0..=BATCH_POINTS_MAX as i64).collect();
    let many = v1::StreamPoints {
        times,
        ..stream(&[("__name__", "x")], v1::Kind::Gauge, &vec![1.0; BATCH_POINTS_MAX + 1])
    };
    let error = write(node, vec![many], "").await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    assert!(error.message().contains("200000"), "{error}");
    let error = write(node, vec![], "most").await.unwrap_err();
    assert!(error.code() == Code::InvalidArgument && error.message().contains("acks"), "{error}");
    let mut query = v1::query_client::QueryClient::connect(format!("http://{}", node.client)).await.unwrap();
    for selector in ["", "up[5m]", "sum(up)", "up{", r#"{job=~"("}"#] {
        let request = v1::ReadRequest { selector: selector.into(), ..Default::default() };
        let error = query.read(request).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{selector}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_lines_of_text_refuse_themselves_and_unknown_paths_are_404() {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    let (status, answer) =
        node.post("/api/v1/import/prometheus", "good 1\nbad{ 2\n{} 3\nalso_good 4\n").await.unwrap();
    assert_eq!(status, 400, "{answer}");
    assert!(answer.contains("2 refused, 2 stored") && answer.contains("line 2"), "{answer}");
    assert_eq!((node.value("good").await, node.value("also_good").await), (Some(1.0), Some(4.0)));
    let (status, _) = node.post("/api/v1/import/prometheus?job=batch&instance=a", "done 1\n").await.unwrap();
    assert_eq!(status, 204);
    assert_eq!(node.value(r#"done{job="batch",instance="a"}"#).await, Some(1.0));
    let (status, answer) = node.get("/no/such/path").await.unwrap();
    assert_eq!(status, 404, "{answer}");
    let (status, answer) = node.get("/api/v1/import/prometheus").await.unwrap();
    assert_eq!(status, 405, "{answer}");
}
