//! One port: gRPC with health and reflection beside HTTP.

use futures::{StreamExt, stream};
use shoal_proto::v1;
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_request::MessageRequest,
    server_reflection_response::MessageResponse,
};

use crate::harness::{Cluster, Node};

async fn channel(node: &Node) -> Channel {
    Channel::from_shared(format!("http://{}", node.client)).unwrap().connect().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_writes_is_answered_message_by_message_in_order() {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    let message = |value: usize| v1::WriteRequest {
        streams: vec![v1::StreamPoints {
            labels: vec![v1::Label { name: "__name__".into(), value: "steps".into() }],
            kind: v1::Kind::Gauge.into(),
            times: vec![1_000_000 + value as i64; value],
            values: vec![value as f64; value],
            ..Default::default()
        }],
        ..Default::default()
    };
    let messages: Vec<_> = (1..=20).map(message).collect();
    let mut client = v1::ingest_client::IngestClient::new(channel(node).await);
    let replies = client.write_stream(stream::iter(messages)).await.unwrap().into_inner();
    let refused: Vec<_> = replies.map(|reply| reply.unwrap().refused_points).collect().await;
    assert_eq!(
        refused,
        (1..=20).collect::<Vec<u64>>(),
        "points of 1970 are too old, so each reply tells its size"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn health_reflection_and_unknown_methods_answer_as_grpc() {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    let mut health = HealthClient::new(channel(node).await);
    for service in ["", "shoal.v1.Ingest", "shoal.v1.Query"] {
        let reply = health.check(HealthCheckRequest { service: service.into() }).await.unwrap();
        assert_eq!(reply.into_inner().status(), ServingStatus::Serving, "{service}");
    }
    let mut reflection = ServerReflectionClient::new(channel(node).await);
    let list = ServerReflectionRequest {
        message_request: Some(MessageRequest::ListServices(String::new())),
        ..Default::default()
    };
    let mut replies = reflection.server_reflection_info(stream::iter([list])).await.unwrap().into_inner();
    let reply = replies.message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(list) = reply else { panic!("{reply:?}") };
    let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    for name in ["shoal.v1.Ingest", "shoal.v1.Query", "shoal.v1.Cluster", "grpc.health.v1.Health"] {
        assert!(names.iter().any(|listed| listed == name), "{name} is not in {names:?}");
    }
    let mut unknown = tonic::client::Grpc::new(channel(node).await);
    unknown.ready().await.unwrap();
    let path = "/shoal.v1.Nothing/AtAll".parse().unwrap();
    let codec = tonic_prost::ProstCodec::<v1::MembersRequest, v1::MembersReply>::default();
    let error = unknown.unary(tonic::Request::new(v1::MembersRequest {}), path, codec).await.unwrap_err();
    assert_eq!(error.code(), Code::Unimplemented);
}
