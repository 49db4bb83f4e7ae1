//! gRPC, and HTTP, over TLS 1.3.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use leno_runtime::{Drained, task};
use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Router;
use tracing::{debug, error, warn};

/// How many handshakes may be under way; further connections wait in the kernel.
const HANDSHAKES: usize = 256;
/// How long one may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long accepting pauses when it fails, e.g. for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(50);

type Connections = mpsc::Sender<io::Result<TlsStream<TcpStream>>>;

/// Serves gRPC over TLS until the control plane stops.
pub(crate) async fn over_tls(listener: TcpListener, config: Arc<ServerConfig>, router: Router, drained: Drained) {
    let (connections, incoming) = mpsc::channel(HANDSHAKES);
    let accepting = task::spawn(accept(listener, TlsAcceptor::from(config), connections));
    let mut stopping = drained.clone();
    let served = router.serve_with_incoming_shutdown(ReceiverStream::new(incoming), async move {
        stopping.wait().await;
    });
    if let Err(error) = served.await {
        error!(%error, "the discovery port is closed");
    }
    accepting.abort();
    drop(drained);
}

/// Serves HTTP over TLS until the control plane stops.
pub(crate) async fn http_over_tls(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    router: axum::Router,
    drained: Drained,
) {
    let Ok(address) = listener.local_addr() else { return };
    let (connections, incoming) = mpsc::channel(HANDSHAKES);
    let accepting = task::spawn(accept(listener, TlsAcceptor::from(config), connections));
    let mut stopping = drained.clone();
    let served = axum::serve(Handshaken { incoming, address }, router);
    if let Err(error) = served.with_graceful_shutdown(async move { stopping.wait().await }).await {
        error!(%error, "the port for webhooks is closed");
    }
    accepting.abort();
    drop(drained);
}

/// Connections whose handshakes are done.
struct Handshaken {
    incoming: mpsc::Receiver<io::Result<TlsStream<TcpStream>>>,
    address: SocketAddr,
}

impl axum::serve::Listener for Handshaken {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.incoming.recv().await {
                Some(Ok(stream)) => return (stream, self.address),
                Some(Err(_)) => {}
                // Accepting has ended; the server is told otherwise that it is over.
                None => std::future::pending().await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, connections: Connections) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
    // The semaphore is never closed.
    while let Ok(permit) = Arc::clone(&handshakes).acquire_owned().await {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "could not accept a connection");
                sleep(PAUSE).await;
                continue;
            }
        };
        let (acceptor, connections) = (acceptor.clone(), connections.clone());
        task::spawn(async move {
            handshake(stream, peer, acceptor, connections).await;
            drop(permit);
        });
    }
}

async fn handshake(stream: TcpStream, peer: SocketAddr, acceptor: TlsAcceptor, connections: Connections) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%peer, %error, "could not turn off Nagle's algorithm");
    }
    let stream = match timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            warn!(%peer, %error, "a TLS handshake failed");
            return;
        }
        Err(_) => {
            warn!(%peer, "a TLS handshake took too long");
            return;
        }
    };
    // Fails when the server has stopped.
    connections.send(Ok(stream)).await.ok();
}
