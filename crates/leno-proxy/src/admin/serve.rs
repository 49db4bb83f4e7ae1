//! The servers: small HTTP/1.1, on the control thread.

use std::{convert::Infallible, future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use leno_runtime::task;
use tokio::{net::TcpListener, sync::Semaphore};

use super::{Admin, Answer};

/// Connections at a time; more wait in the kernel.
pub(crate) const CONNECTIONS: usize = 64;

/// Answers requests.
type Handler<F> = fn(Arc<Admin>, Request<Incoming>) -> F;

/// Serves on this address for ever; returns once the socket listens.
///
/// # Errors
/// When the address cannot be had.
pub async fn start<F>(address: SocketAddr, admin: Arc<Admin>, handle: Handler<F>) -> io::Result<SocketAddr>
where
    F: Future<Output = Answer> + Send + 'static,
{
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    task::spawn(accept(listener, admin, handle));
    Ok(address)
}

/// Accepts for ever.
async fn accept<F>(listener: TcpListener, admin: Arc<Admin>, handle: Handler<F>)
where
    F: Future<Output = Answer> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept admin connections");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let admin = Arc::clone(&admin);
        task::spawn(async move {
            let service = service_fn(move |request| {
                let answer = handle(Arc::clone(&admin), request);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            // Clients that go away are not worth a line.
            drop(
                http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(Duration::from_secs(10))
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
            drop(place);
        });
    }
}
