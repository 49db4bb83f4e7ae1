//! The ports.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use leno_runtime::Drained;
use prometheus_client::{encoding::text::encode, registry::Registry};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;

use crate::service::Service;

/// Serves the protocol until the process stops. A silent client is noticed within 40 seconds.
pub(crate) async fn grpc(listener: TcpListener, service: Service, mut drained: Drained) -> anyhow::Result<()> {
    Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .max_concurrent_streams(Some(1024))
        .tcp_nodelay(true)
        .add_service(service.into_server())
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), async move { drained.wait().await })
        .await
        .context("serve the rate limit protocol")
}

/// Serves metrics and health until the process stops.
pub(crate) async fn http(listener: TcpListener, metrics: Registry, mut drained: Drained) -> anyhow::Result<()> {
    let router = Router::new()
        .route("/metrics", get(scrape))
        .route("/healthz/live", get(async || "live\n"))
        .route("/healthz/ready", get(async || "ready\n"))
        .with_state(Arc::new(metrics));
    axum::serve(listener, router)
        .with_graceful_shutdown(async move { drained.wait().await })
        .await
        .context("serve metrics")
}

async fn scrape(State(metrics): State<Arc<Registry>>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &metrics) {
        Ok(()) => {
            let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(CONTENT_TYPE, content_type)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
