//! The ports.

mod tls;

use std::time::Duration;

use axum::Router as HttpRouter;
use leno_runtime::Drained;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Server, server::Router};
use tracing::error;

pub(crate) use tls::{http_over_tls, over_tls};

/// A gRPC server with the bounds that every port has. A silent client is noticed within 40 seconds.
pub(crate) fn grpc() -> Server {
    Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .max_concurrent_streams(Some(100))
        .http2_max_pending_accept_reset_streams(Some(100))
        .tcp_nodelay(true)
}

/// Serves gRPC in plaintext until the control plane stops.
pub(crate) async fn in_plaintext(listener: TcpListener, router: Router, mut drained: Drained) {
    let ended = router.serve_with_incoming_shutdown(TcpListenerStream::new(listener), async {
        drained.wait().await;
    });
    if let Err(error) = ended.await {
        error!(%error, "the plaintext discovery port is closed");
    }
}

/// Serves HTTP until the control plane stops.
pub(crate) async fn http(listener: TcpListener, router: HttpRouter, drained: Drained) {
    let mut stopping = drained.clone();
    let served = axum::serve(listener, router).with_graceful_shutdown(async move { stopping.wait().await });
    if let Err(error) = served.await {
        error!(%error, "an HTTP port is closed");
    }
    drop(drained);
}
