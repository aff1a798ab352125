//! One TCP port for gRPC and HTTP/1.1: tonic's services and axum's routes behind one listener.

use std::future::Future;
use std::io;

use axum::extract::{Request, State};
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Version};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::serve::ListenerExt;
use shoal_proto::v1::cluster_server::ClusterServer;
use shoal_proto::v1::ingest_server::IngestServer;
use shoal_proto::v1::query_server::QueryServer;
use shoal_replication::Readiness;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::service::Routes;
use tonic_health::ServingStatus;

use super::cluster::Cluster;
use super::ingest::Ingest;
use super::otlp::Otlp;
use super::query::Query;
use super::{Context, access, http, intake, timing};

/// Serves until `stop` resolves and the requests under way are answered.
pub async fn serve(
    listener: TcpListener,
    context: Context,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (reporter, health) = tonic_health::server::health_reporter();
    let mut readiness = context.engine.readiness();
    let watcher = tokio::spawn(async move {
        loop {
            let is_ready = *readiness.borrow_and_update() == Readiness::Ready;
            let status = if is_ready { ServingStatus::Serving } else { ServingStatus::NotServing };
            for service in ["", service_name::<IngestServer<Ingest>>(), service_name::<QueryServer<Query>>()]
            {
                reporter.set_service_status(service, status).await;
            }
            if readiness.changed().await.is_err() {
                return;
            }
        }
    });
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(shoal_proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(io::Error::other)?;
    let services = Routes::new(Ingest(context.clone()).server())
        .add_service(QueryServer::new(Query(context.clone())))
        .add_service(Otlp(context.clone()))
        .add_service(ClusterServer::new(Cluster(context.clone())))
        .add_service(health)
        .add_service(reflection);
    // tonic's own fallback answers every unknown path with 200.
    let router = services
        .into_axum_router()
        .reset_fallback()
        .merge(http::routes(context.clone()))
        .fallback(access::unknown)
        .layer(middleware::from_fn_with_state(context.intake.clone(), intake::measure))
        .layer(middleware::from_fn_with_state(context.about.clone(), access::check))
        .layer(middleware::from_fn_with_state(context.timing.clone(), timing::measure))
        .layer(middleware::from_fn_with_state(context.engine.readiness(), let_go));
    // Small answers must not wait for the acknowledgement of earlier ones.
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps its delay");
        }
    });
    let served = axum::serve(listener, router).with_graceful_shutdown(stop).await;
    watcher.abort();
    served
}

/// A node that drains keeps no connection that HTTP/1 would use again: when the doors close, a request on its way over
/// one would be lost, and not every proxy sends it again. HTTP/2 has a farewell of its own.
async fn let_go(
    State(readiness): State<watch::Receiver<Readiness>>,
    request: Request,
    next: Next,
) -> Response {
    let is_kept = request.version() == Version::HTTP_11;
    let mut response = next.run(request).await;
    if is_kept && *readiness.borrow() == Readiness::Leaving {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn service_name<S: tonic::server::NamedService>() -> &'static str {
    S::NAME
}
