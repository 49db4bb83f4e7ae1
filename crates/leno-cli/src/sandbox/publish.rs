//! Ports of the host that lead into the mesh.

use std::{
    net::{SocketAddr, SocketAddrV4},
    sync::Arc,
    time::Duration,
};

use leno_runtime::{Drained, task::spawn};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{
    Outside,
    error::{Doing as _, SandboxError},
    relay::{relay, reset},
};

/// How many connections a port has at most; more wait to be accepted.
const CONNECTIONS: usize = 1024;
/// How long the service's instance may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How long to wait after the system refused to accept a connection (too many open files).
const PAUSE: Duration = Duration::from_millis(100);

/// An open port of the host. Dropping it closes the port; connections that it made stay until they end.
#[derive(Debug)]
pub struct Published {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Published {
    /// Where it listens on the host, with the real port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Opens the port.
pub(super) async fn open(
    outside: &Outside,
    host: SocketAddr,
    target: SocketAddrV4,
    drained: Drained,
) -> Result<Published, SandboxError> {
    let what = || format!("open {host} on the host");
    let listener = outside.listen(host).await.doing(what)?;
    let address = listener.local_addr().doing(what)?;
    let accepting = spawn(accept(listener, target, drained));
    Ok(Published { address, accepting })
}

async fn accept(listener: TcpListener, target: SocketAddrV4, mut drained: Drained) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&free).acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = drained.wait() => return,
        };
        let Ok((client, _)) = accepted else {
            sleep(PAUSE).await;
            continue;
        };
        let drained = drained.clone();
        spawn(async move {
            serve(client, target, drained).await;
            drop(place);
        });
    }
}

async fn serve(client: TcpStream, target: SocketAddrV4, drained: Drained) {
    match timeout(CONNECT, TcpStream::connect(target)).await {
        Ok(Ok(server)) => relay(client, server, drained).await,
        Ok(Err(error)) => {
            tracing::debug!(%target, %error, "published service cannot be reached");
            reset(client);
        }
        Err(_) => {
            tracing::debug!(%target, "published service does not answer");
            reset(client);
        }
    }
}
